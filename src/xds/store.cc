#include "xds/store.h"

#include <algorithm>

#include "base/field_errors.h"
#include "base/strings.h"

namespace sluice::xds {
namespace {

std::string_view NackPrefix(ResourceType type) {
  switch (type) {
    case ResourceType::kCluster:
      return "Error adding/updating cluster(s) ";
    case ResourceType::kEndpoints:
      return "Error adding/updating endpoints ";
    case ResourceType::kListener:
      return "Error adding/updating listener(s) ";
    case ResourceType::kRoutes:
      return "Error adding/updating route configuration(s) ";
    case ResourceType::kScopedRoutes:
      return "Error adding/updating scoped route(s) ";
    case ResourceType::kVirtualHosts:
      return "Error adding/updating virtual host(s) ";
    case ResourceType::kSecret:
      return "Error adding/updating secret(s) ";
    case ResourceType::kRuntime:
      return "Error adding/updating runtime layer(s) ";
    case ResourceType::kExtensionConfig:
      return "Error adding/updating extension configuration(s) ";
  }
  return "";
}

// Those whose version in the store may not be the one that serves.
bool Warms(ResourceType type) {
  return type == ResourceType::kCluster || type == ResourceType::kListener;
}

// The subscribed table that a resource of VHDS belongs to; "" when there is none.
std::string_view TableOf(std::string_view resource, const References& wanted) {
  for (std::size_t slash = resource.rfind('/'); slash != std::string_view::npos && slash > 0;
       slash = resource.rfind('/', slash - 1)) {
    if (wanted.Contains(ResourceType::kVirtualHosts, resource.substr(0, slash))) {
      return resource.substr(0, slash);
    }
  }
  return "";
}

}  // namespace

Store::Store(config::CompileOptions options, std::set<std::string> static_clusters,
             std::set<std::string> static_listeners)
    : options_(std::move(options)),
      static_clusters_(std::move(static_clusters)),
      static_listeners_(std::move(static_listeners)) {}

void Store::SetRecord(ResourceType type, std::string_view name,
                      std::shared_ptr<const ResourceRecord> record) {
  auto& records = view_.records[IndexOf(type)];
  const ResourceRecord* old = records.Find(name);
  if (old != nullptr && old->error) --rejected_now_[IndexOf(type)];
  if (record == nullptr) {
    records.Erase(name);
    return;
  }
  if (record->error) ++rejected_now_[IndexOf(type)];
  records.Set(name, std::move(record));
}

void Store::Reject(const Response& response, const RawResource& resource,
                   const base::FieldErrors& errors, base::WallTime now) {
  const std::string name(resource.name);
  std::string details = errors.Text();
  result_.rejected.push_back({name, errors.errors()});
  result_.error += result_.error.empty() ? NackPrefix(response.type) : ", ";
  base::Append(result_.error, base::Printable(name), ": ", details);
  ResourceRecord record;
  if (const ResourceRecord* old = view_.Of(response.type).Find(name)) record = *old;
  record.name = name;
  record.error = ResourceRecord::Error{std::move(details), std::string(response.version), now,
                                       std::make_shared<const std::string>(resource.bytes)};
  if (record.bytes == nullptr) record.live = false;
  SetRecord(response.type, name, std::make_shared<const ResourceRecord>(std::move(record)));
}

template <typename T>
void Store::ApplyOne(const Response& response, const RawResource& resource,
                     config::ShardedMap<T>& values, base::WallTime now) {
  const std::string name(resource.name);
  const std::string_view bytes = resource.bytes;
  const bool first = seen_.insert(name).second;
  if (twice_.contains(name)) {  // Which one is meant? Neither: the last good one goes on.
    if (first) {
      base::FieldErrors errors;
      errors.Add(base::Cat("duplicate resource ", base::Printable(name), " found"));
      Reject(response, resource, errors, now);
    }
    return;
  }
  const ResourceRecord* old = view_.Of(response.type).Find(name);
  const auto* previous = values.FindShared(name);
  if (old != nullptr && old->bytes != nullptr && *old->bytes == bytes && previous != nullptr) {
    ++result_.unchanged;
    if (old->error || old->version != resource.version) {
      ResourceRecord record = *old;
      record.error.reset();
      record.version = resource.version;
      SetRecord(response.type, name, std::make_shared<const ResourceRecord>(std::move(record)));
    }
    return;
  }
  base::FieldErrors errors;
  auto value = Compile(
      CompileInput<T>{bytes, previous == nullptr ? nullptr : previous->get(), options_, errors});
  if (value != nullptr && errors.empty()) Check(response, *value, errors);
  if (!errors.empty() || value == nullptr) {
    Reject(response, resource, errors, now);
    return;
  }
  const bool same = previous != nullptr && **previous == *value;
  ResourceRecord record;
  record.name = name;
  record.version = resource.version;
  record.bytes = std::make_shared<const std::string>(bytes);
  record.updated = now;
  if (Warms(response.type)) {
    record.live = same && old->live;
    if (old != nullptr) {
      record.active = !same && old->live ? *view_.Of(response.type).FindShared(name) : old->active;
    }
  }
  SetRecord(response.type, name, std::make_shared<const ResourceRecord>(std::move(record)));
  if (same) {
    ++result_.unchanged;  // Other bytes, same meaning: nothing moves.
    return;
  }
  values.Set(name, std::move(value));
  result_.changed.push_back(name);
}

template <typename T>
void Store::RemoveGone(const Response& response, config::ShardedMap<T>& values) {
  std::vector<std::string> gone(response.removed.begin(), response.removed.end());
  if (response.whole) {
    for (const std::string_view name : response.kept) seen_.emplace(name);
    view_.Of(response.type).ForEach([&](std::string_view name, const auto&) {
      if (!seen_.contains(name)) gone.emplace_back(name);
    });
  }
  for (const std::string& name : gone) {
    SetRecord(response.type, name, nullptr);
    if (values.Erase(name)) result_.removed.push_back(name);
  }
}

template <typename T>
void Store::RemoveNamed(const Response& response, config::ShardedMap<T>& values) {
  for (const std::string_view name : response.removed) {
    SetRecord(response.type, name, nullptr);
    if (values.Erase(name)) result_.removed.emplace_back(name);
  }
}

void Store::FindTwice(const Response& response) {
  seen_.clear();
  twice_.clear();
  for (const RawResource& resource : response.resources) {
    if (!seen_.emplace(resource.name).second) twice_.emplace(resource.name);
  }
  seen_.clear();
}

template <typename T>
void Store::Check(const Response&, const T&, base::FieldErrors&) const {}

// A cluster that is not there, where the table asks for all of them to be.
template <>
void Store::Check(const Response&, const config::RouteTable& table,
                  base::FieldErrors& errors) const {
  if (table.validate_clusters) CheckClusters(table, errors);
}

// Two scopes with one key: which table would serve?
template <>
void Store::Check(const Response& response, const config::RouteScope& scope,
                  base::FieldErrors& errors) const {
  scopes_.ForEach([&](std::string_view name, const auto& other) {
    if (other->key != scope.key || name == scope.name) return;
    const bool handled = seen_.contains(name);
    const bool named = std::ranges::any_of(response.resources,
                                           [&](const auto& each) { return each.name == name; });
    // What this response changes later, or takes away, is in nobody's way.
    if (!handled && (named || response.whole)) return;
    errors.AddAt("key", base::Cat("scope key conflict found, first scope is '",
                                  base::Printable(name), "', second scope is '",
                                  base::Printable(scope.name), "'; give each its own key"));
  });
}

void Store::ApplyByType(const Response& response, const RawResource& resource, base::WallTime now) {
  const std::string name(resource.name);
  switch (response.type) {
    case ResourceType::kCluster:
      if (!static_clusters_.contains(name)) ApplyOne(response, resource, clusters_, now);
      return;
    case ResourceType::kEndpoints:
      return ApplyOne(response, resource, assignments_, now);
    case ResourceType::kListener:
      if (!static_listeners_.contains(name)) ApplyOne(response, resource, listeners_, now);
      return;
    case ResourceType::kRoutes:
      return ApplyOne(response, resource, routes_, now);
    case ResourceType::kScopedRoutes:
      return ApplyOne(response, resource, scopes_, now);
    case ResourceType::kVirtualHosts:
      return ApplyOne(response, resource, virtual_hosts_, now);
    case ResourceType::kRuntime:
      return ApplyOne(response, resource, runtime_, now);
    case ResourceType::kExtensionConfig:
      return ApplyOne(response, resource, extension_configs_, now);
    case ResourceType::kSecret:
      return ApplyOne(response, resource, secrets_, now);
  }
}

ApplyResult Store::Apply(const Response& response, const References& wanted, base::WallTime now) {
  result_ = {};
  FindTwice(response);
  for (const RawResource& resource : response.resources) {
    // Bytes without a name go on, to be refused aloud.
    const bool known =
        IsWildcard(response.type) || resource.name.empty() ||
        (IsNamespaced(response.type) ? !TableOf(resource.name, wanted).empty()
                                     : wanted.Contains(response.type, resource.name));
    if (known) ApplyByType(response, resource, now);
  }
  // What is asked for by name keeps its last good version, whatever the server says.
  if (response.type == ResourceType::kCluster) RemoveGone(response, clusters_);
  if (response.type == ResourceType::kListener) RemoveGone(response, listeners_);
  if (response.type == ResourceType::kScopedRoutes) RemoveGone(response, scopes_);
  if (response.type == ResourceType::kRuntime) RemoveNamed(response, runtime_);
  if (response.type == ResourceType::kVirtualHosts) {
    RemoveNamed(response, virtual_hosts_);
    UpdateHosts(wanted);
  }
  if (result_.error.empty() && !response.expired) {
    view_.versions[static_cast<std::size_t>(response.type)] = response.version;
  }
  return std::move(result_);
}

// From names of hosts to names of tables: those are what changes.
void Store::UpdateHosts(const References& wanted) {
  std::set<std::string> tables;
  for (const std::string& name : wanted.Names(ResourceType::kVirtualHosts)) {
    if (hosts_.try_emplace(name).second) tables.insert(name);  // Answered, perhaps with nothing.
  }
  for (const std::vector<std::string>* names : {&result_.changed, &result_.removed}) {
    for (const std::string& name : *names) {
      const std::string table(TableOf(name, wanted));
      if (table.empty()) continue;
      tables.insert(table);
      if (const auto* host = virtual_hosts_.FindShared(name)) {
        hosts_[table][name] = *host;
      } else {
        hosts_[table].erase(name);
      }
    }
  }
  result_.changed.assign(tables.begin(), tables.end());
  result_.removed.clear();
}

void Store::MarkLive(ResourceType type, const std::string& name) {
  const ResourceRecord* old = view_.Of(type).Find(name);
  if (old == nullptr || (old->live && old->active == nullptr) || old->bytes == nullptr) return;
  ResourceRecord record = *old;
  record.live = true;
  record.active = nullptr;
  SetRecord(type, name, std::make_shared<const ResourceRecord>(std::move(record)));
}

void Store::Forget(ResourceType type, const std::string& name) {
  if (IsWildcard(type)) return;
  if (type == ResourceType::kVirtualHosts) {
    const auto it = hosts_.find(name);
    if (it == hosts_.end()) return;
    for (const auto& [host, value] : it->second) {
      virtual_hosts_.Erase(host);
      SetRecord(type, host, nullptr);
    }
    hosts_.erase(it);
    return;
  }
  SetRecord(type, name, nullptr);
  if (type == ResourceType::kEndpoints) assignments_.Erase(name);
  if (type == ResourceType::kRoutes) routes_.Erase(name);
  if (type == ResourceType::kRuntime) runtime_.Erase(name);
  if (type == ResourceType::kSecret) secrets_.Erase(name);
  if (type == ResourceType::kExtensionConfig) extension_configs_.Erase(name);
}

void Store::CheckClusters(const config::RouteTable& table, base::FieldErrors& errors) const {
  config::VisitClusters(table, [&](const config::VirtualHost& host, const config::Route& route,
                                   std::string_view name) {
    if (clusters_.Find(name) != nullptr || static_clusters_.contains(std::string(name))) return;
    errors.Add(base::Cat("virtual host '", base::Printable(host.name), "', route '",
                         base::Printable(route.name), "': unknown cluster '", base::Printable(name),
                         "'"));
  });
}

}  // namespace sluice::xds
