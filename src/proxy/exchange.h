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
#include <memory>
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
#include "proxy/mirror.h"
#include "proxy/retry.h"
#include "proxy/snapshot_pin.h"
#include "proxy/try.h"
#include "proxy/worker_context.h"
#include "upstream/pool.h"
#include "upstream/retry_credit.h"

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
    if (per_try_idle_timer_.armed()) {
      per_try_idle_timer_.Arm(context_.loop().timers(), retries_.per_try_idle_ms);
    }
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
  void StartMirrors();
  bool StartTry();
  void FailAcquire(upstream::AcquireResult result);
  void StartRequest();
  void NoteUpstream();
  bool MustContinue() const;
  void QueueContinue();
  std::uint64_t UpstreamMs() const;
  void FinishTry();

  // ---- try_again.cc: whether and when the next try
  enum class Again : std::uint8_t { kNo, kAtOnce, kLater };
  void PlanReplay();
  Again NextTry();
  Again RetryUnlessExhausted(const http::ResponseHead* response);
  bool JudgeResponse();
  void DiscardResponse();
  void EndTry();
  net::Task<void> WaitBackOff();
  void KeepPiece(std::string_view piece);
  void AbandonReplay();
  bool body_kept() const {
    return request_.body.kind == http::BodyFraming::Kind::kNone || keep_replay_;
  }

  // ---- hedge.cc: two tries at once
  struct Racer {
    enum class Outcome : std::uint8_t { kFailed, kBad, kWon };  // The better the later.
    Try* runner;
    http::ResponseHead response;
    Racer* other = nullptr;
    Outcome outcome = Outcome::kFailed;
    bool lost = false;  // It was under way when the other one won.
    FailureKind failure = FailureKind::kUpstreamClosed;
    std::uint64_t head_bytes = 0;
  };
  bool StartHedge();
  net::Task<HeadStep> Race();
  net::Task<void> AwaitRacer(Racer& racer);
  net::Task<void> RunHedge(Racer& racer);
  const http::Fields& RequestTrailers() const;

  // ---- redirect.cc: redirects that are followed here
  void KeepForRedirect();
  bool FollowRedirect();
  bool AcceptRedirect(const config::InternalRedirectPolicy& policy, http::RequestHead& target);
  bool AcceptRedirectRoute(const config::InternalRedirectPolicy& policy);
  Next Redirect();

  // ---- timeouts.cc
  void PlanTimeouts();
  void SetTryFields();
  void ArmTry();
  void SpareStream();
  void SpareTunnel();

  // ---- response.cc: from the upstream's first byte to a head for the client
  net::Task<void> DriveResponse();
  net::Task<bool> AwaitResponseHead();
  net::Task<bool> FilterResponseHead();
  HeadStep ReadResponseHead();
  HeadStep TakeHead();
  HeadStep TakeInterim();
  bool AcceptUpgrade() const;
  void PrepareResponse();
  void AddAttemptCount();
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
  static void OnPerTryTimeout(void* self);
  static void OnBackOffOver(void* self) { static_cast<Exchange*>(self)->backoff_wait_.Wake(); }
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
  net::Waiter* head_wait_ = nullptr;  // What the response driver waits on for a head.
  net::Waiter* body_wait_ = nullptr;  // What the request driver waits on for the client's body.
  unsigned request_resumes_ = 0;
  unsigned response_resumes_ = 0;

  Try first_try_;
  std::unique_ptr<Try> hedge_;  // Made when it is needed.
  Try* try_ = &first_try_;      // The one that counts.
  RetryPlan retries_;
  RequestTimes times_;
  upstream::RetryCredit retry_credit_;
  std::unique_ptr<http::RequestHead> redirect_head_;  // As it was before filters and the route.
  std::vector<std::string> redirect_routes_;          // "FROM TO" of those that were taken.
  unsigned redirects_ = 0;
  std::vector<base::Address> tried_hosts_;  // When a retry is to avoid them.
  net::Waiter backoff_wait_;
  std::vector<Mirror*> mirrors_;  // Those that still want the request.
  H1Writer downstream_writer_;
  // The request body so far (as filters left it), while it may have to be sent again, and its
  // trailers when filters saw them.
  net::Buffer replay_;
  http::Fields replay_trailers_;
  std::size_t replay_bytes_max_ = 0;
  std::string original_path_;  // Behind info_.original_path.
  std::string kept_names_;     // Behind the names in info_ after Unpin().
  std::string upgrade_;        // The protocol asked for.

  net::Timer idle_timer_;
  net::Timer request_timer_;
  net::Timer duration_timer_;
  net::Timer response_timer_;
  net::Timer commit_timer_;
  net::Timer per_try_timer_;
  net::Timer per_try_idle_timer_;
  net::Timer backoff_timer_;
  std::uint64_t idle_ms_ = 0;
  std::uint64_t response_ms_ = 0;
  std::uint64_t tunnel_idle_ms_ = 0;
  std::uint64_t backoff_ms_ = 0;

  FailureKind failure_ = FailureKind::kLocalReset;
  unsigned interims_ = 0;
  bool reply_close_ = false;       // The connection ends with the local reply.
  bool forward_trailers_ = false;  // To the client.
  bool redirected_ = false;        // request_ is what is to be routed next.
  bool replayed_ = false;          // There was a clean replay.
  bool spare_streams_ = false;     // The total timeout ends with the head of a stream.
  bool replay_due_ = false;        // What is in replay_ is to be sent before more is read.
  bool replay_queued_ = false;     // It is in the stream's queue, by reference.
  bool body_end_seen_ = false;     // By filters, or without any by the stream.
  bool piece_lost_ = false;        // A filter held a piece when its try ended.
  bool race_wanted_ = false;       // hedge_ is to run beside the try.
  bool retry_response_ = false;    // The response makes place for another try.
  bool timed_out_try_ = false;     // So did the last try.
  bool fresh_only_ = false;        // The next try takes no pooled connection.
  bool continued_ = false;         // The client was told to send its body.
  bool failed_ = false;
  bool replying_ = false;  // A filter's reply takes over.
  bool watching_ = false;
  bool route_cleared_ = false;
  bool forwarding_ = false;
  bool keep_replay_ = false;
  bool replaying_ = false;         // It is not the first try.
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
