#pragma once
// Discovery responses as bytes: the large part serialised once for all streams, the nonce of each
// stream behind it.
//
// The control plane's loop only; the bytes are immutable and may go anywhere.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "snapshot.h"

namespace sluice::control {

// The message is `body` followed by `tail`: protobuf fields may come in any order.
struct SerialisedResponse {
  std::shared_ptr<const std::string> body;
  std::string tail;
};

struct ResponseContent {
  bool delta = false;
  Type type = Type::kClusters;
  std::string_view version;
  const std::vector<const Resource*>& include;
  const std::vector<std::string>& removed;  // Delta only.
};

// Keeps the latest bodies per protocol and type, so that one change is serialised once however many
// proxies get it, in a few fleets, and no more than a few configurations are held.
class ResponseCache {
 public:
  SerialisedResponse Get(const ResponseContent& content, std::string_view nonce);
  std::uint64_t serialised_count() const { return serialised_; }

 private:
  struct Entry {
    std::string key;  // A hash of everything in the body.
    std::shared_ptr<const std::string> body;
  };
  static constexpr std::size_t kKept = 4;
  std::array<std::array<std::vector<Entry>, static_cast<std::size_t>(Type::kCount)>, 2> latest_;
  std::uint64_t serialised_ = 0;
};

}  // namespace sluice::control
