#pragma once
// What an HTTP/2 stream of ours holds of bodies: bytes that arrived and were not read, pieces that
// are queued and not sent. Bounded by the stream's window and by the exchange.
//
// worker: both sides of an exchange use them.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/fields.h"
#include "http/h2_session.h"
#include "net/buffer.h"
#include "net/stream.h"

namespace sluice::upstream {

// Arriving bytes go into one buffer while the reader looks at the other one.
class H2Inbox {
 public:
  explicit H2Inbox(net::BufferPool& pool) : buffers_{net::Buffer(pool), net::Buffer(pool)} {}

  // False: the pool is exhausted.
  bool Append(std::string_view data);
  bool empty() const { return buffers_[arriving_].empty(); }
  // Everything that has arrived; the piece before it is done with, and `returned` its size.
  std::string_view Take(std::uint32_t& returned);
  void Clear();

 private:
  std::array<net::Buffer, 2> buffers_;
  unsigned arriving_ = 0;
};

class H2Outbox {
 public:
  void Reset();
  void Add(std::string_view piece) {
    if (!piece.empty()) pieces_[count_++] = piece;
  }
  // Trailers are copied: pieces go first.
  void AddEnd(const http::Fields& trailers);
  bool full() const { return count_ == pieces_.size(); }
  bool empty() const { return count_ == 0 && !end_; }
  // Into the session as much as windows and room allow. kOk: all; nothing is referred to any more.
  // kWouldBlock: OnCanSend tells. kError: the stream is closed.
  net::IoStatus Flush(http::H2Session& session, http::H2Stream& stream);
  std::uint64_t sent_bytes() const { return sent_bytes_; }

 private:
  std::array<std::string_view, 8> pieces_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::uint64_t sent_bytes_ = 0;
  http::Fields trailers_;
  bool end_ = false;
};

}  // namespace sluice::upstream
