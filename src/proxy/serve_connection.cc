#include "proxy/serve_connection.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "net/tls_server.h"
#include "proxy/server_connection.h"

namespace sluice::proxy {

void StartConnection(WorkerContext& context, std::unique_ptr<net::Stream> stream,
                     std::shared_ptr<const config::Listener> listener,
                     observe::ListenerStats& stats) {
  auto* connection = new ServerConnection(context, std::move(stream), stats);
  connection->Start(std::move(listener));
}

ServerConnection::ServerConnection(WorkerContext& context, std::unique_ptr<net::Stream> stream,
                                   observe::ListenerStats& stats)
    : context_(context),
      stream_(std::move(stream)),
      listener_stats_(stats),
      accepted_(context.loop().now()),
      id_(context.NextId()) {
  context_.Link(*this);
  listener_stats_.downstream_cx_total.Add();
  listener_stats_.downstream_cx_active.Add(1);
}

ServerConnection::~ServerConnection() {
  const auto lasted = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(context_.loop().now() - accepted_)
          .count());
  listener_stats_.downstream_cx_destroy.Add();
  listener_stats_.downstream_cx_active.Add(-1);
  listener_stats_.downstream_cx_length_ms.Record(lasted);
  if (http_stats_ != nullptr) CountHttpEnd(lasted);
  context_.Unlink(*this);
}

void ServerConnection::CountHttp() {
  http_stats_ = entry_->plan->stats;
  http_stats_->downstream_cx_total.Add();
  http_stats_->downstream_cx_active.Add(1);
}

void ServerConnection::CountProtocol(bool http2) {
  protocol_cell_ =
      http2 ? &http_stats_->downstream_cx_http2_active : &http_stats_->downstream_cx_http1_active;
  protocol_cell_->Add(1);
  (http2 ? http_stats_->downstream_cx_http2_total : http_stats_->downstream_cx_http1_total).Add();
}

void ServerConnection::CountHttpEnd(std::uint64_t lasted_ms) {
  http_stats_->downstream_cx_destroy.Add();
  (closed_by_client_ ? http_stats_->downstream_cx_destroy_remote
                     : http_stats_->downstream_cx_destroy_local)
      .Add();
  if (interrupted_) {
    http_stats_->downstream_cx_destroy_active_rq.Add();
    (closed_by_client_ ? http_stats_->downstream_cx_destroy_remote_active_rq
                       : http_stats_->downstream_cx_destroy_local_active_rq)
        .Add();
  }
  http_stats_->downstream_cx_active.Add(-1);
  if (protocol_cell_ != nullptr) protocol_cell_->Add(-1);
  http_stats_->downstream_cx_length_ms.Record(lasted_ms);
}

// ---- setup

Detected& ServerConnection::detected() {
  if (detected_ == nullptr) detected_ = std::make_unique<Detected>();
  return *detected_;
}

const base::Address& ServerConnection::remote() const {
  return detected_ != nullptr && detected_->remote ? *detected_->remote : stream_->remote();
}

const base::Address& ServerConnection::local() const {
  return detected_ != nullptr && detected_->local ? *detected_->local : stream_->local();
}

bool ServerConnection::ChooseChain(const std::shared_ptr<const config::Listener>& listener) {
  const config::FilterChain* chain = nullptr;
  // The usual listener has one chain, which takes everything: no address is asked for.
  if (detected_ == nullptr && listener->filter_chains.size() == 1 &&
      listener->filter_chains.front().match == config::FilterChainMatch()) {
    chain = &listener->filter_chains.front();
  } else {
    static const Detected kNothing;
    const Detected& found = detected_ != nullptr ? *detected_ : kNothing;
    chain =
        config::FindFilterChain(*listener, {local(), stream_->remote(), remote(), found.server_name,
                                            found.tls ? "tls" : "raw_buffer", found.protocols});
  }
  if (chain == nullptr) {
    listener_stats_.no_filter_chain_match.Add();
    return false;
  }
  entry_ = context_.EntryFor(listener, *chain);
  return true;
}

void ServerConnection::BeginTls(std::shared_ptr<const net::TlsServerContext> context) {
  stream_ = net::NewTlsServerStream(context_.loop(), std::move(stream_), std::move(context));
}

void ServerConnection::Start(std::shared_ptr<const config::Listener> listener) {
  const bool may_wait = !listener->listener_filters.empty() ||
                        std::any_of(listener->filter_chains.begin(), listener->filter_chains.end(),
                                    [](const auto& chain) { return chain.tls != nullptr; });
  if (may_wait) {
    setup_ = std::make_unique<ConnectionSetup>(*this, std::move(listener));
    net::Start(setup_->Run(), &OnSetUp, this);
    return;
  }
  const bool good = ChooseChain(listener);
  context_.options().retire(std::move(listener));
  if (!good) {
    delete this;
    return;
  }
  StartSession();
}

void ServerConnection::OnSetUp(void* self) {
  auto& connection = *static_cast<ServerConnection*>(self);
  const bool good = connection.setup_->good();
  connection.setup_.reset();
  if (good && !connection.stream_->closed()) {
    connection.StartSession();
  } else {
    delete &connection;
  }
}

void ServerConnection::StartSession() {
  session_ = MakeSession(*this);
  Serve();
}

void ServerConnection::Serve() {
  if (session_ == nullptr) {
    delete this;
    return;
  }
  if (context_.draining(listener()) || entry_->gone) session_->Drain();
  net::Start(session_->Serve(), &OnServed, this);
}

void ServerConnection::OnServed(void* self) {
  auto& connection = *static_cast<ServerConnection*>(self);
  std::unique_ptr<Session> next = connection.session_->Next();
  if (next == nullptr) {
    delete &connection;
    return;
  }
  connection.session_ = std::move(next);
  connection.Serve();
}

// ---- what is told of it

namespace {

std::unique_ptr<const observe::TlsInfo> Describe(const net::Stream& stream) {
  net::TlsFacts facts = net::FactsOf(stream, true);
  auto out = std::make_unique<observe::TlsInfo>();
  out->version = facts.version;
  out->cipher = facts.cipher;
  out->session_id = std::move(facts.session_id);
  out->presented = facts.presented;
  out->validated = facts.validated;
  out->subject = std::move(facts.subject);
  out->issuer = std::move(facts.issuer);
  out->serial = std::move(facts.serial);
  out->fingerprint_sha256 = std::move(facts.fingerprint_sha256);
  out->fingerprint_sha1 = std::move(facts.fingerprint_sha1);
  out->certificate_pem = std::move(facts.certificate_pem);
  out->chain_pem = std::move(facts.chain_pem);
  out->uri_sans = std::move(facts.uri_sans);
  out->dns_sans = std::move(facts.dns_sans);
  out->ip_sans = std::move(facts.ip_sans);
  out->email_sans = std::move(facts.email_sans);
  out->valid_from_s = facts.valid_from_s;
  out->expires_s = facts.expires_s;
  out->local_subject = std::move(facts.local_subject);
  out->local_uri_sans = std::move(facts.local_uri_sans);
  out->local_dns_sans = std::move(facts.local_dns_sans);
  return out;
}

}  // namespace

ServerConnection::TlsInfoOf ServerConnection::tls_info() const {
  if (!stream_->is_tls()) return nullptr;
  return [](void* self) -> const observe::TlsInfo* {
    auto& connection = *static_cast<ServerConnection*>(self);
    if (connection.tls_info_ == nullptr) connection.tls_info_ = Describe(*connection.stream_);
    return connection.tls_info_.get();
  };
}

std::string_view ServerConnection::server_name() const {
  if (detected_ != nullptr && !detected_->server_name.empty()) return detected_->server_name;
  return stream_->is_tls() ? net::ServerNameOf(*stream_) : std::string_view();
}

// ---- afterwards

std::string_view ServerConnection::listener() const {
  return entry_ ? std::string_view(entry_->name) : std::string_view(setup_->listener().name);
}

// A connection that is being set up learns of it when it has a session.
void ServerConnection::BeginDrain() {
  if (session_ != nullptr) session_->Drain();
}

void ServerConnection::Close() {
  if (session_ != nullptr) session_->Abandon();
  stream_->Close(true);
}

}  // namespace sluice::proxy
