#include "config/domain_index.h"

#include <algorithm>

#include "base/field_errors.h"
#include "config/route.h"

namespace sluice::config {

std::uint32_t DomainIndex::AddWildcard(Wildcards& wildcards, std::string_view text,
                                       std::uint32_t virtual_host) {
  auto place = std::find_if(wildcards.begin(), wildcards.end(),
                            [&](const OfLength& w) { return w.length <= text.size(); });
  if (place == wildcards.end() || place->length != text.size()) {
    place = wildcards.insert(place, {text.size(), {}});
  }
  const auto [entry, added] = place->hosts.try_emplace(text, virtual_host);
  return added ? kNone : entry->second;
}

std::uint32_t DomainIndex::Add(std::string_view domain, std::uint32_t virtual_host) {
  if (domain == "*") {
    if (any_ != kNone) return any_;
    any_ = virtual_host;
    return kNone;
  }
  if (domain.starts_with('*')) return AddWildcard(suffixes_, domain.substr(1), virtual_host);
  if (domain.ends_with('*')) {
    return AddWildcard(prefixes_, domain.substr(0, domain.size() - 1), virtual_host);
  }
  const auto [entry, added] = exact_.try_emplace(domain, virtual_host);
  return added ? kNone : entry->second;
}

bool DomainIndex::Has(std::string_view domain) const {
  const auto has = [](const Wildcards& wildcards, std::string_view text) {
    return std::any_of(wildcards.begin(), wildcards.end(), [&](const OfLength& w) {
      return w.length == text.size() && w.hosts.contains(text);
    });
  };
  if (domain == "*") return any_ != kNone;
  if (domain.starts_with('*')) return has(suffixes_, domain.substr(1));
  if (domain.ends_with('*')) return has(prefixes_, domain.substr(0, domain.size() - 1));
  return exact_.contains(domain);
}

std::uint32_t DomainIndex::Find(std::string_view host) const {
  if (const auto found = exact_.find(host); found != exact_.end()) return found->second;
  for (const OfLength& wildcard : suffixes_) {
    if (wildcard.length >= host.size()) continue;
    const auto found = wildcard.hosts.find(host.substr(host.size() - wildcard.length));
    if (found != wildcard.hosts.end()) return found->second;
  }
  for (const OfLength& wildcard : prefixes_) {
    if (wildcard.length >= host.size()) continue;
    const auto found = wildcard.hosts.find(host.substr(0, wildcard.length));
    if (found != wildcard.hosts.end()) return found->second;
  }
  return any_;
}

void IndexDomains(RouteTable& table, base::FieldErrors& errors) {
  auto index = std::make_shared<DomainIndex>();
  for (std::size_t i = 0; i < table.virtual_hosts.size(); ++i) {
    const VirtualHost* host = table.virtual_hosts[i].get();
    if (host == nullptr) continue;  // It did not compile; that is reported already.
    for (std::size_t k = 0; k < host->domains.size(); ++k) {
      const std::string& domain = host->domains[k];
      const std::uint32_t other = index->Add(domain, static_cast<std::uint32_t>(i));
      if (other == DomainIndex::kNone) continue;
      const base::FieldErrors::Scope host_scope(errors, "virtual_hosts", i);
      const base::FieldErrors::Scope domain_scope(errors, "domains", k);
      errors.Add(base::Cat(
          domain == "*"
              ? "Only a single wildcard domain is permitted"
              : "Only unique values for domains are permitted. Duplicate entry of domain ",
          domain == "*" ? "" : domain, " in route ", table.name, ": in virtual hosts '",
          table.virtual_hosts[other]->name, "' and '", host->name, "'"));
    }
  }
  table.index = std::move(index);
}

std::shared_ptr<const RouteTable> AddVirtualHosts(
    const RouteTable& table, const std::vector<std::shared_ptr<const VirtualHost>>& hosts) {
  auto out = std::make_shared<RouteTable>(table);
  out->source = nullptr;  // The next version is compared with the table as it came.
  auto index = std::make_shared<DomainIndex>();
  out->virtual_hosts.clear();
  const auto add = [&](const std::shared_ptr<const VirtualHost>& host) {
    const bool taken = std::any_of(host->domains.begin(), host->domains.end(),
                                   [&](const std::string& domain) { return index->Has(domain); });
    if (taken) return;
    const auto at = static_cast<std::uint32_t>(out->virtual_hosts.size());
    for (const std::string& domain : host->domains) index->Add(domain, at);
    out->virtual_hosts.push_back(host);
  };
  for (const auto& host : table.virtual_hosts) add(host);
  for (const auto& host : hosts) add(host);
  out->index = std::move(index);
  return out;
}

}  // namespace sluice::config
