// Apps and listeners as xDS.
#include <algorithm>
#include <map>

#include "apps_url.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "build_resources.h"
#include "config/data_source.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace sluice::control {
namespace {

namespace clusterv3 = envoy::config::cluster::v3;
namespace corev3 = envoy::config::core::v3;
namespace endpointv3 = envoy::config::endpoint::v3;
namespace listenerv3 = envoy::config::listener::v3;
namespace hcmv3 = envoy::extensions::filters::network::http_connection_manager::v3;
namespace tlsv3 = envoy::extensions::transport_sockets::tls::v3;

constexpr std::size_t kPemBytesMax = 1 << 20;
constexpr std::int64_t kConnectTimeoutMs = 5000;

void SetDuration(std::uint64_t ms, google::protobuf::Duration& out) {
  out.set_seconds(static_cast<std::int64_t>(ms / 1000));
  out.set_nanos(static_cast<std::int32_t>(ms % 1000) * 1'000'000);
}

void UseAds(corev3::ConfigSource& source) {
  source.mutable_ads();
  source.set_resource_api_version(corev3::V3);
}

// One locality per zone. Proxies balance over all endpoints by their weights, clients of gRPC over
// localities by theirs, which are the sums: both come to the same.
void FillEndpoints(const AppSpec& app, bool localities, endpointv3::ClusterLoadAssignment& out) {
  std::map<std::string, endpointv3::LocalityLbEndpoints*> zones;
  for (std::size_t i = 0; i < app.urls.size(); ++i) {
    std::string why;
    const std::optional<AppUrl> url = ParseAppUrl(app.urls[i], why);
    if (!url.has_value()) continue;  // CheckApps() said so.
    const UrlTraits traits = app.traits.empty() ? UrlTraits() : app.traits[i];
    endpointv3::LocalityLbEndpoints*& locality = zones[traits.zone];
    if (locality == nullptr) locality = out.add_endpoints();
    auto* endpoint = locality->add_lb_endpoints();
    auto* address = endpoint->mutable_endpoint()->mutable_address()->mutable_socket_address();
    address->set_address(url->host);
    address->set_port_value(url->port);
    if (traits.weight != 1) endpoint->mutable_load_balancing_weight()->set_value(traits.weight);
    if (!traits.zone.empty()) locality->mutable_locality()->set_zone(traits.zone);
    if (!localities) continue;
    locality->mutable_locality();
    locality->mutable_load_balancing_weight()->set_value(locality->load_balancing_weight().value() +
                                                         traits.weight);
  }
  if (zones.empty()) out.add_endpoints();
}

// A file that is gone does not take away what proxies have from it.
std::optional<std::string> ReadPem(const std::string& path, CaFiles& files,
                                   base::FieldErrors& errors) {
  corev3::DataSource file;
  file.set_filename(path);
  base::FieldErrors found;
  auto pem = config::ReadDataSource(file, kPemBytesMax, found);
  if (!pem.has_value()) {
    const auto kept = files.texts.find(path);
    if (kept == files.texts.end()) {
      for (const base::FieldError& error : found.errors()) errors.AddAt(error.path, error.message);
      return std::nullopt;
    }
    files.gone.insert(path);
    pem = kept->second;
  }
  files.used[path] = *pem;
  return pem;
}

// The CAs travel inside: proxies need not have the file, and what is checked here is what they get.
void FillTls(const AppSpec& app, const AppUrl& url, CaFiles& files, clusterv3::Cluster& cluster,
             base::FieldErrors& errors) {
  tlsv3::UpstreamTlsContext tls;
  auto* validation = tls.mutable_common_tls_context()->mutable_validation_context();
  if (url.is_ip) {
    auto* san = validation->add_match_typed_subject_alt_names();
    san->set_san_type(tlsv3::SubjectAltNameMatcher::IP_ADDRESS);
    san->mutable_matcher()->set_exact(url.host);
  } else {
    tls.set_sni(url.host);
  }
  if (app.ca_file.empty()) {
    validation->mutable_system_root_certs();
  } else {
    const base::FieldErrors::Scope scope(errors, "ca_file");
    const auto pem = ReadPem(app.ca_file, files, errors);
    if (pem.has_value()) validation->mutable_trusted_ca()->set_inline_string(*pem);
  }
  cluster.mutable_transport_socket()->set_name("envoy.transport_sockets.tls");
  PackInto(tls, *cluster.mutable_transport_socket()->mutable_typed_config());
}

void FillDownstreamTls(const std::vector<TlsFiles>& certificates, CaFiles& files,
                       listenerv3::FilterChain& chain, base::FieldErrors& errors) {
  if (certificates.empty()) return;
  tlsv3::DownstreamTlsContext tls;
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    const base::FieldErrors::Scope entry(errors, "tls", i);
    auto* certificate = tls.mutable_common_tls_context()->add_tls_certificates();
    const auto fill = [&](std::string_view field, const std::string& path,
                          corev3::DataSource& out) {
      const base::FieldErrors::Scope scope(errors, field);
      const auto pem = ReadPem(path, files, errors);
      if (pem.has_value()) out.set_inline_string(*pem);
    };
    fill("cert", certificates[i].cert, *certificate->mutable_certificate_chain());
    fill("key", certificates[i].key, *certificate->mutable_private_key());
  }
  chain.mutable_transport_socket()->set_name("envoy.transport_sockets.tls");
  PackInto(tls, *chain.mutable_transport_socket()->mutable_typed_config());
}

std::optional<AppUrl> FirstUrl(const AppSpec& app) {
  std::string why;
  return app.urls.empty() ? std::nullopt : ParseAppUrl(app.urls.front(), why);
}

template <typename Filter>
void AddHttpFilter(std::string_view name, hcmv3::HttpConnectionManager& hcm) {
  auto* filter = hcm.add_http_filters();
  filter->set_name(std::string(name));
  PackInto(Filter(), *filter->mutable_typed_config());
}

}  // namespace

void PackInto(const google::protobuf::Message& message, google::protobuf::Any& any) {
  any.set_type_url(base::Cat("type.googleapis.com/", message.GetDescriptor()->full_name()));
  any.set_value(SerializeDeterministic(message));
}

std::string SerializeDeterministic(const google::protobuf::Message& message) {
  std::string out;
  {
    google::protobuf::io::StringOutputStream stream(&out);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return out;
}

bool HasAssignment(const AppSpec& app) {
  return std::all_of(app.urls.begin(), app.urls.end(), [](const std::string& text) {
    std::string why;
    const std::optional<AppUrl> url = ParseAppUrl(text, why);
    return url.has_value() && url->is_ip;
  });
}

std::string OwnHost(const AppSpec& app) {
  const std::optional<AppUrl> url = FirstUrl(app);
  return url.has_value() && url->https ? url->authority : std::string();
}

clusterv3::Cluster BuildCluster(const std::string& name, const AppSpec& app, CaFiles& files,
                                base::FieldErrors& errors) {
  clusterv3::Cluster cluster;
  cluster.set_name(name);
  SetDuration(app.connect_timeout_ms.value_or(kConnectTimeoutMs),
              *cluster.mutable_connect_timeout());
  if (HasAssignment(app)) {
    cluster.set_type(clusterv3::Cluster::EDS);
    UseAds(*cluster.mutable_eds_cluster_config()->mutable_eds_config());
  } else {
    cluster.set_type(clusterv3::Cluster::STRICT_DNS);
    // "localhost" has an IPv6 address that few applications listen on, and many machines have names
    // with IPv6 addresses but no way there.
    cluster.set_dns_lookup_family(clusterv3::Cluster::V4_PREFERRED);
    cluster.mutable_load_assignment()->set_cluster_name(name);
    FillEndpoints(app, false, *cluster.mutable_load_assignment());
  }
  const std::optional<AppUrl> url = FirstUrl(app);
  if (url.has_value() && url->https) FillTls(app, *url, files, cluster, errors);
  return cluster;
}

endpointv3::ClusterLoadAssignment BuildAssignment(const std::string& name, const AppSpec& app,
                                                  bool localities) {
  endpointv3::ClusterLoadAssignment assignment;
  assignment.set_cluster_name(name);
  FillEndpoints(app, localities, assignment);
  return assignment;
}

// The edge of a site (decisions 10): nothing a client says about itself is believed.
listenerv3::Listener BuildListener(const std::string& name, const ListenerSpec& spec,
                                   CaFiles& files, base::FieldErrors& errors) {
  hcmv3::HttpConnectionManager hcm;
  hcm.set_stat_prefix(name);
  hcm.mutable_rds()->set_route_config_name(name);
  UseAds(*hcm.mutable_rds()->mutable_config_source());
  hcm.mutable_use_remote_address()->set_value(true);
  hcm.mutable_normalize_path()->set_value(true);
  hcm.set_merge_slashes(true);
  hcm.add_upgrade_configs()->set_upgrade_type("websocket");
  AddHttpFilter<envoy::extensions::filters::http::cors::v3::Cors>("envoy.filters.http.cors", hcm);
  AddHttpFilter<envoy::extensions::filters::http::router::v3::Router>("envoy.filters.http.router",
                                                                      hcm);
  listenerv3::Listener listener;
  listener.set_name(name);
  auto* address = listener.mutable_address()->mutable_socket_address();
  address->set_address(spec.address);
  address->set_port_value(spec.port);
  // "::" means every interface, as people expect of it.
  if (spec.address == "::") address->set_ipv4_compat(true);
  auto* chain = listener.add_filter_chains();
  FillDownstreamTls(spec.tls, files, *chain, errors);
  auto* filter = chain->add_filters();
  filter->set_name("envoy.filters.network.http_connection_manager");
  PackInto(hcm, *filter->mutable_typed_config());
  return listener;
}

}  // namespace sluice::control
