#pragma once
// Asynchronous name resolution (c-ares). Main's loop only.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"  // lint-ok: std::move_only_function is C++23.
#include "base/address.h"
#include "net/loop.h"

namespace sluice::net {

enum class DnsFamily : std::uint8_t { kAuto, kV4Only, kV6Only, kV4Preferred, kAll };

struct DnsAnswer {
  enum class Status : std::uint8_t { kOk, kNoRecords, kFailure };
  Status status = Status::kFailure;      // kNoRecords: the name exists not, or has no address.
  std::vector<base::Address> addresses;  // Port 0; sorted, without duplicates.
  std::uint32_t ttl_s = 0;
  std::string error;
};

class Resolver {
 public:
  virtual ~Resolver() = default;
  using Done = absl::AnyInvocable<void(DnsAnswer)>;
  // `done` runs on the loop, never inline; not at all once the resolver is destroyed or the
  // returned ticket was cancelled.
  virtual std::uint64_t Resolve(std::string_view name, DnsFamily family, Done done) = 0;
  virtual void Cancel(std::uint64_t ticket) = 0;
};

// `servers`: "127.0.0.1:5353,..." for tests; "": the system's. Query timeout 5 s, 4 tries in all.
std::unique_ptr<Resolver> NewResolver(Loop& loop, std::string_view servers = {});

}  // namespace sluice::net
