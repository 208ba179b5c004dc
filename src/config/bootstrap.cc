#include "config/bootstrap.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "config/bootstrap_checks.h"
#include "config/compile_access_log.h"
#include "config/compile_address.h"
#include "config/compile_headers.h"
#include "config/compile_secret.h"
#include "config/proto_values.h"
#include "config/yaml_to_proto.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace sluice::config {
namespace {

namespace bootstrapv3 = envoy::config::bootstrap::v3;
namespace corev3 = envoy::config::core::v3;
using Proto = bootstrapv3::Bootstrap;
using Scope = base::FieldErrors::Scope;

// The same bytes for the same message: maps are written in key order.
std::string Bytes(const google::protobuf::Message& message) {
  std::string out;
  {
    google::protobuf::io::StringOutputStream stream(&out);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return out;
}

class Compiler {
 public:
  Compiler(const BootstrapOverrides& overrides, const CompileOptions& options,
           base::FieldErrors& errors)
      : overrides_(overrides), options_(options), errors_(errors) {
    options_.is_static = true;
  }

  void Compile(const Proto& proto, Bootstrap& out) {
    CheckOwnFields(proto);
    CompileNode(proto.node(), out.node);
    CompileAdmin(proto.admin(), out);
    {
      const Scope scope(errors_, "static_resources");
      CompileClusters(proto.static_resources(), out);
      CompileListeners(proto.static_resources(), out);
      CompileSecrets(proto.static_resources(), out);
    }
    CompileDynamic(proto, out);
    CheckStaticClusters(proto, errors_);
    CheckAdsIsThere(out);
    out.proto_bytes = Bytes(proto);
  }

 private:
  // All but listeners and clusters, which their compilers check.
  void CheckOwnFields(const Proto& proto) {
    Proto rest = proto;
    rest.mutable_static_resources()->clear_listeners();
    rest.mutable_static_resources()->clear_clusters();
    rest.mutable_static_resources()->clear_secrets();
    CheckMessage(rest, options_, errors_);
  }

  void CompileNode(const corev3::Node& proto, Node& out) {
    const auto choose = [](const std::string& flag, const std::string& file) {
      return flag.empty() ? file : flag;
    };
    out.id = choose(overrides_.service_node, proto.id());
    out.cluster = choose(overrides_.service_cluster, proto.cluster());
    out.region = proto.locality().region();
    out.zone = choose(overrides_.service_zone, proto.locality().zone());
    out.sub_zone = proto.locality().sub_zone();
    out.metadata_bytes = Bytes(proto.metadata());
    const Scope scope(errors_, "node");
    constexpr std::string_view kOurs = "filled in when it is sent; leave it out";
    if (!proto.user_agent_name().empty()) errors_.AddAt("user_agent_name", kOurs);
    if (!proto.user_agent_version().empty()) errors_.AddAt("user_agent_version", kOurs);
    if (proto.has_user_agent_build_version()) errors_.AddAt("user_agent_build_version", kOurs);
    if (proto.extensions_size() > 0) errors_.AddAt("extensions", kOurs);
    if (proto.client_features_size() > 0) errors_.AddAt("client_features", kOurs);
  }

  void CompileAdmin(const bootstrapv3::Admin& proto, Bootstrap& out) {
    const Scope scope(errors_, "admin");
    if (proto.has_address()) {
      const Scope address(errors_, "address");
      out.admin_address = CompileListenAddress(proto.address(), nullptr, errors_);
    }
    out.admin_access_logs = CompileAccessLogs(proto.access_log(), options_, errors_);
    if (!proto.access_log_path().empty()) {
      const Scope path(errors_, "access_log_path");
      out.admin_access_logs.push_back(DefaultFileAccessLog(proto.access_log_path(), errors_));
    }
  }

  void CompileClusters(const Proto::StaticResources& proto, Bootstrap& out) {
    absl::flat_hash_set<std::string> names;
    for (int i = 0; i < proto.clusters_size(); ++i) {
      const Scope scope(errors_, "clusters", static_cast<std::size_t>(i));
      const auto& cluster = proto.clusters(i);
      out.clusters.push_back({CompileCluster(cluster, options_, errors_), Bytes(cluster)});
      if (!names.insert(cluster.name()).second) {
        errors_.AddAt("name", base::Cat("cluster manager: duplicate cluster '",
                                        base::Printable(cluster.name()),
                                        "'; give each cluster its own name"));
      }
    }
  }

  void CompileListeners(const Proto::StaticResources& proto, Bootstrap& out) {
    absl::flat_hash_set<std::string> names;
    absl::flat_hash_set<base::Address> addresses;
    for (int i = 0; i < proto.listeners_size(); ++i) {
      const Scope scope(errors_, "listeners", static_cast<std::size_t>(i));
      auto listener = CompileListener(proto.listeners(i), options_, errors_);
      if (!names.insert(listener->name).second && !proto.listeners(i).name().empty()) {
        errors_.AddAt("name", base::Cat("'", base::Printable(listener->name),
                                        "' names two listeners; give each its own"));
      }
      std::vector<base::Address> all{listener->address};
      all.insert(all.end(), listener->additional_addresses.begin(),
                 listener->additional_addresses.end());
      for (const base::Address& address : all) {
        if (address.family() == base::Address::Family::kNone) continue;
        if (address.is_ip() && address.port() == 0) continue;
        if (addresses.insert(address).second) continue;
        errors_.AddAt("address",
                      base::Cat("error adding listener: '", base::Printable(listener->name),
                                "' has duplicate address '", address.ToString(),
                                "' as existing listener; use another port"));
      }
      out.listeners.push_back({std::move(listener), Bytes(proto.listeners(i))});
    }
  }

  void CompileSecrets(const Proto::StaticResources& proto, Bootstrap& out) {
    absl::flat_hash_set<std::string> names;
    for (int i = 0; i < proto.secrets_size(); ++i) {
      const Scope scope(errors_, "secrets", static_cast<std::size_t>(i));
      if (!names.insert(proto.secrets(i).name()).second) {
        errors_.AddAt("name", base::Cat("'", base::Printable(proto.secrets(i).name()),
                                        "' names two secrets; give each its own"));
      }
      if (auto secret = CompileSecret(proto.secrets(i), options_, errors_)) {
        out.secrets.push_back(std::move(secret));
      }
    }
  }

  void CompileDynamic(const Proto& proto, Bootstrap& out) {
    const Scope scope(errors_, "dynamic_resources");
    const auto& dynamic = proto.dynamic_resources();
    const auto source = [&](bool set, const corev3::ConfigSource& config, std::string_view field,
                            bool& on, std::uint64_t& timeout_ms) {
      if (!set) return;
      const Scope field_scope(errors_, field);
      on = true;
      timeout_ms = CheckAdsSource(config, errors_);
      if (!dynamic.has_ads_config()) {
        errors_.AddAt("ads", "there is no ADS server; write dynamic_resources.ads_config");
      }
    };
    source(dynamic.has_lds_config(), dynamic.lds_config(), "lds_config", out.lds,
           out.lds_fetch_timeout_ms);
    source(dynamic.has_cds_config(), dynamic.cds_config(), "cds_config", out.cds,
           out.cds_fetch_timeout_ms);
    if (!dynamic.has_ads_config()) return;
    const Scope ads_scope(errors_, "ads_config");
    out.ads = CompileAds(dynamic.ads_config());
    if (!out.ads->cluster_name.empty()) CheckAdsCluster(proto, out, errors_);
  }

  AdsSource CompileAds(const corev3::ApiConfigSource& proto) {
    AdsSource out;
    if (proto.api_type() == corev3::ApiConfigSource::DELTA_GRPC) {
      errors_.AddAt("api_type", "DELTA_GRPC is not supported; use GRPC, the state of the world");
    } else if (proto.api_type() != corev3::ApiConfigSource::GRPC) {
      errors_.AddAt("api_type", base::Cat(corev3::ApiConfigSource::ApiType_Name(proto.api_type()),
                                          " is not supported; use GRPC"));
    }
    if (proto.transport_api_version() != corev3::ApiVersion::V3) {
      errors_.AddAt("transport_api_version",
                    "V2 (and AUTO) xDS transport protocol versions are deprecated; use V3");
    }
    out.set_node_on_first_message_only = proto.set_node_on_first_message_only();
    if (proto.grpc_services_size() != 1) {
      errors_.AddAt("grpc_services",
                    "needs one entry; write [{envoy_grpc: {cluster_name: xds_cluster}}]");
      return out;
    }
    const Scope scope(errors_, "grpc_services", 0);
    CompileGrpcService(proto.grpc_services(0), out);
    return out;
  }

  void CompileGrpcService(const corev3::GrpcService& proto, AdsSource& out) {
    for (int i = 0; i < proto.initial_metadata_size(); ++i) {
      const Scope scope(errors_, "initial_metadata", static_cast<std::size_t>(i));
      const corev3::HeaderValue& header = proto.initial_metadata(i);
      const std::string key = base::Lowercase(header.key());
      if (!IsHeaderName(key) || key.starts_with(':') || key.starts_with("grpc-")) {
        errors_.AddAt("key", "no name of a header; write one, as authorization");
      }
      CheckHeaderValue(header.value(), "value", errors_);
      out.initial_metadata.emplace_back(key, header.value());
    }
    if (!proto.has_envoy_grpc()) {
      if (proto.target_specifier_case() == corev3::GrpcService::TARGET_SPECIFIER_NOT_SET) {
        errors_.AddAt("envoy_grpc", "needed; write {cluster_name: xds_cluster}");
      }
      return;
    }
    const Scope scope(errors_, "envoy_grpc");
    const auto& grpc = proto.envoy_grpc();
    out.cluster_name = grpc.cluster_name();
    if (out.cluster_name.empty()) {
      errors_.AddAt("cluster_name", "needed; write the name of a cluster in static_resources");
    }
    out.authority = grpc.authority();
    CheckHeaderValue(out.authority, "authority", errors_);
    if (!grpc.retry_policy().has_retry_back_off()) return;
    const Scope retry(errors_, "retry_policy");
    const Scope back_off_scope(errors_, "retry_back_off");
    const auto& back_off = grpc.retry_policy().retry_back_off();
    out.backoff_base_ms = DurationMsAtLeast(back_off.base_interval(), "base_interval", 1, errors_);
    out.backoff_max_ms = 10 * out.backoff_base_ms;
    if (!back_off.has_max_interval()) return;
    out.backoff_max_ms =
        DurationMsAtLeast(back_off.max_interval(), "max_interval", out.backoff_base_ms, errors_);
  }

  void CheckAdsIsThere(const Bootstrap& out) {
    if (out.ads && (out.node.id.empty() || out.node.cluster.empty())) {
      errors_.AddAt("node",
                    "node 'id' and 'cluster' are required. Set it either in 'node' config "
                    "or via --service-node and --service-cluster options");
    }
    if (out.ads) return;
    constexpr std::string_view kText =
        "there is no ADS server; write dynamic_resources.ads_config, or put the resource in line";
    const Scope scope(errors_, "static_resources");
    for (std::size_t i = 0; i < out.listeners.size(); ++i) {
      const Listener& listener = *out.listeners[i].value;
      const Scope listener_scope(errors_, "listeners", i);
      for (std::size_t j = 0; j < listener.filter_chains.size(); ++j) {
        const FilterChain& chain = listener.filter_chains[j];
        if (chain.http == nullptr || chain.http->rds_name.empty()) continue;
        errors_.AddAt(base::Cat(chain.is_default ? std::string("default_filter_chain")
                                                 : base::Cat("filter_chains[", j, "]"),
                                ".filters[0].typed_config.rds"),
                      kText);
      }
    }
    for (std::size_t i = 0; i < out.clusters.size(); ++i) {
      if (out.clusters[i].value->type != Cluster::Type::kEds) continue;
      const Scope cluster_scope(errors_, "clusters", i);
      errors_.AddAt("eds_cluster_config", kText);
    }
  }

  const BootstrapOverrides& overrides_;
  CompileOptions options_;
  base::FieldErrors& errors_;
};

// Whether `path` is `top` or lies below it.
bool IsAtOrBelow(std::string_view path, std::string_view top) {
  if (!path.starts_with(top)) return false;
  return path.size() == top.size() || path[top.size()] == '.' || path[top.size()] == '[';
}

// A value that could not be read looks unset to the compilers: their complaints about it would
// only confuse. An unknown extension is told by its compiler, which knows what is supported.
void Merge(const base::FieldErrors& reading, const base::FieldErrors& compiling,
           std::string_view file, const LocationMap& locations, base::FieldErrors& errors) {
  constexpr std::string_view kUnknown = "Didn't find a registered implementation";
  std::vector<const base::FieldError*> kept;
  base::FieldErrors chosen;
  for (const base::FieldError& error : reading.errors()) {
    const bool told_better =
        error.message.starts_with(kUnknown) &&
        std::any_of(compiling.errors().begin(), compiling.errors().end(), [&](const auto& other) {
          return other.path == error.path && other.message.starts_with(kUnknown);
        });
    if (told_better) continue;
    kept.push_back(&error);
    const Scope scope(chosen, error.path);
    chosen.AddLocated(error.location, error.message);
  }
  for (const base::FieldError& error : compiling.errors()) {
    const bool consequence = std::any_of(kept.begin(), kept.end(), [&](const auto* other) {
      return IsAtOrBelow(error.path, other->path);
    });
    if (consequence) continue;
    const Scope scope(chosen, error.path);
    chosen.Add(error.message);
  }
  AddWithLocations(chosen, file, locations, errors);
  const std::size_t untold =
      reading.size() - reading.errors().size() + compiling.size() - compiling.errors().size();
  if (untold > 0) errors.Add(base::Cat(untold, " more errors; mend these first"));
}

}  // namespace

std::unique_ptr<Bootstrap> LoadBootstrap(std::string_view text, std::string_view file_name,
                                         const BootstrapOverrides& overrides,
                                         const CompileOptions& options, base::FieldErrors& errors) {
  Proto proto;
  LocationMap locations;
  std::vector<std::string> unknown;
  YamlOptions yaml;
  yaml.allow_unknown_fields = overrides.allow_unknown_static_fields;
  yaml.unknown = &unknown;
  yaml.locations = &locations;
  base::FieldErrors reading;
  YamlToProto(text, file_name, yaml, &proto, reading);
  if (options.on_unknown_field) {
    for (const std::string& field : unknown) options.on_unknown_field(field);
  }
  auto out = std::make_unique<Bootstrap>();
  base::FieldErrors compiling;
  // Text that is no YAML at all leaves nothing to look at.
  if (reading.empty() || proto.ByteSizeLong() > 0) {
    Compiler(overrides, options, compiling).Compile(proto, *out);
  }
  if (reading.empty() && compiling.empty()) return out;
  Merge(reading, compiling, file_name, locations, errors);
  return nullptr;
}

}  // namespace sluice::config
