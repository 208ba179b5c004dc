#include "server/listener_tls.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "config/compile_secret.h"
#include "upstream/tls_rules.h"

namespace sluice::server {

// What the context of a chain is made of, in order; equal pointers mean the same context.
struct ListenerTls::Chain {
  std::shared_ptr<const config::DownstreamTls> tls;
  std::vector<std::shared_ptr<const config::Secret>> certificates;
  std::shared_ptr<const config::Secret> validation;
  std::shared_ptr<const config::Secret> default_validation;
  std::shared_ptr<const config::Secret> ticket_keys;
  std::shared_ptr<const net::TlsServerContext> context;  // Null: a secret is missing.

  bool SameParts(const Chain& other) const {
    return (tls == other.tls || *tls == *other.tls) && certificates == other.certificates &&
           validation == other.validation && default_validation == other.default_validation &&
           ticket_keys == other.ticket_keys;
  }
};

struct ListenerTls::Entry {
  std::shared_ptr<const config::Listener> listener;
  base::StringMap<Chain> chains;
};

namespace {

template <typename T>
const T* Value(const std::shared_ptr<const config::Secret>& secret) {
  return secret == nullptr ? nullptr : std::get_if<T>(&secret->value);
}

}  // namespace

ListenerTls::ListenerTls(SecretFiles& files, std::vector<std::unique_ptr<Worker>>& workers,
                         const std::vector<std::shared_ptr<const config::Secret>>& static_secrets)
    : files_(files), workers_(workers), view_(std::make_shared<ListenerCertificatesView>()) {
  for (const auto& secret : static_secrets) static_secrets_.emplace(secret->name, secret);
}

ListenerTls::~ListenerTls() = default;

std::shared_ptr<const config::Secret> ListenerTls::Find(const config::SecretRef& ref,
                                                        const config::Snapshot& snapshot) {
  if (ref.sds_name.empty()) return files_.Newest(ref.inline_secret);
  const auto* found = snapshot.secrets.FindShared(ref.sds_name);
  if (found != nullptr) return files_.Newest(*found);
  const auto fixed = static_secrets_.find(ref.sds_name);
  return fixed == static_secrets_.end() ? nullptr : files_.Newest(fixed->second);
}

// False: a secret is missing or of another kind.
bool ListenerTls::Resolve(const config::DownstreamTls& tls, const config::Snapshot& snapshot,
                          Chain& out) {
  for (const config::SecretRef& ref : tls.certificates) {
    out.certificates.push_back(Find(ref, snapshot));
    if (Value<config::TlsCertificate>(out.certificates.back()) == nullptr) return false;
  }
  if (tls.validation.secret) {
    out.validation = Find(*tls.validation.secret, snapshot);
    if (Value<config::TlsValidation>(out.validation) == nullptr) return false;
  }
  if (tls.validation.defaults) {
    out.default_validation = Find(*tls.validation.defaults, snapshot);
    if (Value<config::TlsValidation>(out.default_validation) == nullptr) return false;
  }
  if (!tls.ticket_keys) return true;
  out.ticket_keys = Find(*tls.ticket_keys, snapshot);
  return Value<config::TlsTicketKeys>(out.ticket_keys) != nullptr;
}

namespace {

// What a session stands for: who may resume it is who would be let in again by the same rules.
std::string SessionContext(const config::Listener& listener, const config::FilterChain& chain,
                           const net::TlsServerOptions& options) {
  std::string out =
      base::Cat(listener.name, "|", chain.key, "|", options.ask_for_certificate ? 1 : 0,
                options.require_certificate ? 1 : 0);
  const net::TlsVerification& rules = options.verification;
  const auto add = [&out](std::string_view text) {
    base::Append(out, "|", text.size(), ":", text);
  };
  for (const std::string& text : {rules.ca_pem, rules.crl_pem}) add(text);
  for (const auto* list : {&rules.spki_sha256, &rules.certificate_sha256}) {
    for (const std::string& digest : *list) add(digest);
  }
  base::Append(out, "|", rules.accept_untrusted ? 1 : 0, rules.allow_expired ? 1 : 0,
               rules.depth_max);
  return out;
}

net::TlsServerOptions::Ocsp OcspOf(config::DownstreamTls::OcspPolicy policy) {
  using Policy = config::DownstreamTls::OcspPolicy;
  using Ocsp = net::TlsServerOptions::Ocsp;
  return policy == Policy::kMustStaple ? Ocsp::kMustStaple
         : policy == Policy::kStrict   ? Ocsp::kStrict
                                       : Ocsp::kLenient;
}

}  // namespace

bool ListenerTls::Build(Entry& entry, const config::Snapshot& snapshot) {
  bool changed = false;
  base::StringMap<Chain> next;
  for (const config::FilterChain& chain : entry.listener->filter_chains) {
    if (chain.tls == nullptr) continue;
    Chain made;
    made.tls = chain.tls;
    const bool complete = Resolve(*chain.tls, snapshot, made);
    const auto old = entry.chains.find(chain.key);
    const bool known = old != entry.chains.end();
    if (known && old->second.SameParts(made)) {
      next.emplace(chain.key, std::move(old->second));
      continue;
    }
    changed = true;
    if (complete) {
      const config::DownstreamTls& tls = *chain.tls;
      net::TlsServerOptions options;
      options.version_min = tls.parameters.version_min;
      options.version_max = tls.parameters.version_max;
      options.ciphers =
          tls.parameters.ciphers.empty() ? config::kDefaultTlsCiphers : tls.parameters.ciphers;
      options.curves =
          tls.parameters.curves.empty() ? config::kDefaultTlsCurves : tls.parameters.curves;
      options.signature_algorithms = tls.parameters.signature_algorithms;
      for (const auto& secret : made.certificates) {
        const auto& value = *Value<config::TlsCertificate>(secret);
        options.certificates.push_back(
            {value.chain_pem, value.key_pem, value.key_password, value.ocsp_staple});
      }
      options.ask_for_certificate = tls.validation.secret.has_value();
      options.require_certificate = tls.require_client_certificate;
      options.verification = upstream::RulesOf(
          config::MergeValidation(Value<config::TlsValidation>(made.default_validation),
                                  Value<config::TlsValidation>(made.validation)));
      options.require_sni = tls.require_sni;
      options.full_scan_on_sni_mismatch = tls.full_scan_on_sni_mismatch;
      options.prefer_client_ciphers = tls.prefer_client_ciphers;
      options.alpn = tls.alpn;
      options.tickets = tls.session_tickets;
      if (const auto* keys = Value<config::TlsTicketKeys>(made.ticket_keys)) {
        options.ticket_keys = keys->keys;
      }
      options.session_timeout_s = tls.session_timeout_s;
      options.ocsp = OcspOf(tls.ocsp_policy);
      options.session_context = SessionContext(*entry.listener, chain, options);
      auto context = net::NewTlsServerContext(options);
      if (context.ok()) {
        made.context = *std::move(context);
      } else {
        SLUICE_LOG(kError, kConfig, "listener ", entry.listener->name, ", chain '", chain.name,
                   "': TLS: ", base::MessageOf(context.status()));
        if (known && (old->second.tls == made.tls || *old->second.tls == *made.tls)) {
          made.context = old->second.context;  // The last good one of the same settings.
        }
      }
    }
    next.emplace(chain.key, std::move(made));
  }
  changed = changed || next.size() != entry.chains.size();
  entry.chains = std::move(next);
  return changed;
}

void ListenerTls::Send(const Entry& entry) {
  auto contexts = std::make_shared<proxy::TlsChains>();
  for (const auto& [key, chain] : entry.chains) contexts->emplace(key, chain.context);
  for (const std::unique_ptr<Worker>& worker : workers_) {
    worker->SetTls(entry.listener->name, contexts);
  }
}

void ListenerTls::Set(const std::shared_ptr<const config::Listener>& listener,
                      const config::Snapshot& snapshot) {
  const auto old = entries_.find(listener->name);
  const bool has_tls = std::any_of(listener->filter_chains.begin(), listener->filter_chains.end(),
                                   [](const auto& chain) { return chain.tls != nullptr; });
  if (!has_tls) {
    if (old != entries_.end()) Remove(listener->name);
    return;
  }
  std::unique_ptr<Entry>& slot = entries_[listener->name];
  if (slot == nullptr) slot = std::make_unique<Entry>();
  slot->listener = listener;
  if (!Build(*slot, snapshot)) return;
  Send(*slot);
  PublishView();
}

void ListenerTls::Remove(std::string_view listener) {
  const auto it = entries_.find(listener);
  if (it == entries_.end()) return;
  for (const std::unique_ptr<Worker>& worker : workers_) {
    worker->SetTls(std::string(listener), nullptr);
  }
  entries_.erase(it);
  PublishView();
}

void ListenerTls::Refresh(const config::Snapshot& snapshot) {
  bool any = false;
  for (const auto& [name, entry] : entries_) {
    if (!Build(*entry, snapshot)) continue;
    any = true;
    Send(*entry);
  }
  if (any) PublishView();
}

void ListenerTls::PublishView() {
  auto next = std::make_shared<ListenerCertificatesView>();
  for (const auto& [name, entry] : entries_) {
    for (const auto& [key, chain] : entry->chains) {
      ListenerCertificates& shown = next->emplace_back();
      shown.listener = name;
      for (const auto& secret : chain.certificates) {
        if (Value<config::TlsCertificate>(secret) != nullptr) shown.certificates.push_back(secret);
      }
      for (const auto& each : {chain.default_validation, chain.validation}) {
        if (const auto* value = Value<config::TlsValidation>(each)) shown.ca_pem += value->ca_pem;
      }
    }
  }
  std::sort(next->begin(), next->end(),
            [](const auto& a, const auto& b) { return a.listener < b.listener; });
  const base::MutexLock lock(view_mutex_);
  view_ = std::move(next);
}

std::shared_ptr<const ListenerCertificatesView> ListenerTls::View() const {
  const base::MutexLock lock(view_mutex_);
  return view_;
}

}  // namespace sluice::server
