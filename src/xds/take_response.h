#pragma once
// From the bytes of a discovery message, either form, to one Response; and the request's error.
// Pure. envoy-behaviour.md 1.3, 1.5, 1.11.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "xds/response.h"

namespace sluice::xds {

// A message, read. Owns what the views of `response` point into.
struct Incoming {
  Incoming();
  ~Incoming();
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;

  Response response;
  std::string nonce;
  // Resources with a TTL, heartbeats among them; ms, 0: lives for ever from now on.
  std::vector<std::pair<std::string_view, std::uint64_t>> ttls;
  struct Heartbeat {
    std::string_view name, version;
  };
  std::vector<Heartbeat> heartbeats;
  std::vector<RejectedResource> rejected;  // By the protocol's own rules.
  std::string refused;                     // Why the whole response must be; "": it need not.

  struct Messages;
  std::unique_ptr<Messages> messages;
};

enum class Parsed : std::uint8_t { kOk, kGarbage, kUnknownType };

// Fills `out`. kGarbage and kUnknownType leave nothing to answer to; `out.refused` does.
Parsed TakeResponse(std::string_view bytes, bool delta, Incoming& out);

// The string in field 1, which is the name of every type we know, without parsing the message: a
// resource that does not parse is still named in the NACK.
std::string_view PeekName(std::string_view bytes);

// A serialised google.rpc.Status, bounded: the text, and per bad resource one google.rpc.BadRequest
// whose violations carry field path, reason and hint.
std::string NackBytes(const Verdict& verdict);

}  // namespace sluice::xds
