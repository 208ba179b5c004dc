#include "xds/store.h"

#include "base/field_errors.h"
#include "base/log.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"

namespace sluice::xds {
namespace {

template <typename Proto>
bool Parse(std::string_view bytes, Proto& proto, base::FieldErrors& errors) {
  if (proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return true;
  errors.Add(base::Cat("the bytes are no ", Proto::descriptor()->full_name()));
  return false;
}

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
    default:
      return "Error adding/updating ";
  }
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

void Store::Reject(const Response& response, const std::string& name,
                   const base::FieldErrors& errors, base::WallTime now) {
  std::string details = errors.Text();
  result_.rejected.push_back({name, errors.errors()});
  result_.error += result_.error.empty() ? NackPrefix(response.type) : ", ";
  base::Append(result_.error, base::Printable(name), ": ", details);
  ResourceRecord record;
  if (const ResourceRecord* old = view_.Of(response.type).Find(name)) record = *old;
  record.name = name;
  record.error = ResourceRecord::Error{std::move(details), std::string(response.version), now};
  SetRecord(response.type, name, std::make_shared<const ResourceRecord>(std::move(record)));
}

template <typename T>
void Store::ApplyOne(const Response& response, const RawResource& resource,
                     config::ShardedMap<T>& values, const Compile<T>& compile, base::WallTime now) {
  const std::string name(resource.name);
  const std::string_view bytes = resource.bytes;
  const bool first = seen_.insert(name).second;
  if (twice_.contains(name)) {  // Which one is meant? Neither: the last good one goes on.
    if (first) {
      base::FieldErrors errors;
      errors.Add(base::Cat("duplicate resource ", base::Printable(name), " found"));
      Reject(response, name, errors, now);
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
  auto value = compile(bytes, previous == nullptr ? nullptr : previous->get(), errors);
  if (!errors.empty() || value == nullptr) {
    Reject(response, name, errors, now);
    return;
  }
  ResourceRecord record;
  record.name = name;
  record.version = resource.version;
  record.bytes = std::make_shared<const std::string>(bytes);
  record.updated = now;
  SetRecord(response.type, name, std::make_shared<const ResourceRecord>(std::move(record)));
  if (previous != nullptr && **previous == *value) {
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

void Store::FindTwice(const Response& response) {
  seen_.clear();
  twice_.clear();
  for (const RawResource& resource : response.resources) {
    if (!seen_.emplace(resource.name).second) twice_.emplace(resource.name);
  }
  seen_.clear();
}

ApplyResult Store::Apply(const Response& response, const std::set<std::string>& wanted,
                         base::WallTime now) {
  result_ = {};
  const config::CompileOptions& options = options_;
  FindTwice(response);
  for (const RawResource& resource : response.resources) {
    if (!IsWildcard(response.type)) {
      // Bytes without a name go on, to be refused aloud.
      if (!resource.name.empty() && !wanted.contains(std::string(resource.name))) continue;
    }
    switch (response.type) {
      case ResourceType::kCluster:
        if (static_clusters_.contains(std::string(resource.name))) break;
        ApplyOne<config::Cluster>(
            response, resource, clusters_,
            [&](std::string_view bytes, const auto*, base::FieldErrors& errors) {
              envoy::config::cluster::v3::Cluster proto;
              if (!Parse(bytes, proto, errors)) return std::shared_ptr<const config::Cluster>();
              auto cluster = config::CompileCluster(proto, options, errors);
              return cluster;
            },
            now);
        break;
      case ResourceType::kEndpoints:
        ApplyOne<config::Assignment>(
            response, resource, assignments_,
            [&](std::string_view bytes, const auto*, base::FieldErrors& errors) {
              envoy::config::endpoint::v3::ClusterLoadAssignment proto;
              if (!Parse(bytes, proto, errors)) return std::shared_ptr<const config::Assignment>();
              return config::CompileAssignment(proto, options, errors);
            },
            now);
        break;
      case ResourceType::kListener:
        if (static_listeners_.contains(std::string(resource.name))) break;
        ApplyOne<config::Listener>(
            response, resource, listeners_,
            [&](std::string_view bytes, const auto*, base::FieldErrors& errors) {
              envoy::config::listener::v3::Listener proto;
              if (!Parse(bytes, proto, errors)) return std::shared_ptr<const config::Listener>();
              return config::CompileListener(proto, options, errors);
            },
            now);
        break;
      case ResourceType::kRoutes:
        ApplyOne<config::RouteTable>(
            response, resource, routes_,
            [&](std::string_view bytes, const config::RouteTable* previous,
                base::FieldErrors& errors) {
              auto table = config::CompileRouteTableBytes(bytes, previous, options, errors);
              if (table != nullptr && table->validate_clusters) CheckClusters(*table, errors);
              return table;
            },
            now);
        break;
      default:
        break;  // Nobody subscribes to the others yet.
    }
  }
  // What is asked for by name keeps its last good version, whatever the server says.
  if (response.type == ResourceType::kCluster) RemoveGone(response, clusters_);
  if (response.type == ResourceType::kListener) RemoveGone(response, listeners_);
  if (result_.error.empty() && !response.expired) {
    view_.versions[static_cast<std::size_t>(response.type)] = response.version;
  }
  return std::move(result_);
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

void Store::Retain(ResourceType type, const std::set<std::string>& names) {
  std::vector<std::string> gone;
  view_.Of(type).ForEach([&](std::string_view name, const auto&) {
    if (!names.contains(std::string(name))) gone.emplace_back(name);
  });
  for (const std::string& name : gone) {
    SetRecord(type, name, nullptr);
    if (type == ResourceType::kEndpoints) assignments_.Erase(name);
    if (type == ResourceType::kRoutes) routes_.Erase(name);
  }
}

}  // namespace sluice::xds
