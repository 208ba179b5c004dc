#pragma once
// One stream of an HTTP/2 client: the client's side of one exchange.
//
// Worker's thread. Belongs to an H2Server from its HEADERS until its exchange has ended.

#include <cstdint>
#include <memory>

#include "http/h1_codec.h"
#include "http/h2_session.h"
#include "net/waiter.h"
#include "proxy/downstream.h"
#include "proxy/exchange.h"
#include "upstream/h2_boxes.h"

namespace sluice::proxy {

class H2Server;

class H2Downstream final : public http::H2Stream, public Downstream {
 public:
  H2Downstream(H2Server& server, std::unique_ptr<Exchange> exchange);
  ~H2Downstream() override;
  H2Downstream(const H2Downstream&) = delete;
  H2Downstream& operator=(const H2Downstream&) = delete;

  // ---- for H2Server
  void Start();
  bool started() const { return started_; }
  void TakeData(std::string_view data);
  void TakeEnd() { body_wait_.Wake(); }
  // Reset, or the connection is gone.
  void TakeGone();
  void CanSend() { flush_wait_.Wake(); }
  Exchange& exchange() { return *exchange_; }
  bool answered() const { return we_ended; }
  base::Monotonic opened_at() const { return opened_at_; }
  // ---- the server's list
  H2Downstream* next = nullptr;
  H2Downstream* previous = nullptr;

  // ---- Downstream
  ConnectionFacts facts() const override;
  const LocalPtr<ListenerPlan>& plan() const override;
  std::uint64_t request_head_bytes() const override;
  BodyRead ReadBody(bool may_read) override;
  net::Waiter::Awaiter WaitBody() override { return body_wait_.Wait(); }
  const http::Fields& request_trailers() const override { return trailers_; }
  const http::H1Error& request_error() const override;
  void WatchHangup(void (*gone)(void*), void* owner) override;
  void OnClientGone() override {}
  void QueueInterim(const http::ResponseHead& head) override;
  void QueueHead(http::ResponseHead& head, bool close) override;
  void QueueBody(std::string_view piece) override { outbox_.Add(piece); }
  void QueueEnd(const http::Fields& trailers) override { outbox_.AddEnd(trailers); }
  bool QueueFull() const override { return outbox_.full(); }
  bool QueueEmpty() const override { return outbox_.empty(); }
  net::IoStatus Flush() override;
  net::Waiter::Awaiter WaitFlush() override { return flush_wait_.Wait(); }
  void BecomeTunnel() override {}
  void Abort() override;

 private:
  static void OnDone(void* self);

  H2Server& server_;
  std::unique_ptr<Exchange> exchange_;
  http::Fields trailers_;
  upstream::H2Inbox inbox_;
  upstream::H2Outbox outbox_;
  net::Waiter body_wait_;
  net::Waiter flush_wait_;
  void (*gone_)(void*) = nullptr;
  void* gone_owner_ = nullptr;
  const base::Monotonic opened_at_;
  bool started_ = false;
};

}  // namespace sluice::proxy
