#pragma once
// One step of reading a body, from either side and whatever its protocol.

#include <cstdint>
#include <string_view>

namespace sluice::proxy {

enum class BodyStep : std::uint8_t {
  kPiece,
  kEnd,  // The message is complete; its trailers can be asked for.
  kBlocked,
  kGone,    // The peer closed or reset before the end.
  kReset,   // HTTP/2: the peer reset this stream alone.
  kBroken,  // The peer broke the rules of its protocol.
};

struct BodyRead {
  BodyStep step;
  std::string_view piece;  // kPiece: valid until the next call that may read, or Release.
};

}  // namespace sluice::proxy
