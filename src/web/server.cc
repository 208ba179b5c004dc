#include "web/server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include <exception>
#include <list>
#include <optional>
#include <thread>

#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "net/socket.h"
#include "web/session.h"

namespace sluice::web {
namespace {

namespace asio = boost::asio;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds kAcceptRest{100};
// Answers under way at Stop() get this long; the client may be on the same machine and dead.
constexpr std::chrono::seconds kStopPatience{1};

}  // namespace

class WebServer::Service {
 public:
  using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol,
                                               asio::io_context::executor_type>;
  using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                           asio::wait_traits<std::chrono::steady_clock>,
                                           asio::io_context::executor_type>;

  Service(WebServerOptions options, Handler handler) {
    shared_.rules = {options.host_names, options.token, options.open_paths};
    shared_.options = std::move(options);
    shared_.handler = std::move(handler);
  }
  ~Service() { Stop(); }

  absl::StatusOr<base::Address> Start();
  void Stop();

 private:
  void Run();
  asio::awaitable<void> Accept();
  void Admit(asio::generic::stream_protocol::socket::rebind_executor<
             asio::io_context::executor_type>::other socket);
  void BeginStop();
  void EndIfDone();

  WebShared shared_;
  asio::io_context io_{1};
  std::optional<Acceptor> acceptor_;
  std::optional<Timer> patience_;
  std::list<Session> sessions_;
  std::size_t turned_away_ = 0;
  std::thread thread_;
};

absl::StatusOr<base::Address> WebServer::Service::Start() {
  const WebServerOptions& options = shared_.options;
  if (!options.address.IsLoopback() && options.token.empty() && !options.insecure) {
    return base::FailedPrecondition(
        base::Cat("listening on ", options.address.ToString(),
                  ", which others can reach, needs a token (or insecure listening, said so)"));
  }
  net::ListenOptions listen;
  listen.backlog = 128;
  auto sockets = net::Listen(options.address, listen);
  if (!sockets.ok()) return sockets.status();
  const int family = options.address.family() == base::Address::Family::kUnix   ? AF_UNIX
                     : options.address.family() == base::Address::Family::kIpv4 ? AF_INET
                                                                                : AF_INET6;
  boost::system::error_code error;
  acceptor_.emplace(io_);
  acceptor_->assign({family, 0}, sockets->fds.front().get(), error);
  if (error) return base::Internal(base::Cat("cannot listen: ", error.message()));
  sockets->fds.front().release();
  asio::co_spawn(io_, Accept(), [](std::exception_ptr) {});
  thread_ = std::thread([this] { Run(); });
  return sockets->address;
}

void WebServer::Service::Stop() {
  if (!thread_.joinable()) return;
  asio::post(io_, [this] { BeginStop(); });
  thread_.join();
  acceptor_.reset();
}

void WebServer::Service::Run() {
  sigset_t all;  // Signals are for whoever waits for them.
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  for (;;) {
    try {
      io_.run();
      return;
    } catch (const std::exception& error) {  // Asio's own, such as no memory for an operation.
      SLUICE_LOG(kError, kAdmin, "web server: ", error.what());
    }
  }
}

asio::awaitable<void> WebServer::Service::Accept() {
  Timer rest(io_);
  while (!shared_.stopping) {
    auto [error, socket] = co_await acceptor_->async_accept(kTuple);
    if (!error) {
      Admit(std::move(socket));
    } else if (error == asio::error::operation_aborted ||
               error == asio::error::bad_descriptor) {
      co_return;
    } else if (error != asio::error::connection_aborted) {
      rest.expires_after(kAcceptRest);  // Out of descriptors: trying again at once would spin.
      co_await rest.async_wait(kTuple);
    }
  }
}

void WebServer::Service::Admit(asio::generic::stream_protocol::socket::rebind_executor<
                               asio::io_context::executor_type>::other socket) {
  // Those turned away cost a connection too, for as long as they take to go.
  const bool full = sessions_.size() - turned_away_ >= shared_.options.connections_max;
  if (full && turned_away_ >= shared_.options.connections_max) return;  // Closes it.
  sessions_.emplace_front(shared_, WebStream(std::move(socket)));
  const auto self = sessions_.begin();
  if (full) ++turned_away_;
  asio::co_spawn(io_, full ? self->TurnAway() : self->Serve(),
                 [this, self, full](std::exception_ptr) {
                   if (full) --turned_away_;
                   sessions_.erase(self);
                   EndIfDone();
                 });
}

void WebServer::Service::BeginStop() {
  shared_.stopping = true;
  acceptor_->close();
  for (Session& session : sessions_) session.Close();
  patience_.emplace(io_, kStopPatience);
  patience_->async_wait([this](boost::system::error_code error) {
    if (error) return;
    for (Session& session : sessions_) session.Abort();
  });
  EndIfDone();
}

// The thread ends when nothing is left to wait for, so every coroutine reaches its own end.
void WebServer::Service::EndIfDone() {
  if (shared_.stopping && patience_ && sessions_.empty()) patience_->cancel();
}

WebServer::WebServer(WebServerOptions options, Handler handler)
    : service_(std::make_unique<Service>(std::move(options), std::move(handler))) {}
WebServer::~WebServer() = default;
absl::StatusOr<base::Address> WebServer::Start() { return service_->Start(); }
void WebServer::Stop() { service_->Stop(); }

}  // namespace sluice::web
