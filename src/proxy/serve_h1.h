#pragma once
// HTTP/1 with one client: heads from bytes, one exchange after the other, responses to bytes.
//
// Worker's thread. Belongs to a ServerConnection. While idle it holds no buffer and no exchange.

#include <cstdint>
#include <memory>

#include "http/h1_codec.h"
#include "net/buffer.h"
#include "net/task.h"
#include "net/timer_wheel.h"
#include "proxy/downstream.h"
#include "proxy/exchange.h"
#include "proxy/failure.h"
#include "proxy/session.h"

namespace sluice::proxy {

class ServerConnection;

class H1Server final : public Downstream, public Session {
 public:
  explicit H1Server(ServerConnection& connection);
  H1Server(const H1Server&) = delete;
  H1Server& operator=(const H1Server&) = delete;

  // ---- Session
  net::Task<void> Serve() override;
  // Closes now when idle, else with the next response.
  void Drain() override;
  void Abandon() override;
  std::unique_ptr<Session> Next() override;
  bool busy() const { return busy_; }

  // ---- Downstream
  ConnectionFacts facts() const override;
  const LocalPtr<ListenerPlan>& plan() const override;
  std::uint64_t request_head_bytes() const override { return head_bytes_; }
  BodyRead ReadBody(bool may_read) override;
  net::Waiter::Awaiter WaitBody() override;
  const http::Fields& request_trailers() const override { return parser_.trailers(); }
  const http::H1Error& request_error() const override { return parser_.error(); }
  void WatchHangup(void (*gone)(void*), void* owner) override;
  void OnClientGone() override;
  void QueueInterim(const http::ResponseHead& head) override;
  void QueueHead(http::ResponseHead& head, bool close) override;
  void QueueBody(std::string_view piece) override { writer_->AddPiece(piece, chunked_); }
  void QueueEnd(const http::Fields& trailers) override;
  bool QueueFull() const override { return writer_->full(); }
  bool QueueEmpty() const override { return writer_->empty(); }
  net::IoStatus Flush() override;
  net::Waiter::Awaiter WaitFlush() override;
  void BecomeTunnel() override;
  void Abort() override;

 private:
  enum class Step : std::uint8_t { kHead, kBroken, kTimedOut, kBlocked, kClosed, kHttp2 };

  Step ReadHead();
  Step ParseHead();
  Step TakeHead(std::size_t bytes);
  bool IsHttp2() const;
  void TakeSettings();
  void BeginWait();
  void EndWait();
  bool MustClose() const;
  // Whether the connection goes on; the rest of the request, when small, is read to the end for it.
  net::Task<bool> FinishRequest();
  net::Task<void> Linger();
  net::Stream& stream() const;
  observe::HttpStats& stats() const;

  static void OnIdle(void* self);
  static void OnHeadTimeout(void* self);
  static void OnDurationOver(void* self);
  static void OnLingerOver(void* self);

  ServerConnection& connection_;
  net::Buffer input_;
  http::H1Parser parser_;
  H1Source source_;
  std::unique_ptr<Exchange> exchange_;
  H1Writer* writer_ = nullptr;  // The exchange's.
  net::Waiter* head_wait_ = nullptr;
  net::Timer idle_timer_;  // Without a request; at the end: lingering.
  net::Timer head_timer_;
  net::Timer duration_timer_;
  std::uint64_t settings_of_ = 0;  // The plan they are from.
  std::uint64_t idle_ms_ = 0;
  std::uint64_t head_ms_ = 0;
  std::uint64_t begun_head_ms_ = 0;  // From its first byte: the tightest of those that hold.
  FailureKind head_failure_ = FailureKind::kRequestHeaderTimeout;
  std::uint64_t linger_ms_ = 0;
  std::size_t head_bytes_max_ = 0;
  std::uint64_t head_bytes_ = 0;
  std::uint32_t requests_max_ = 0;
  std::uint32_t requests_ = 0;
  bool http2_ = false;  // The client began with HTTP/2's preface.
  bool busy_ = false;
  bool draining_ = false;
  bool closing_ = false;  // Nothing more is read.
  bool head_timed_out_ = false;
  bool head_begun_ = false;
  bool linger_over_ = false;
  bool close_ = false;    // After the response.
  bool refused_ = false;  // We end it against the client's will: more may be on its way.
  bool request_complete_ = false;
  bool continue_owed_ = false;  // The client may wait for a 100 before it sends its body.
  bool chunked_ = false;        // The response's framing.
  bool until_close_ = false;
  bool shut_down_at_end_ = false;  // A tunnel's client side.
};

}  // namespace sluice::proxy
