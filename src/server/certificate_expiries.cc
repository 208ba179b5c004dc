#include "server/certificate_expiries.h"

#include <algorithm>

#include "server/listener_tls.h"

namespace sluice::server {
namespace {

void Lower(std::optional<base::WallTime>& first, std::optional<base::WallTime> other) {
  if (other && (!first || *other < *first)) first = other;
}

}  // namespace

std::int64_t DaysUntil(base::WallTime expires, base::WallTime now) {
  const auto left = std::chrono::duration_cast<std::chrono::hours>(expires - now).count();
  return std::max<std::int64_t>(left / 24, 0);
}

std::optional<base::WallTime> CertificateExpiries::FirstIn(const std::string& pem) {
  const auto [it, added] = texts_.try_emplace(pem);
  if (added) {
    for (const config::CertificateInfo& info : config::DescribeCertificates(pem)) {
      Lower(it->second, info.expires);
    }
  }
  return it->second;
}

std::optional<base::WallTime> CertificateExpiries::First(const upstream::ClustersView& clusters) {
  std::optional<base::WallTime> first;
  base::StringMap<Known> still;
  clusters.ForEach([&](std::string_view name, const auto& view) {
    if (!view->config->tls) return;
    Known known;
    const auto old = clusters_.find(name);
    if (old != clusters_.end() && old->second.config.lock() == view->config) {
      known = std::move(old->second);
    } else {
      known.config = view->config;
      Lower(known.first, FirstIn(view->config->tls->ca_pem));
      Lower(known.first, FirstIn(view->config->tls->certificate_pem));
    }
    Lower(first, known.first);
    still.emplace(name, std::move(known));
  });
  clusters_ = std::move(still);
  texts_.clear();
  return first;
}

std::optional<base::WallTime> CertificateExpiries::FirstOfListeners(
    const std::shared_ptr<const ListenerCertificatesView>& listeners) {
  if (listeners == listeners_) return first_of_listeners_;
  listeners_ = listeners;
  first_of_listeners_.reset();
  for (const ListenerCertificates& shown : *listeners) {
    Lower(first_of_listeners_, FirstIn(shown.ca_pem));
    for (const auto& secret : shown.certificates) {
      Lower(first_of_listeners_,
            FirstIn(std::get<config::TlsCertificate>(secret->value).chain_pem));
    }
  }
  texts_.clear();
  return first_of_listeners_;
}

}  // namespace sluice::server
