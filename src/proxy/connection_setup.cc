#include "proxy/connection_setup.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "net/client_hello.h"
#include "net/proxy_protocol.h"
#include "net/tls.h"
#include "net/tls_server.h"
#include "observe/tls_stats.h"
#include "proxy/serve_h1.h"
#include "proxy/serve_h2.h"
#include "proxy/server_connection.h"
#include "proxy/tcp_session.h"

namespace sluice::proxy {
namespace {

// The longest hello, in as many records as the parser takes, or a PROXY header before it.
constexpr std::size_t kPeekBytesMax = 24 * 1024;

void CountFailure(observe::TlsStats* stats, net::TlsFailure failure) {
  if (stats == nullptr) return;
  switch (failure) {
    case net::TlsFailure::kNone:
      return;  // The client left, or time was over.
    case net::TlsFailure::kNoCertificate:
      stats->fail_verify_no_cert.Add();
      break;
    case net::TlsFailure::kUntrusted:
      stats->fail_verify_error.Add();
      break;
    case net::TlsFailure::kName:
      stats->fail_verify_san.Add();
      break;
    case net::TlsFailure::kPin:
      stats->fail_verify_cert_hash.Add();
      break;
    case net::TlsFailure::kProtocol:
      break;
  }
  stats->connection_error.Add();
}

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
  const config::FilterChain& chain = *connection_.plan()->chain;
  if (chain.tls != nullptr) {
    const std::uint64_t timeout_ms = chain.transport_connect_timeout_ms;
    if (!co_await ShakeHands(timeout_ms != 0 ? timeout_ms : config::kHandshakeTimeoutMs)) co_return;
  }
  good_ = true;
}

// ---- TLS

net::Task<bool> ConnectionSetup::ShakeHands(std::uint64_t timeout_ms) {
  WorkerContext& worker = connection_.context();
  auto context = worker.TlsFor(connection_.entry());
  if (context == nullptr) {
    connection_.listener_stats().downstream_context_secrets_not_ready.Add();
    co_return false;
  }
  connection_.BeginTls(std::move(context));
  timed_out_ = false;
  timer_.Arm(worker.loop().timers(), timeout_ms);
  net::Waiter turn(worker.loop());
  for (bool first = true; !timed_out_; first = false) {
    // Nothing is in it before the client's first flight.
    if (first && !connection_.stream().ReadyToRead()) {
      net::Waiter::Awaiter readable = connection_.stream().WaitReadable();
      wait_ = &readable.waiter;
      co_await readable;
      wait_ = nullptr;
      if (timed_out_) break;
    }
    if (!worker.MayShake(turn)) {
      wait_ = &turn;
      co_await turn.Wait();
      wait_ = nullptr;
      worker.LeaveLine(turn);
      continue;
    }
    bool on_write = false;
    const net::IoStatus status = net::HandshakeStep(connection_.stream(), &on_write);
    if (status == net::IoStatus::kOk) {
      timer_.Cancel();
      CountHandshake();
      co_return true;
    }
    if (status != net::IoStatus::kWouldBlock) break;
    net::Waiter::Awaiter ready =
        on_write ? connection_.stream().WaitWritable() : connection_.stream().WaitReadable();
    wait_ = &ready.waiter;
    co_await ready;
    wait_ = nullptr;
  }
  timer_.Cancel();
  if (timed_out_) connection_.listener_stats().downstream_cx_transport_socket_connect_timeout.Add();
  CountFailure(connection_.listener_stats().ssl, net::FailureOf(connection_.stream()));
  co_return false;
}

void ConnectionSetup::CountHandshake() {
  observe::TlsStats* stats = connection_.listener_stats().ssl;
  if (stats == nullptr) return;
  const net::TlsFacts facts = net::FactsOf(connection_.stream(), false);
  observe::CountHandshake(*stats, facts.version, facts.cipher, facts.curve,
                          facts.signature_algorithm);
  if (facts.resumed) stats->session_reused.Add();
  if (!facts.presented) stats->no_certificate.Add();
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
        if (!Consume()) co_return false;
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
    // Who must say who the client is cannot be waited out.
    for (; at < listener_->listener_filters.size(); ++at) {
      const auto* filter =
          std::get_if<config::ProxyProtocolFilter>(&listener_->listener_filters[at].config);
      if (filter != nullptr && !filter->optional) co_return false;
    }
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
        if constexpr (std::is_same_v<Config, config::ProxyProtocolFilter>) {
          return ReadProxyHeader(config, bytes);
        } else {
          static_assert(std::is_same_v<Config, config::TlsInspectorFilter>,
                        "a filter without a row");
          return InspectTls(config, bytes);
        }
      },
      filter.config);
}

// Takes what a filter consumed out of the stream.
bool ConnectionSetup::Consume() {
  while (consumed_ > 0) {
    const std::span<char> space = connection_.context().PeekSpace(kPeekBytesMax);
    const net::IoResult read =
        connection_.stream().Read(space.first(std::min(space.size(), consumed_)));
    if (read.status != net::IoStatus::kOk) return false;
    consumed_ -= read.bytes;
  }
  return true;
}

ConnectionSetup::Verdict ConnectionSetup::ReadProxyHeader(const config::ProxyProtocolFilter& filter,
                                                          std::string_view bytes) {
  const net::ProxyHeader header = net::ParseProxyHeader(bytes);
  observe::ProxyProtoStats& stats = connection_.context().proxy_proto_stats(filter.stat_prefix);
  const auto without = [&] {
    (filter.optional ? stats.not_found_allowed : stats.not_found_disallowed).Add();
    return filter.optional ? Verdict::kNext : Verdict::kClose;
  };
  if (header.step == net::ProxyHeader::Step::kNone) return without();
  if (header.version == 0) return Verdict::kMore;
  observe::ProxyProtoStats::Version& version = header.version == 1 ? stats.v1 : stats.v2;
  if (!(header.version == 1 ? filter.allow_v1 : filter.allow_v2)) {
    if (filter.optional) return without();
    version.disallowed.Add();
    return Verdict::kClose;
  }
  if (header.step == net::ProxyHeader::Step::kNeedMore) return Verdict::kMore;
  if (header.step == net::ProxyHeader::Step::kBroken) {
    version.error.Add();
    return Verdict::kClose;
  }
  version.found.Add();
  consumed_ = header.bytes;
  if (header.has_addresses) {
    connection_.detected().remote = header.source;
    connection_.detected().local = header.destination;
  }
  return Verdict::kNext;
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
  if (plan.http == nullptr) return std::make_unique<TcpSession>(connection);
  connection.CountHttp();
  using Codec = config::HttpConnectionManager::Codec;
  const Codec codec = plan.http->codec;
  const bool chosen = codec == Codec::kAuto && net::NegotiatedProtocol(connection.stream()) == "h2";
  if (codec == Codec::kHttp2 || chosen) {
    return std::make_unique<H2Server>(connection, std::string_view());
  }
  return std::make_unique<H1Server>(connection);
}

}  // namespace sluice::proxy
