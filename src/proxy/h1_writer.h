#pragma once
// What is to be written to an HTTP/1 stream next: heads and chunk lines of our own, body pieces by
// reference, sent together in one gathered write.
//
// Loop's thread. Referenced pieces must stay valid until Flush() answered kOk. Pooled with
// exchanges.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/fields.h"
#include "net/stream.h"
#include "observe/cells.h"

namespace sluice::proxy {

class H1Writer {
 public:
  // What is queued is forgotten; text keeps its capacity (unless it is huge).
  void Reset(net::Stream* stream, observe::Counter* sent);

  // Text of our own: append to it, then call TextAdded().
  std::string& text() { return text_; }
  void TextAdded();
  // REQUIRES: !full().
  void AddPiece(std::string_view piece, bool chunked);
  void AddLastChunk(const http::Fields& trailers);

  bool empty() const { return count_ == 0; }
  bool full() const { return count_ + 2 > kPartsMax || text_.size() > kTextMax; }
  // Sends as much as goes. kOk: everything is out, nothing queued. kWouldBlock, kError.
  net::IoStatus Flush();
  // Bytes ever accepted by the stream since Reset().
  std::uint64_t sent_bytes() const { return sent_bytes_; }
  net::Stream* stream() const { return stream_; }

 private:
  struct Part {
    const char* data;  // Null: `size` bytes of text_ from `at`.
    std::size_t at;
    std::size_t size;
  };
  static constexpr std::size_t kPartsMax = 32;
  static constexpr std::size_t kTextMax = 32 * 1024;
  static constexpr std::size_t kCopyMax = 256;  // Pieces this small are cheaper to copy.

  net::Stream* stream_ = nullptr;
  observe::Counter* sent_ = nullptr;
  std::string text_;
  std::size_t text_taken_ = 0;  // Of text_, by parts.
  std::array<Part, kPartsMax> parts_;
  std::size_t count_ = 0;
  std::size_t first_ = 0;  // Parts before it are out.
  std::uint64_t sent_bytes_ = 0;
};

}  // namespace sluice::proxy
