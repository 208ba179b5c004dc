#pragma once
// The body of an HTTP/1 message as pieces: views into the connection's own buffer.
//
// Loop's thread. Nobody waits in here: kBlocked says that the stream must become readable first.

#include <cstddef>
#include <cstdint>

#include "http/h1_codec.h"
#include "net/buffer.h"
#include "net/stream.h"
#include "observe/cells.h"
#include "proxy/body_read.h"

namespace sluice::proxy {

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
