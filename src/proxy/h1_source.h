#pragma once
// The body of an HTTP/1 message as pieces: views into the connection's own buffer.
//
// Loop's thread. Nobody waits in here: kBlocked says that the stream must become readable first.

#include <cstddef>
#include <string_view>

#include "http/h1_codec.h"
#include "net/buffer.h"
#include "net/stream.h"
#include "observe/cells.h"

namespace sluice::proxy {

enum class BodyStep : std::uint8_t {
  kPiece,
  kEnd,  // The message is complete; trailers, if any, are in the parser.
  kBlocked,
  kGone,    // The peer closed or reset before the end.
  kBroken,  // The peer broke the rules of HTTP/1.
};

struct BodyRead {
  BodyStep step;
  std::string_view piece;  // kPiece: valid until the next call that may read, or Release.
};

enum class FillStep : std::uint8_t { kFilled, kBlocked, kEof, kError, kFull };

// Reads once from `stream` behind what `input` holds. Takes a block of the pool only when there is
// something to read, and gives it back when nothing came.
FillStep Fill(net::Stream& stream, net::Buffer& input, std::size_t bytes_max,
              observe::Counter& received);

struct H1Source {
  net::Stream* stream = nullptr;
  net::Buffer* input = nullptr;
  http::H1Parser* parser = nullptr;
  observe::Counter* received = nullptr;
  bool tunnel = false;  // Bytes as they come until the peer shuts down.

  // The next piece. `may_read`: also from the stream, which invalidates earlier pieces.
  BodyRead Next(bool may_read);

 private:
  BodyRead Parse(bool& need_more);
};

}  // namespace sluice::proxy
