#pragma once
// HTTP/1 with an upstream: one request and its response on a connection of the pool.
//
// Worker's thread. Lives in the exchange; Open() before use, Reset() after.

#include <cstdint>

#include "proxy/h1_source.h"
#include "proxy/h1_writer.h"
#include "proxy/upstream_stream.h"
#include "upstream/pool.h"

namespace sluice::proxy {

class H1Upstream final : public UpstreamStream {
 public:
  // REQUIRES: `attempt` has acquired an HTTP/1 connection, and outlives this use.
  void Open(upstream::Attempt& attempt);
  void Reset();

  // ---- UpstreamStream
  UpstreamFacts facts() const override;
  std::uint64_t sent_bytes() const override { return writer_.sent_bytes(); }
  bool response_begun() const override { return response_begun_; }
  bool refused() const override { return false; }
  std::string_view failure() const override { return source_.stream->failure(); }
  void QueueHead(const http::RequestHead& head) override;
  void QueueBody(std::string_view piece) override { writer_.AddPiece(piece, chunked_); }
  void QueueEnd(const http::Fields& trailers) override;
  bool QueueFull() const override { return writer_.full(); }
  bool QueueEmpty() const override { return writer_.empty(); }
  net::IoStatus Flush() override;
  net::Waiter::Awaiter WaitFlush() override { return source_.stream->WaitWritable(); }
  HeadRead ReadHead(http::ResponseHead& head) override;
  BodyRead ReadBody(bool may_read) override { return source_.Next(may_read); }
  net::Waiter::Awaiter WaitRead() override { return source_.stream->WaitReadable(); }
  const http::Fields& trailers() const override { return source_.parser->trailers(); }
  void BecomeTunnel() override;
  void Finish(bool clean) override;

 private:
  upstream::Attempt* attempt_ = nullptr;
  H1Writer writer_;
  H1Source source_;
  std::size_t head_bytes_max_ = 0;
  http::Method method_ = http::Method::kGet;
  bool chunked_ = false;  // The request's framing.
  bool keep_alive_ = false;
  bool response_begun_ = false;
  bool write_failed_ = false;
  bool shut_down_at_end_ = false;
};

}  // namespace sluice::proxy
