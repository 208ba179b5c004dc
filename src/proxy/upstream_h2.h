#pragma once
// HTTP/2 with an upstream: one request and its response as a stream of a shared connection.
//
// Worker's thread. Made when a try needs it first, and kept by its exchange for the next one.

#include <cstdint>
#include <string>

#include "proxy/upstream_stream.h"
#include "upstream/h2_connection.h"
#include "upstream/pool.h"

namespace sluice::proxy {

class H2Upstream final : public UpstreamStream {
 public:
  H2Upstream(net::Loop& loop, net::BufferPool& buffers) : stream_(loop, buffers) {}

  // REQUIRES: `attempt` has acquired a share of an HTTP/2 connection, and outlives this use.
  void Open(upstream::Attempt& attempt);
  void Reset();

  // ---- UpstreamStream
  UpstreamFacts facts() const override;
  std::uint64_t sent_bytes() const override { return head_bytes_ + stream_.outbox.sent_bytes(); }
  bool response_begun() const override { return stream_.begun; }
  bool refused() const override { return stream_.refused; }
  std::string_view failure() const override;
  void QueueHead(const http::RequestHead& head) override;
  void QueueBody(std::string_view piece) override { stream_.outbox.Add(piece); }
  void QueueEnd(const http::Fields& trailers) override;
  bool QueueFull() const override { return stream_.outbox.full(); }
  bool QueueEmpty() const override { return stream_.outbox.empty(); }
  net::IoStatus Flush() override;
  net::Waiter::Awaiter WaitFlush() override { return stream_.flush_wait.Wait(); }
  HeadRead ReadHead(http::ResponseHead& head) override;
  BodyRead ReadBody(bool may_read) override;
  net::Waiter::Awaiter WaitRead() override { return stream_.read_wait.Wait(); }
  const http::Fields& trailers() const override { return stream_.trailer_fields; }
  void BecomeTunnel() override {}
  void Finish(bool clean) override;

 private:
  void CompleteUpgrade(http::ResponseHead& head) const;

  upstream::Attempt* attempt_ = nullptr;
  upstream::H2ClientStream stream_;
  std::uint64_t head_bytes_ = 0;
  std::string upgrade_;        // The protocol asked for by extended CONNECT.
  std::string websocket_key_;  // Of a client that speaks HTTP/1.
};

}  // namespace sluice::proxy
