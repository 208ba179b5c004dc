#include "xds/resolve.h"

#include <algorithm>

#include "base/strings.h"

namespace sluice::xds {

namespace {

Reference Table(const config::HttpConnectionManager& http, const std::string& name) {
  return {ResourceType::kRoutes,
          {name, http.rds_source, base::Cat("http.", http.stat_prefix, ".rds.", name, "."),
           http.rds_fetch_timeout_ms}};
}

void AddReferences(const config::HttpConnectionManager& http, std::vector<Reference>& out) {
  if (!http.rds_name.empty()) out.push_back(Table(http, http.rds_name));
  if (http.scoped != nullptr) {
    const config::ScopedRoutes& scoped = *http.scoped;
    if (scoped.over_xds) {
      out.push_back({ResourceType::kScopedRoutes,
                     {"*", scoped.source,
                      base::Cat("http.", http.stat_prefix, ".scoped_rds.", scoped.name, "."),
                      scoped.fetch_timeout_ms}});
    }
    for (const auto& scope : scoped.scopes) {
      if (!scope->table_name.empty()) out.push_back(Table(http, scope->table_name));
    }
  }
  for (const config::HttpFilter& filter : http.filters) {
    if (filter.discovery == nullptr) continue;
    out.push_back({ResourceType::kExtensionConfig,
                   {filter.name, filter.discovery->source,
                    base::Cat("extension_config_discovery.http_filter.", filter.name, "."),
                    filter.discovery->fetch_timeout_ms}});
  }
}

}  // namespace

void VisitSecrets(const config::FilterChain& chain,
                  const std::function<void(const config::SecretRef&)>& visit) {
  if (chain.tls == nullptr) return;
  const auto one = [&](const config::SecretRef& ref) {
    if (!ref.sds_name.empty()) visit(ref);
  };
  for (const config::SecretRef& ref : chain.tls->certificates) one(ref);
  if (chain.tls->validation.secret) one(*chain.tls->validation.secret);
  if (chain.tls->ticket_keys) one(*chain.tls->ticket_keys);
}

std::vector<Reference> ReferencesOf(const config::Listener& listener) {
  std::vector<Reference> out;
  for (const config::FilterChain& chain : listener.filter_chains) {
    if (chain.http != nullptr) AddReferences(*chain.http, out);
    VisitSecrets(chain, [&](const config::SecretRef& ref) {
      if (!ref.over_sds) return;
      out.push_back(
          {ResourceType::kSecret,
           {ref.sds_name, ref.source, base::Cat("sds.", ref.sds_name, "."), ref.fetch_timeout_ms}});
    });
  }
  return out;
}

std::vector<Reference> ReferencesOf(const config::Cluster& cluster) {
  std::vector<Reference> out;
  if (cluster.type == config::Cluster::Type::kEds) {
    out.push_back({ResourceType::kEndpoints,
                   {cluster.eds_service_name, cluster.eds_source,
                    base::Cat("cluster.", cluster.stat_name, "."), cluster.eds_fetch_timeout_ms}});
  }
  return out;
}

bool HasDiscovery(const config::Listener& listener) {
  return std::ranges::any_of(listener.filter_chains, [](const config::FilterChain& chain) {
    return chain.http != nullptr &&
           std::ranges::any_of(chain.http->filters,
                               [](const auto& filter) { return filter.discovery != nullptr; });
  });
}

const config::ExtensionConfig* FindFilterConfig(
    const config::HttpFilter& filter, const config::ShardedMap<config::ExtensionConfig>& configs) {
  const config::ExtensionConfig* found = configs.Find(filter.name);
  if (found == nullptr) return nullptr;
  const auto& types = filter.discovery->types;
  return std::ranges::find(types, found->type) == types.end() ? nullptr : found;
}

std::shared_ptr<const config::Listener> ResolveFilters(
    const std::shared_ptr<const config::Listener>& listener,
    const config::ShardedMap<config::ExtensionConfig>& configs) {
  if (!HasDiscovery(*listener)) return listener;
  auto out = std::make_shared<config::Listener>(*listener);
  for (config::FilterChain& chain : out->filter_chains) {
    if (chain.http == nullptr) continue;
    auto http = std::make_shared<config::HttpConnectionManager>(*chain.http);
    for (config::HttpFilter& filter : http->filters) {
      if (filter.discovery == nullptr) continue;
      if (const auto* found = FindFilterConfig(filter, configs)) {
        filter.config = found->config;
      } else if (filter.discovery->default_config != nullptr) {
        filter.config = *filter.discovery->default_config;
      }
    }
    chain.http = std::move(http);
  }
  return out;
}

}  // namespace sluice::xds
