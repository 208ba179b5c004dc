#pragma once
// One request and its response, from a complete request head to the access log line.
//
// Worker's thread. Run() is the life: sanitise, route, filter, try upstream, relay both ways, or
// answer locally; everything hangs off it. At most two drivers run at once, one per direction
// (decisions 5). To end an exchange early is to close what it waits for: Fail() does, from timers
// and hang-ups, and the drivers walk to their end.
//
// Objects are pooled per worker and keep the capacity of their heads and buffers.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/route.h"
#include "filters/chain.h"
#include "filters/filter.h"
#include "http/head.h"
#include "net/task.h"
#include "net/timer_wheel.h"
#include "net/waiter.h"
#include "observe/stream_info.h"
#include "proxy/downstream.h"
#include "proxy/failure.h"
#include "proxy/h1_writer.h"
#include "proxy/header_mutation.h"
#include "proxy/snapshot_pin.h"
#include "proxy/upstream_h1.h"
#include "proxy/upstream_stream.h"
#include "proxy/worker_context.h"
#include "upstream/pool.h"

namespace sluice::proxy {

class Exchange final : public filters::Context {
 public:
  explicit Exchange(WorkerContext& context);
  ~Exchange() override = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  http::RequestHead& request() { return request_; }
  H1Writer& downstream_writer() { return downstream_writer_; }

  // REQUIRES: request() holds a head of `downstream`.
  net::Task<void> Run(Downstream& downstream);
  // Answers a request whose head did not come or broke the rules; `error` may be null.
  net::Task<void> Refuse(Downstream& downstream, FailureKind kind, const http::H1Error* error);

  // Ends it for `kind`: with a reply when none was begun, else by aborting. Idempotent, from
  // anywhere on the loop.
  void Fail(FailureKind kind);
  // True once the exchange holds on to its configuration no more.
  bool unpinned() const { return !pin_; }

  // ---- filters::Context
  const config::RouteTable* route_table() const override { return levels_.table; }
  const config::VirtualHost* virtual_host() const override { return levels_.virtual_host; }
  const config::Route* route() const override { return levels_.route; }
  const config::PerFilterConfig* per_filter(std::string_view filter_name) const override;
  std::array<const config::PerFilterConfig*, 4> per_filter_levels(
      std::string_view filter_name) const override;
  std::optional<bool> filter_disabled(std::string_view filter_name) const override;
  const config::Runtime* runtime() const override;
  void ClearRoute() override { route_cleared_ = true; }
  observe::StreamInfo& info() override { return info_; }
  base::Random& random() override { return context_.options().random; }
  unsigned worker() const override { return context_.options().worker; }
  base::WallTime now() const override { return context_.WallNow(); }
  filters::LocalReply& reply() override { return reply_; }
  void ResumeRequest() override;
  void ResumeResponse() override;
  void RequestLengthChanges() override;
  void ResponseLengthChanges() override;

 private:
  enum class Next : std::uint8_t { kForward, kReply, kPaused };
  enum class Pump : std::uint8_t { kDone, kStopped, kNeedRead, kNeedWrite };
  enum class HeadStep : std::uint8_t { kHead, kInterim, kNeedRead, kStopped };

  // ---- exchange.cc: the life
  void Begin(Downstream& downstream);
  void BeginTimers();
  void End();
  void CountEnd();
  void WatchHangup();
  void OnRequestComplete();
  void Unpin();
  void Touch() {
    if (idle_ms_ != 0) idle_timer_.Arm(context_.loop().timers(), idle_ms_);
  }
  // Nothing of the request or response shall be relayed any more.
  bool stopped() const { return failed_ || replying_; }
  void CloseUpstream();
  void WakeRequestDriver();

  // ---- route_request.cc: from the head to a decision
  Next Prepare();
  Next FilterRequestHead();
  void FindRoute();
  void MakeChain();
  bool UpgradeAllowed() const;
  Next Decide();
  Next PrepareForward(const config::ForwardAction& forward);
  void ChooseWeighted();
  void ChooseHash(const config::ForwardAction& forward);
  void SetTimers(const config::ForwardAction& forward);
  void LimitDuration(const config::ForwardAction& forward);
  std::string RewriteHost(const config::ForwardAction& forward) const;
  void RewritePath(const config::ForwardAction& forward);
  Next ReplyDirectly(const config::DirectResponse& direct);
  void RewriteRequest(const config::ForwardAction& forward);
  Next ReplyWith(FailureKind kind);
  Next ReplyRedirect(int status, std::string_view location, std::string_view details);

  // ---- reply.cc: responses made here
  net::Task<void> SendReply();
  bool MakeReplyHead(std::string_view& body);
  net::Task<bool> FilterReplyHead(std::string_view& body);
  void FinishReplyHead();
  void AddProxyStatus();
  // A filter answered: stops what runs.
  void TakeReply();
  // The codec knows better than the failure what was wrong.
  void ApplyCodecError(const http::H1Error& error);

  // ---- forward.cc: tries
  net::Task<void> Forward();
  bool StartTry();
  void FailAcquire(upstream::AcquireResult result);
  void OpenUpstream();
  void CloseUpstreamStream();
  void StartRequest();
  bool MustContinue() const;
  void QueueContinue();
  bool Replayable();
  void PrepareReplay();
  std::uint64_t UpstreamMs() const;
  void FinishTry();

  // ---- response.cc: from the upstream's first byte to a head for the client
  net::Task<void> DriveResponse();
  net::Task<bool> AwaitResponseHead();
  net::Task<bool> FilterResponseHead();
  HeadStep ReadResponseHead();
  HeadStep TakeHead();
  HeadStep TakeInterim();
  bool AcceptUpgrade() const;
  void PrepareResponse();
  void QueueResponseHead();

  // ---- tunnel.cc
  void BecomeTunnel();
  net::Task<void> Tunnel();

  // ---- relay.cc: bodies
  net::Task<void> RelayRequest();
  net::Task<void> RelayResponse();

  // ---- filter_relay.cc: bodies through filters
  net::Task<void> FilterRequest();
  net::Task<void> FilterResponse();
  net::Task<bool> PassRequestPiece(std::string_view piece, filters::End end);
  net::Task<bool> PassResponsePiece(std::string_view piece, filters::End end);
  net::Task<bool> PassRequestTrailers();
  net::Task<bool> PassResponseTrailers(http::Fields& trailers);
  net::Task<void> WaitRequestResume();
  net::Task<void> WaitResponseResume();
  net::Task<bool> FlushUpstream();
  net::Task<bool> FlushDownstream();
  Pump PumpRequest();
  Pump PumpResponse();
  BodyRead NextRequestPiece(bool may_read);
  void FailRead(BodyStep step);
  void QueueRequestPiece(std::string_view piece);
  void QueueRequestEnd(const http::Fields& trailers);
  void QueueResponseEnd(const http::Fields& trailers);
  void OnRequestSent();
  void OnResponseSent();
  void StopRequestDriver();
  void ArmCommit();

  template <FailureKind kKind>
  static void OnTimer(void* self) {
    static_cast<Exchange*>(self)->Fail(kKind);
  }
  static void OnHangup(void* self);
  static void OnCommitTimer(void* self) { static_cast<Exchange*>(self)->Unpin(); }

  WorkerContext& context_;
  Downstream* downstream_ = nullptr;
  http::RequestHead request_;
  http::ResponseHead response_;
  observe::StreamInfo info_;
  observe::HttpStats* stats_ = nullptr;
  LocalPtr<LogPlan> log_;

  // Configuration: valid until Unpin().
  SnapshotPin pin_;
  LocalPtr<ListenerPlan> plan_;
  const config::HttpConnectionManager* http_ = nullptr;
  MutationLevels levels_;
  const config::ForwardAction* forward_ = nullptr;
  std::uint64_t route_random_ = 0;     // One for all choices of a request that are left to chance.
  std::optional<std::uint64_t> hash_;  // Of hash_policy; what picks a host.
  std::string cluster_name_;           // Behind info_.cluster when a header named it.
  std::vector<std::string> set_cookies_;  // Lines for the client that hash_ was made of.

  filters::Chain chain_;
  filters::LocalReply reply_;
  net::Waiter request_resume_;
  net::Waiter response_resume_;
  net::Waiter* body_wait_ = nullptr;  // What the request driver waits on for the client's body.
  unsigned request_resumes_ = 0;
  unsigned response_resumes_ = 0;

  std::optional<upstream::Attempt> attempt_;
  UpstreamStream* upstream_ = nullptr;  // Once attempt_ has acquired: h1_upstream_.
  H1Upstream h1_upstream_;
  H1Writer downstream_writer_;
  std::string replay_;         // The request body so far, while it may have to be sent again.
  std::string original_path_;  // Behind info_.original_path.
  std::string kept_names_;     // Behind the names in info_ after Unpin().
  std::string upgrade_;        // The protocol asked for.

  net::Timer idle_timer_;
  net::Timer request_timer_;
  net::Timer duration_timer_;
  net::Timer response_timer_;
  net::Timer commit_timer_;
  std::uint64_t idle_ms_ = 0;
  std::uint64_t response_ms_ = 0;
  std::uint64_t tunnel_idle_ms_ = 0;

  FailureKind failure_ = FailureKind::kLocalReset;
  unsigned interims_ = 0;
  bool reply_close_ = false;       // The connection ends with the local reply.
  bool forward_trailers_ = false;  // To the client.
  bool replay_queued_ = false;
  bool failed_ = false;
  bool replying_ = false;  // A filter's reply takes over.
  bool watching_ = false;
  bool route_cleared_ = false;
  bool forwarding_ = false;
  bool keep_replay_ = false;
  bool replaying_ = false;
  bool request_complete_ = false;  // All of it was read.
  bool request_end_queued_ = false;
  bool request_sent_ = false;  // All of it was written upstream.
  bool stop_request_ = false;
  bool response_begun_ = false;    // A byte of a response was seen.
  bool response_started_ = false;  // A head went to the client.
  bool response_end_queued_ = false;
  bool response_received_ = false;  // The upstream's message is complete.
  bool response_complete_ = false;  // All of it was written to the client.
  bool request_length_changes_ = false;
  bool response_length_changes_ = false;
  bool tunnel_ = false;
};

}  // namespace sluice::proxy
