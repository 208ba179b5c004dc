#include "xds/store.h"

#include "base/field_errors.h"
#include "base/log.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

namespace sluice::xds {
namespace {

using google::protobuf::internal::WireFormatLite;

// The string in field 1, which is the name of all four types, without parsing the message: a
// resource that does not parse is still named in the NACK.
std::string PeekName(std::string_view bytes) {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                            static_cast<int>(bytes.size()));
  std::string name;
  while (const std::uint32_t tag = in.ReadTag()) {
    if (WireFormatLite::GetTagFieldNumber(tag) == 1 &&
        WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      std::uint32_t length = 0;
      if (!in.ReadVarint32(&length) || !in.ReadString(&name, static_cast<int>(length))) return "";
    } else if (!WireFormatLite::SkipField(&in, tag)) {
      break;
    }
  }
  return name;
}

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
  }
  return "";
}

}  // namespace

Store::Store(config::CompileOptions options, std::set<std::string> static_clusters,
             std::set<std::string> static_listeners)
    : options_(std::move(options)),
      static_clusters_(std::move(static_clusters)),
      static_listeners_(std::move(static_listeners)) {}

void Store::Reject(ResourceType type, const std::string& name, std::string_view details,
                   std::string_view version, base::WallTime now) {
  ++result_.rejected;
  result_.error += result_.error.empty() ? NackPrefix(type) : ", ";
  base::Append(result_.error, base::Printable(name), ": ", details);
  auto& records = view_.records[static_cast<std::size_t>(type)];
  ResourceRecord record;
  if (const ResourceRecord* old = records.Find(name)) record = *old;
  record.name = name;
  record.error = ResourceRecord::Error{std::string(details), std::string(version), now};
  records.Set(name, std::make_shared<const ResourceRecord>(std::move(record)));
}

template <typename T>
void Store::ApplyOne(const Response& response, std::string_view bytes,
                     config::ShardedMap<T>& values, const Compile<T>& compile, base::WallTime now) {
  const std::string name = PeekName(bytes);
  auto& records = view_.records[static_cast<std::size_t>(response.type)];
  const bool first = seen_.insert(name).second;
  if (twice_.contains(name)) {  // Which one is meant? Neither: the last good one goes on.
    if (first) {
      Reject(response.type, name, base::Cat("duplicate resource ", base::Printable(name), " found"),
             response.version, now);
    }
    return;
  }
  const ResourceRecord* old = records.Find(name);
  const auto* previous = values.FindShared(name);
  if (old != nullptr && old->bytes != nullptr && *old->bytes == bytes && previous != nullptr) {
    ++result_.unchanged;
    if (old->error || old->version != response.version) {
      ResourceRecord record = *old;
      record.error.reset();
      record.version = response.version;
      records.Set(name, std::make_shared<const ResourceRecord>(std::move(record)));
    }
    return;
  }
  base::FieldErrors errors;
  auto value = compile(bytes, previous == nullptr ? nullptr : previous->get(), errors);
  if (!errors.empty() || value == nullptr) {
    Reject(response.type, name, errors.Text(), response.version, now);
    return;
  }
  ResourceRecord record;
  record.name = name;
  record.version = response.version;
  record.bytes = std::make_shared<const std::string>(bytes);
  record.updated = now;
  records.Set(name, std::make_shared<const ResourceRecord>(std::move(record)));
  if (previous != nullptr && **previous == *value) {
    ++result_.unchanged;  // Other bytes, same meaning: nothing moves.
    return;
  }
  values.Set(name, std::move(value));
  result_.changed.push_back(name);
}

template <typename T>
void Store::RemoveUnlisted(ResourceType type, config::ShardedMap<T>& values) {
  auto& records = view_.records[static_cast<std::size_t>(type)];
  std::vector<std::string> gone;
  records.ForEach([&](std::string_view name, const auto&) {
    if (!seen_.contains(name)) gone.emplace_back(name);
  });
  for (const std::string& name : gone) {
    records.Erase(name);
    if (values.Erase(name)) result_.removed.push_back(name);
  }
}

void Store::FindTwice(const Response& response) {
  seen_.clear();
  twice_.clear();
  for (const RawResource& resource : response.resources) {
    std::string name = PeekName(resource.bytes);
    if (!seen_.insert(name).second) twice_.insert(std::move(name));
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
      const std::string name = PeekName(resource.bytes);
      if (!name.empty() && !wanted.contains(name)) continue;
    }
    switch (response.type) {
      case ResourceType::kCluster:
        if (static_clusters_.contains(PeekName(resource.bytes))) break;
        ApplyOne<config::Cluster>(
            response, resource.bytes, clusters_,
            [&](std::string_view bytes, const auto*, base::FieldErrors& errors) {
              envoy::config::cluster::v3::Cluster proto;
              if (!Parse(bytes, proto, errors)) return std::shared_ptr<const config::Cluster>();
              auto cluster = config::CompileCluster(proto, options, errors);
              if (cluster != nullptr && cluster->http2) {
                errors.AddAt("typed_extension_protocol_options",
                             "HTTP/2 to upstreams is not supported; write http_protocol_options");
              }
              return cluster;
            },
            now);
        break;
      case ResourceType::kEndpoints:
        ApplyOne<config::Assignment>(
            response, resource.bytes, assignments_,
            [&](std::string_view bytes, const auto*, base::FieldErrors& errors) {
              envoy::config::endpoint::v3::ClusterLoadAssignment proto;
              if (!Parse(bytes, proto, errors)) return std::shared_ptr<const config::Assignment>();
              return config::CompileAssignment(proto, options, errors);
            },
            now);
        break;
      case ResourceType::kListener:
        if (static_listeners_.contains(PeekName(resource.bytes))) break;
        ApplyOne<config::Listener>(
            response, resource.bytes, listeners_,
            [&](std::string_view bytes, const auto*, base::FieldErrors& errors) {
              envoy::config::listener::v3::Listener proto;
              if (!Parse(bytes, proto, errors)) return std::shared_ptr<const config::Listener>();
              return config::CompileListener(proto, options, errors);
            },
            now);
        break;
      case ResourceType::kRoutes:
        ApplyOne<config::RouteTable>(
            response, resource.bytes, routes_,
            [&](std::string_view bytes, const config::RouteTable* previous,
                base::FieldErrors& errors) {
              auto table = config::CompileRouteTableBytes(bytes, previous, options, errors);
              if (table != nullptr && table->validate_clusters) CheckClusters(*table, errors);
              return table;
            },
            now);
        break;
    }
  }
  if (response.type == ResourceType::kCluster) RemoveUnlisted(response.type, clusters_);
  if (response.type == ResourceType::kListener) RemoveUnlisted(response.type, listeners_);
  if (result_.error.empty()) {
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
  auto& records = view_.records[static_cast<std::size_t>(type)];
  std::vector<std::string> gone;
  records.ForEach([&](std::string_view name, const auto&) {
    if (!names.contains(std::string(name))) gone.emplace_back(name);
  });
  for (const std::string& name : gone) {
    records.Erase(name);
    if (type == ResourceType::kEndpoints) assignments_.Erase(name);
    if (type == ResourceType::kRoutes) routes_.Erase(name);
  }
}

}  // namespace sluice::xds
