// Route tables by virtual host: what did not change is neither parsed nor compiled again.
#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_route.h"
#include "config/domain_index.h"
#include "config/proto_values.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

namespace sluice::config {

// The message that a table came from, cut into its virtual hosts.
struct RouteTableSource {
  std::string bytes;
  std::vector<std::string_view> hosts;                      // Into `bytes`, in order.
  absl::flat_hash_map<std::size_t, std::uint32_t> by_hash;  // Of the bytes; the first of equals.
  base::StringMap<std::uint32_t> by_name;
  RouteTableLimits limits;  // What else the hosts were compiled with.
};

namespace {

using google::protobuf::internal::WireFormatLite;
using ProtoTable = envoy::config::route::v3::RouteConfiguration;
using Scope = base::FieldErrors::Scope;

// Cuts source.bytes; everything that is no virtual host is appended to `rest`. False: malformed.
bool Cut(RouteTableSource& source, std::string& rest) {
  constexpr std::uint32_t kHostTag = WireFormatLite::MakeTag(
      ProtoTable::kVirtualHostsFieldNumber, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  const std::string_view bytes = source.bytes;
  if (bytes.size() > static_cast<std::size_t>(INT32_MAX)) return false;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                            static_cast<int>(bytes.size()));
  while (true) {
    const auto begin = static_cast<std::size_t>(in.CurrentPosition());
    const std::uint32_t tag = in.ReadTag();
    if (tag == 0) return begin == bytes.size();
    if (tag == kHostTag) {
      std::uint32_t size = 0;
      if (!in.ReadVarint32(&size)) return false;
      const auto at = static_cast<std::size_t>(in.CurrentPosition());
      if (size > bytes.size() - at || !in.Skip(static_cast<int>(size))) return false;
      source.hosts.push_back(bytes.substr(at, size));
      continue;
    }
    if (!WireFormatLite::SkipField(&in, tag)) return false;
    const auto end = static_cast<std::size_t>(in.CurrentPosition());
    rest.append(bytes.substr(begin, end - begin));
  }
}

// The virtual host of `previous` that came from these bytes, or null.
std::shared_ptr<const VirtualHost> Unchanged(const RouteTable* previous, std::size_t hash,
                                             std::string_view bytes,
                                             const RouteTableLimits& limits) {
  if (previous == nullptr || previous->source == nullptr) return nullptr;
  const RouteTableSource& source = *previous->source;
  if (source.limits != limits) return nullptr;
  const auto found = source.by_hash.find(hash);
  if (found == source.by_hash.end() || source.hosts[found->second] != bytes) return nullptr;
  return previous->virtual_hosts[found->second];
}

// The previous virtual host of that name when it has the same value, else `host`: maps are
// serialised in any order, so equal values come in different bytes.
std::shared_ptr<const VirtualHost> Shared(const RouteTable* previous,
                                          std::shared_ptr<const VirtualHost> host) {
  if (previous == nullptr || previous->source == nullptr) return host;
  const auto found = previous->source->by_name.find(host->name);
  if (found == previous->source->by_name.end()) return host;
  const auto& other = previous->virtual_hosts[found->second];
  return *other == *host ? other : host;
}

}  // namespace

std::shared_ptr<const RouteTable> CompileRouteTableBytes(std::string_view serialised,
                                                         const RouteTable* previous,
                                                         const CompileOptions& options,
                                                         base::FieldErrors& errors) {
  const std::size_t before = errors.size();
  auto source = std::make_shared<RouteTableSource>();
  source->bytes = serialised;
  std::string rest;
  ProtoTable proto;
  if (!Cut(*source, rest) || !proto.ParseFromString(rest)) {
    errors.Add("the bytes are no envoy.config.route.v3.RouteConfiguration");
    return nullptr;
  }
  CheckMessage(proto, options, errors);
  RouteTableFrame frame = CompileRouteTableFrame(proto, options, errors);
  source->limits = frame.limits;
  auto table = std::make_shared<RouteTable>(std::move(frame.table));
  table->virtual_hosts.reserve(source->hosts.size());
  source->by_hash.reserve(source->hosts.size());
  source->by_name.reserve(source->hosts.size());
  for (std::size_t i = 0; i < source->hosts.size(); ++i) {
    const std::string_view bytes = source->hosts[i];
    const std::size_t hash = base::StringHash{}(bytes);
    auto host = Unchanged(previous, hash, bytes, frame.limits);
    if (host == nullptr) {
      const Scope scope(errors, "virtual_hosts", i);
      envoy::config::route::v3::VirtualHost host_proto;
      if (host_proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        CheckMessage(host_proto, options, errors);
        host = Shared(previous, CompileVirtualHost(host_proto, frame.limits, options, errors));
      } else {
        errors.Add("the bytes are no envoy.config.route.v3.VirtualHost");
        host = std::make_shared<const VirtualHost>();
      }
    }
    source->by_hash.try_emplace(hash, static_cast<std::uint32_t>(i));
    source->by_name.try_emplace(host->name, static_cast<std::uint32_t>(i));
    table->virtual_hosts.push_back(std::move(host));
  }
  IndexDomains(*table, errors);
  if (errors.size() != before) return nullptr;
  table->source = std::move(source);
  return table;
}

}  // namespace sluice::config
