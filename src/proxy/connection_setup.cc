#include "proxy/connection_setup.h"

#include <array>
#include <utility>
#include <variant>

#include "net/client_hello.h"
#include "proxy/serve_h1.h"
#include "proxy/server_connection.h"

namespace sluice::proxy {
namespace {

// The longest hello, in as many records as the parser takes, or a PROXY header before it.
constexpr std::size_t kPeekBytesMax = 24 * 1024;

}  // namespace

ConnectionSetup::ConnectionSetup(ServerConnection& connection,
                                 std::shared_ptr<const config::Listener> listener)
    : connection_(connection), listener_(std::move(listener)), timer_(&OnTimeout, this) {}

ConnectionSetup::~ConnectionSetup() {
  connection_.context().options().retire(std::move(listener_));
}

net::Task<void> ConnectionSetup::Run() {
  if (!listener_->listener_filters.empty() && !co_await RunListenerFilters()) co_return;
  if (!connection_.ChooseChain(listener_)) co_return;
  good_ = true;
}

// ---- listener filters

// One filter after the other, each over the same bytes, which stay in the socket: whoever serves
// the connection reads them again.
net::Task<bool> ConnectionSetup::RunListenerFilters() {
  observe::ListenerStats& stats = connection_.listener_stats();
  if (listener_->listener_filters_timeout_ms != 0) {
    timer_.Arm(connection_.context().loop().timers(), listener_->listener_filters_timeout_ms);
  }
  std::size_t at = 0;
  while (at < listener_->listener_filters.size() && !timed_out_) {
    const std::span<char> space = connection_.context().PeekSpace(kPeekBytesMax);
    const net::IoResult peeked = connection_.stream().Peek(space);
    if (peeked.status == net::IoStatus::kOk) {
      const std::string_view bytes(space.data(), peeked.bytes);
      const Verdict verdict = Look(listener_->listener_filters[at], bytes);
      if (verdict == Verdict::kClose) {
        stats.downstream_listener_filter_error.Add();
        co_return false;
      }
      if (verdict == Verdict::kNext) {
        connection_.stream().EndPeek();
        ++at;
        continue;
      }
    } else if (peeked.status != net::IoStatus::kWouldBlock) {
      stats.downstream_listener_filter_remote_close.Add();
      connection_.set_closed_by_client();
      co_return false;
    }
    net::Waiter::Awaiter readable = connection_.stream().WaitReadable();
    wait_ = &readable.waiter;
    co_await readable;
    wait_ = nullptr;
  }
  timer_.Cancel();
  connection_.stream().EndPeek();
  if (timed_out_) {
    stats.downstream_pre_cx_timeout.Add();
    if (!listener_->continue_on_listener_filters_timeout) co_return false;
  }
  co_return !connection_.stream().closed();
}

void ConnectionSetup::OnTimeout(void* self) {
  auto& setup = *static_cast<ConnectionSetup*>(self);
  setup.timed_out_ = true;
  if (setup.wait_ != nullptr) setup.wait_->Wake();
}

ConnectionSetup::Verdict ConnectionSetup::Look(const config::ListenerFilter& filter,
                                               std::string_view bytes) {
  return std::visit(
      [&](const auto& config) {
        using Config = std::decay_t<decltype(config)>;
        static_assert(std::is_same_v<Config, config::TlsInspectorFilter>, "a filter without a row");
        return InspectTls(config, bytes);
      },
      filter.config);
}

ConnectionSetup::Verdict ConnectionSetup::InspectTls(const config::TlsInspectorFilter& filter,
                                                     std::string_view bytes) {
  net::ClientHello hello = net::ParseClientHello(bytes, filter.hello_bytes_max);
  observe::TlsInspectorStats& stats = connection_.context().tls_inspector_stats();
  using Step = net::ClientHello::Step;
  if (hello.step == Step::kNeedMore) return Verdict::kMore;
  stats.bytes_processed.Record(hello.bytes != 0 ? hello.bytes : bytes.size());
  switch (hello.step) {
    case Step::kTooLarge:
      stats.client_hello_too_large.Add();
      return Verdict::kClose;
    case Step::kBroken:
      if (filter.close_on_bad_hello) return Verdict::kClose;
      [[fallthrough]];
    case Step::kNotTls:
    case Step::kNeedMore:
      stats.tls_not_found.Add();
      return Verdict::kNext;
    case Step::kHello:
      break;
  }
  Detected& detected = connection_.detected();
  detected.tls = true;
  stats.tls_found.Add();
  (hello.server_name.empty() ? stats.sni_not_found : stats.sni_found).Add();
  (hello.alpn.empty() ? stats.alpn_not_found : stats.alpn_found).Add();
  detected.server_name = std::move(hello.server_name);
  detected.protocols = std::move(hello.alpn);
  return Verdict::kNext;
}

// ---- the session

std::unique_ptr<Session> MakeSession(ServerConnection& connection) {
  const ListenerPlan& plan = *connection.plan();
  if (plan.http == nullptr) return nullptr;
  connection.CountHttp();
  return std::make_unique<H1Server>(connection);
}

}  // namespace sluice::proxy
