#pragma once
// A copy of a request for another cluster, streamed behind the request itself. Nobody waits for it:
// its answer is read and thrown away. envoy-behaviour.md 2.5 (request_mirror_policies).
//
// Worker's thread. Owns itself; an exchange feeds it and forgets it. What the other cluster does
// not take in time is kept up to a limit; past it the copy is given up.

#include <cstdint>
#include <string_view>
#include <vector>

#include "config/retry_policy.h"
#include "http/head.h"
#include "net/buffer.h"
#include "net/task.h"
#include "net/timer_wheel.h"
#include "net/waiter.h"
#include "proxy/try.h"
#include "proxy/worker_context.h"

namespace sluice::proxy {

struct MirrorLimits {
  std::size_t buffer_bytes_max;
  std::uint64_t timeout_ms;  // Since the end of the request; 0: none.
  std::uint64_t idle_ms;     // Nothing moved; 0: none.
};

class Mirror {
 public:
  // Adds itself to `feeders` (the exchange's) and leaves it when it ends first. Starts nothing when
  // there is no such cluster.
  static void Start(WorkerContext& context, const config::MirrorPolicy& policy,
                    const http::RequestHead& head, const MirrorLimits& limits,
                    std::vector<Mirror*>& feeders);
  ~Mirror();
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  void Body(std::string_view piece);
  void End(const http::Fields& trailers);
  // The exchange ends. A request that never ended cannot be sent whole: it is cut off.
  void Detach();
  // Ends it, whatever it does.
  void Cancel();

  // ---- the worker's list
  Mirror* next() const { return next_; }
  void set_neighbours(Mirror* previous, Mirror* next) {
    previous_ = previous;
    next_ = next;
  }
  Mirror* previous() const { return previous_; }

 private:
  Mirror(WorkerContext& context, upstream::Cluster& cluster, const MirrorLimits& limits);
  net::Task<void> Run();
  net::Task<bool> Send();
  net::Task<void> Receive();
  void Touch();
  static void OnDone(void* self) { delete static_cast<Mirror*>(self); }
  static void OnTimer(void* self);

  WorkerContext& context_;
  std::vector<Mirror*>* feeders_ = nullptr;
  http::RequestHead head_;
  http::ResponseHead response_;
  http::Fields trailers_;
  MirrorLimits limits_;
  Try try_;
  net::Buffer one_;
  net::Buffer two_;
  net::Buffer* filling_ = &one_;
  net::Buffer* sending_ = &two_;  // Referred to by the stream's queue.
  net::Waiter more_;
  net::Timer timer_;
  net::Timer idle_timer_;
  Mirror* next_ = nullptr;
  Mirror* previous_ = nullptr;
  bool ended_ = false;  // The request is complete.
  bool cancelled_ = false;
};

// "host-shadow:port".
std::string ShadowHost(std::string_view authority);

}  // namespace sluice::proxy
