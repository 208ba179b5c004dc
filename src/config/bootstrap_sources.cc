#include "config/bootstrap_sources.h"

#include <algorithm>
#include <string>
#include <variant>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/bootstrap.h"
#include "config/compile_config_source.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"

namespace sluice::config {
namespace {

namespace bootstrapv3 = envoy::config::bootstrap::v3;
namespace clusterv3 = envoy::config::cluster::v3;
namespace corev3 = envoy::config::core::v3;
using Scope = base::FieldErrors::Scope;

constexpr std::string_view kNoAds =
    "there is no ADS server; write dynamic_resources.ads_config, or put the resource in line";

// What a gRPC channel cannot do for a cluster, by the cluster's place in the file.
void CheckGrpcCluster(const clusterv3::Cluster& written, const Cluster& cluster,
                      const std::string& place, base::FieldErrors& errors) {
  if (cluster.type == Cluster::Type::kEds) {
    errors.Add(base::Cat("'", base::Printable(cluster.name),
                         "' is not static, as its endpoints would come "
                         "over the stream that it carries; use type STATIC or STRICT_DNS in ",
                         place));
  }
  if (cluster.protocol != Cluster::Protocol::kHttp2) {
    errors.Add(
        base::Cat("gRPC needs HTTP/2; write explicit_http_config: {http2_protocol_options: "
                  "{}} in typed_extension_protocol_options of ",
                  place));
  }
  const auto refuse = [&](bool set, std::string_view field) {
    if (!set) return;
    errors.Add(base::Cat("the channel of xDS cannot honour ", place, ".", field, "; leave it out"));
  };
  refuse(written.has_circuit_breakers(), "circuit_breakers");
  refuse(written.has_upstream_connection_options(), "upstream_connection_options");
  refuse(written.has_per_connection_buffer_limit_bytes(), "per_connection_buffer_limit_bytes");
  refuse(written.has_dns_refresh_rate(), "dns_refresh_rate");
  refuse(written.has_dns_failure_refresh_rate(), "dns_failure_refresh_rate");
  refuse(written.respect_dns_ttl(), "respect_dns_ttl");
  refuse(written.dns_lookup_family() != clusterv3::Cluster::AUTO, "dns_lookup_family");
  refuse(written.load_assignment().has_policy(), "load_assignment.policy");
}

void CheckRestCluster(const Cluster& cluster, const std::string& place, base::FieldErrors& errors) {
  const auto refuse = [&](bool bad, std::string_view why) {
    if (bad) errors.Add(base::Cat("REST cannot poll ", place, ", which ", why));
  };
  refuse(cluster.type == Cluster::Type::kEds, "is of type EDS; use STATIC or STRICT_DNS");
  refuse(cluster.tls.has_value(), "speaks TLS; use api_type GRPC");
  refuse(cluster.protocol != Cluster::Protocol::kHttp1,
         "speaks HTTP/2; write http_protocol_options");
  refuse(cluster.type != Cluster::Type::kEds && cluster.assignment.endpoints.empty(),
         "has no endpoint; write one into its load_assignment");
}

class Compiler {
 public:
  Compiler(const bootstrapv3::Bootstrap& proto, const CompileOptions& options, Bootstrap& out,
           base::FieldErrors& errors)
      : proto_(proto), options_(options), out_(out), errors_(errors) {
    options_.sources.reset();  // They are checked here, with their place in the file.
  }

  void Compile() {
    {
      const Scope scope(errors_, "dynamic_resources");
      const auto& dynamic = proto_.dynamic_resources();
      if (dynamic.has_lds_config()) {
        out_.lds = CompileSource(dynamic.lds_config(), "lds_config", dynamic.has_ads_config());
      }
      if (dynamic.has_cds_config()) {
        out_.cds = CompileSource(dynamic.cds_config(), "cds_config", dynamic.has_ads_config());
      }
      if (dynamic.has_ads_config()) {
        const Scope ads(errors_, "ads_config");
        out_.ads = CompileAdsConfig(dynamic.ads_config(), options_, errors_);
        CheckApi(*out_.ads);
      }
    }
    CheckStaticResources();
    if (servers_ && (out_.node.id.empty() || out_.node.cluster.empty())) {
      errors_.AddAt("node",
                    "node 'id' and 'cluster' are required. Set it either in 'node' config "
                    "or via --service-node and --service-cluster options");
    }
    FillKnown();
  }

 private:
  ConfigSource CompileSource(const corev3::ConfigSource& proto, std::string_view field, bool ads) {
    const Scope scope(errors_, field);
    ConfigSource source = CompileConfigSource(proto, options_, errors_);
    if (proto.has_ads() && !ads) {
      errors_.AddAt("ads", "there is no ADS server; write dynamic_resources.ads_config");
    }
    if (proto.has_self()) {
      errors_.AddAt("self", "there is nothing it could mean here; write ads: {}");
    }
    if (const auto* api = std::get_if<ApiSource>(&source.from)) {
      const Scope api_scope(errors_, "api_config_source");
      CheckApi(*api);
    }
    return source;
  }

  // At the scope of the ApiConfigSource.
  void CheckApi(const ApiSource& api) {
    servers_ = true;
    if (api.kind == ApiSource::Kind::kRest) {
      if (!api.rest_cluster.empty()) CheckCluster(api.rest_cluster, "cluster_names[0]", true);
      return;
    }
    for (std::size_t i = 0; i < api.services.size(); ++i) {
      if (api.services[i].cluster_name.empty()) continue;
      CheckCluster(api.services[i].cluster_name,
                   base::Cat("grpc_services[", i, "].envoy_grpc.cluster_name"), false);
    }
  }

  void CheckCluster(const std::string& name, std::string_view field, bool rest) {
    const Scope scope(errors_, field);
    const auto& clusters = proto_.static_resources().clusters();
    const auto found = std::find_if(clusters.begin(), clusters.end(),
                                    [&](const auto& each) { return each.name() == name; });
    if (found == clusters.end()) {
      errors_.Add(base::Cat("Unknown ", rest ? "REST" : "gRPC", " client cluster '",
                            base::Printable(name), "'; add it to static_resources.clusters"));
      return;
    }
    const auto index = static_cast<std::size_t>(found - clusters.begin());
    const std::string place = base::Cat("static_resources.clusters[", index, "]");
    if (rest) {
      CheckRestCluster(*out_.clusters[index].value, place, errors_);
    } else {
      CheckGrpcCluster(*found, *out_.clusters[index].value, place, errors_);
    }
  }

  // A source of a static resource; `field` leads to it.
  void CheckStatic(const ConfigSourceRef& source, std::string_view field,
                   std::string_view source_field) {
    if (source.is_ads()) {
      if (!proto_.dynamic_resources().has_ads_config()) errors_.AddAt(field, kNoAds);
      return;
    }
    const Scope scope(errors_, base::Cat(field, ".", source_field));
    if (std::holds_alternative<SelfSource>(source.source->from)) {
      errors_.AddAt("self", "a static resource has no source; write ads: {}");
    }
    if (const auto* api = std::get_if<ApiSource>(&source.source->from)) {
      const Scope api_scope(errors_, "api_config_source");
      CheckApi(*api);
    }
  }

  void CheckStaticResources() {
    const Scope scope(errors_, "static_resources");
    for (std::size_t i = 0; i < out_.listeners.size(); ++i) {
      const Listener& listener = *out_.listeners[i].value;
      const Scope listener_scope(errors_, "listeners", i);
      for (std::size_t j = 0; j < listener.filter_chains.size(); ++j) {
        const auto& http = listener.filter_chains[j].http;
        if (http == nullptr || http->rds_name.empty()) continue;
        CheckStatic(
            http->rds_source,
            base::Cat(listener.filter_chains[j].is_default ? std::string("default_filter_chain")
                                                           : base::Cat("filter_chains[", j, "]"),
                      ".filters[0].typed_config.rds"),
            "config_source");
      }
    }
    for (std::size_t i = 0; i < out_.clusters.size(); ++i) {
      if (out_.clusters[i].value->type != Cluster::Type::kEds) continue;
      const Scope cluster_scope(errors_, "clusters", i);
      CheckStatic(out_.clusters[i].value->eds_source, "eds_cluster_config", "eds_config");
    }
  }

  // What dynamic resources may name later.
  void FillKnown() {
    auto known = std::make_shared<KnownSources>();
    known->ads = out_.ads.has_value();
    const auto& clusters = proto_.static_resources().clusters();
    for (int i = 0; i < clusters.size(); ++i) {
      const Cluster& cluster = *out_.clusters[static_cast<std::size_t>(i)].value;
      base::FieldErrors grpc, rest;
      CheckGrpcCluster(clusters.Get(i), cluster, "", grpc);
      CheckRestCluster(cluster, "", rest);
      if (grpc.empty()) known->grpc_clusters.push_back(cluster.name);
      if (rest.empty()) known->rest_clusters.push_back(cluster.name);
    }
    out_.sources = std::move(known);
  }

  const bootstrapv3::Bootstrap& proto_;
  CompileOptions options_;
  Bootstrap& out_;
  base::FieldErrors& errors_;
  bool servers_ = false;  // A control plane is asked: it has to know who asks.
};

}  // namespace

void CompileDynamicResources(const bootstrapv3::Bootstrap& proto, const CompileOptions& options,
                             Bootstrap& out, base::FieldErrors& errors) {
  Compiler(proto, options, out, errors).Compile();
}

}  // namespace sluice::config
