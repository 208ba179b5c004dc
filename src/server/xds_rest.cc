#include "server/xds_rest.h"

#include <pthread.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/status.h"
#include "base/strings.h"
#include "web/client.h"
#include "xds/discovery_text.h"

namespace sluice::server {
namespace {

constexpr unsigned kOk = 200;
constexpr unsigned kNotModified = 304;

// One poll at a time, off the config thread: Fetch blocks.
class Poller {
 public:
  using Answer = absl::AnyInvocable<void(absl::StatusOr<web::WebReply>)>;
  Poller() {
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "xds-rest");
      Run();
    });
  }
  ~Poller() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    signal_.notify_all();
    thread_.join();  // At most request_timeout.
  }
  // `answer` runs on the poller's thread.
  void Start(web::WebCall call, Answer answer) {
    {
      const std::lock_guard lock(mutex_);
      job_.emplace(std::move(call), std::move(answer));
    }
    signal_.notify_all();
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      signal_.wait(lock, [this] { return stopping_ || job_.has_value(); });
      if (stopping_) return;
      auto [call, answer] = *std::exchange(job_, std::nullopt);
      lock.unlock();
      answer(web::Fetch(call));
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable signal_;
  std::optional<std::pair<web::WebCall, Answer>> job_;
  bool stopping_ = false;
  std::thread thread_;
};

class RestTransport final : public xds::Transport {
 public:
  RestTransport(net::Loop& loop, RestSpec spec) : loop_(loop), spec_(std::move(spec)) {
    timer_.Set([](void* self) { static_cast<RestTransport*>(self)->OnTimer(); }, this);
  }

  void Open(xds::TransportEvents& events) override {
    events_ = &events;
    opening_ = true;
    reading_ = polling_ = false;
    names_.reset();
    ++generation_;
    timer_.Arm(loop_.timers(), 1);
  }

  void Send(std::string bytes) override {
    xds::RequestView request = xds::ReadRequest(bytes);
    request_ = std::move(bytes);
    // An answer to an answer waits for the next poll; what is newly wanted does not.
    if (names_ == request.names) return;
    names_ = std::move(request.names);
    timer_.Arm(loop_.timers(), 1);
  }

  void ReadNext() override {
    reading_ = true;
    if (!polling_ && !timer_.armed()) timer_.Arm(loop_.timers(), spec_.refresh_delay_ms);
  }

  void Close() override {
    events_ = nullptr;
    timer_.Cancel();
    ++generation_;
  }

 private:
  void OnTimer() {
    if (events_ == nullptr) return;
    if (std::exchange(opening_, false)) return events_->OnOpen();
    if (polling_ || !reading_ || !names_) return;
    polling_ = true;
    // A poll may outlive this: it finds a token that is dead, or of another stream.
    poller_.Start(Call(), [&loop = loop_, token = std::weak_ptr<RestTransport*>(self_),
                           generation = generation_](absl::StatusOr<web::WebReply> reply) {
      loop.Post([token, generation, reply = std::move(reply)]() mutable {
        const auto self = token.lock();
        if (self != nullptr && (*self)->generation_ == generation) (*self)->OnReply(reply);
      });
    });
  }

  web::WebCall Call() {
    const auto& endpoints = spec_.cluster->assignment.endpoints;
    const config::Endpoint& endpoint = endpoints[next_endpoint_ % endpoints.size()];
    web::WebCall call;
    call.method = "POST";
    std::string host = endpoint.dns_name.empty()
                           ? endpoint.address.ToString()
                           : base::Cat(endpoint.dns_name, ":", endpoint.dns_port);
    if (endpoint.address.family() == base::Address::Family::kUnix) {
      call.unix_socket = std::exchange(host, spec_.cluster->name);
    }
    call.url = base::Cat("http://", host, spec_.path);
    call.headers = {{"content-type", "application/json"}};
    call.body = xds::RequestToJson(request_);
    call.timeout = std::chrono::milliseconds(spec_.request_timeout_ms);
    return call;
  }

  void OnReply(const absl::StatusOr<web::WebReply>& reply) {
    polling_ = false;
    timer_.Arm(loop_.timers(), spec_.refresh_delay_ms);
    if (reply.ok() && reply->status == kNotModified) return;
    absl::StatusOr<std::string> message;
    if (!reply.ok()) {
      message = reply.status();
    } else if (reply->status != kOk) {
      message = base::Unavailable(base::Cat("status ", reply->status));
    } else {
      message = xds::ResponseFrom(reply->body, xds::TextFormat::kText, spec_.type,
                                  base::Cat(++answers_), spec_.path);
    }
    if (!message.ok()) {
      ++next_endpoint_;
      return events_->OnFailure(base::Cat("REST poll: ", base::MessageOf(message.status())));
    }
    reading_ = false;
    events_->OnMessage(*std::move(message));
  }

  net::Loop& loop_;
  const RestSpec spec_;
  xds::TransportEvents* events_ = nullptr;
  net::Timer timer_;
  std::string request_;
  std::optional<std::vector<std::string>> names_;  // Of the newest request.
  bool opening_ = false;
  bool reading_ = false;
  bool polling_ = false;
  std::uint64_t generation_ = 0;
  std::uint64_t answers_ = 0;
  std::size_t next_endpoint_ = 0;
  const std::shared_ptr<RestTransport*> self_ = std::make_shared<RestTransport*>(this);
  Poller poller_;  // Its thread ends before the rest goes.
};

}  // namespace

std::unique_ptr<xds::Transport> NewRestTransport(net::Loop& loop, RestSpec spec) {
  return std::make_unique<RestTransport>(loop, std::move(spec));
}

}  // namespace sluice::server
