#include "config/extensions.h"

#include <array>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_access_log.h"
#include "config/compile_cluster.h"
#include "config/compile_cors.h"
#include "config/compile_filter_chain.h"
#include "config/compile_header_mutation.h"
#include "config/compile_http_connection_manager.h"
#include "config/compile_load_balancing.h"
#include "config/compile_proxy_protocol.h"
#include "config/compile_tcp_proxy.h"
#include "config/compile_tls.h"
#include "config/proto_values.h"
#include "config/type_registry.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb.h"
#include "google/protobuf/any.pb.h"

namespace sluice::config {
namespace {

using google::protobuf::Any;

std::optional<HttpFilterConfig> CompileRouter(const Any& any, const CompileOptions& options,
                                              base::FieldErrors& errors) {
  envoy::extensions::filters::http::router::v3::Router proto;
  if (!UnpackAny(any, options, proto, errors)) return std::nullopt;
  return RouterFilter{.suppress_envoy_headers = proto.suppress_envoy_headers()};
}

std::optional<HttpFilterConfig> CompileCors(const Any& any, const CompileOptions& options,
                                            base::FieldErrors& errors) {
  envoy::extensions::filters::http::cors::v3::Cors proto;
  if (!UnpackAny(any, options, proto, errors)) return std::nullopt;
  return CorsFilter{};
}

std::optional<PerFilterConfig> CompileCorsPerRoute(const Any& any, const CompileOptions& options,
                                                   base::FieldErrors& errors) {
  return CompileCorsPolicy(any, options, errors);
}

void CompileHttp(const Any& any, const CompileOptions& options, FilterChain& chain,
                 base::FieldErrors& errors) {
  chain.http = CompileHttpConnectionManager(any, options, errors);
}

void CompileTcp(const Any& any, const CompileOptions& options, FilterChain& chain,
                base::FieldErrors& errors) {
  chain.tcp = CompileTcpProxy(any, options, errors);
}

void CompileDownstreamRawBuffer(const Any& any, const CompileOptions& options, FilterChain& chain,
                                base::FieldErrors& errors) {
  envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer proto;
  UnpackAny(any, options, proto, errors);
  chain.tls = nullptr;
}

void CompileUpstreamRawBuffer(const Any& any, const CompileOptions& options, Cluster& cluster,
                              base::FieldErrors& errors) {
  envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer proto;
  UnpackAny(any, options, proto, errors);
  cluster.tls.reset();
}

constexpr std::array kExtensions = {
    Extension{ExtensionCategory::kNetworkFilter, "envoy.filters.network.http_connection_manager",
              "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
              Posture::kBothSides, Maturity::kStable, &CompileHttp},
    Extension{ExtensionCategory::kNetworkFilter, "envoy.filters.network.tcp_proxy",
              "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", Posture::kBothSides,
              Maturity::kStable, &CompileTcp},
    Extension{ExtensionCategory::kListenerFilter, "envoy.filters.listener.tls_inspector",
              "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
              Posture::kBothSides, Maturity::kStable, &CompileTlsInspector},
    Extension{ExtensionCategory::kListenerFilter, "envoy.filters.listener.proxy_protocol",
              "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
              Posture::kBothSides, Maturity::kStable, &CompileProxyProtocol},
    Extension{ExtensionCategory::kHttpFilter, "envoy.filters.http.cors",
              "envoy.extensions.filters.http.cors.v3.Cors", Posture::kBothSides, Maturity::kStable,
              &CompileCors},
    Extension{ExtensionCategory::kHttpFilter, "envoy.filters.http.header_mutation",
              "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
              Posture::kBothSides, Maturity::kStable, &CompileHeaderMutation},
    Extension{ExtensionCategory::kPerRoute, "envoy.filters.http.header_mutation",
              "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
              Posture::kBothSides, Maturity::kStable, &CompileHeaderMutationPerRoute},
    Extension{ExtensionCategory::kHttpFilter, "envoy.filters.http.router",
              "envoy.extensions.filters.http.router.v3.Router", Posture::kBothSides,
              Maturity::kStable, &CompileRouter},
    Extension{ExtensionCategory::kPerRoute, "envoy.filters.http.cors",
              "envoy.extensions.filters.http.cors.v3.CorsPolicy", Posture::kBothSides,
              Maturity::kStable, &CompileCorsPerRoute},
    Extension{ExtensionCategory::kAccessLogger, "envoy.access_loggers.file",
              "envoy.extensions.access_loggers.file.v3.FileAccessLog", Posture::kDataPlaneAgnostic,
              Maturity::kStable, &CompileFileAccessLog},
    Extension{ExtensionCategory::kAccessLogger, "envoy.access_loggers.stdout",
              "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
              Posture::kDataPlaneAgnostic, Maturity::kStable, &CompileStdoutAccessLog},
    Extension{ExtensionCategory::kAccessLogger, "envoy.access_loggers.stderr",
              "envoy.extensions.access_loggers.stream.v3.StderrAccessLog",
              Posture::kDataPlaneAgnostic, Maturity::kStable, &CompileStderrAccessLog},
    Extension{ExtensionCategory::kDownstreamTransportSocket, "envoy.transport_sockets.raw_buffer",
              "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer", Posture::kBothSides,
              Maturity::kStable, &CompileDownstreamRawBuffer},
    Extension{ExtensionCategory::kDownstreamTransportSocket, "envoy.transport_sockets.tls",
              "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", Posture::kBothSides,
              Maturity::kStable, &CompileDownstreamTls},
    Extension{ExtensionCategory::kUpstreamTransportSocket, "envoy.transport_sockets.raw_buffer",
              "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer", Posture::kBothSides,
              Maturity::kStable, &CompileUpstreamRawBuffer},
    Extension{ExtensionCategory::kUpstreamTransportSocket, "envoy.transport_sockets.tls",
              "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", Posture::kBothSides,
              Maturity::kStable, &CompileUpstreamTls},
    Extension{ExtensionCategory::kUpstreamTransportSocket,
              "envoy.transport_sockets.upstream_proxy_protocol",
              "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
              Posture::kBothSides, Maturity::kStable, &CompileUpstreamProxyProtocol},
    Extension{ExtensionCategory::kProtocolOptions,
              "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
              "envoy.extensions.upstreams.http.v3.HttpProtocolOptions", Posture::kBothSides,
              Maturity::kStable, &CompileHttpProtocolOptions},
    Extension{ExtensionCategory::kLoadBalancer, "envoy.load_balancing_policies.round_robin",
              "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin",
              Posture::kBothSides, Maturity::kStable, &CompileRoundRobin},
    Extension{ExtensionCategory::kLoadBalancer, "envoy.load_balancing_policies.random",
              "envoy.extensions.load_balancing_policies.random.v3.Random", Posture::kBothSides,
              Maturity::kStable, &CompileRandom},
    Extension{ExtensionCategory::kLoadBalancer, "envoy.load_balancing_policies.least_request",
              "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest",
              Posture::kBothSides, Maturity::kStable, &CompileLeastRequest},
    Extension{ExtensionCategory::kLoadBalancer, "envoy.load_balancing_policies.ring_hash",
              "envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash", Posture::kBothSides,
              Maturity::kStable, &CompileRingHash},
    Extension{ExtensionCategory::kLoadBalancer, "envoy.load_balancing_policies.maglev",
              "envoy.extensions.load_balancing_policies.maglev.v3.Maglev", Posture::kBothSides,
              Maturity::kStable, &CompileMaglev},
    Extension{ExtensionCategory::kLoadBalancer, "envoy.load_balancing_policies.wrr_locality",
              "envoy.extensions.load_balancing_policies.wrr_locality.v3.WrrLocality",
              Posture::kBothSides, Maturity::kStable, &CompileWrrLocality},
};

}  // namespace

std::span<const Extension> Extensions() { return kExtensions; }

std::string_view CategoryName(ExtensionCategory category) {
  switch (category) {
    case ExtensionCategory::kNetworkFilter:
      return "envoy.filters.network";
    case ExtensionCategory::kListenerFilter:
      return "envoy.filters.listener";
    case ExtensionCategory::kHttpFilter:
      return "envoy.filters.http";
    case ExtensionCategory::kPerRoute:
      return "envoy.filters.http.per_route";
    case ExtensionCategory::kAccessLogger:
      return "envoy.access_loggers";
    case ExtensionCategory::kDownstreamTransportSocket:
      return "envoy.transport_sockets.downstream";
    case ExtensionCategory::kUpstreamTransportSocket:
      return "envoy.transport_sockets.upstream";
    case ExtensionCategory::kProtocolOptions:
      return "envoy.upstream_options";
    case ExtensionCategory::kLoadBalancer:
      return "envoy.load_balancing_policies";
  }
  return "";
}

const Extension* FindExtension(ExtensionCategory category, const Any& any) {
  const std::string_view type = TypeNameOf(any.type_url());
  for (const Extension& extension : kExtensions) {
    if (extension.category == category && extension.type == type) return &extension;
  }
  return nullptr;
}

void AddUnknownExtension(ExtensionCategory category, std::string_view name, const Any& any,
                         base::FieldErrors& errors) {
  std::string supported;
  for (const Extension& extension : kExtensions) {
    if (extension.category != category) continue;
    base::Append(supported, supported.empty() ? "" : ", ", extension.type);
  }
  errors.Add(base::Cat("Didn't find a registered implementation for '", base::Printable(name),
                       "' with type URL: '", base::Printable(any.type_url()), "'; ",
                       supported.empty()
                           ? std::string("leave it out: none of this kind is supported")
                           : base::Cat("use an @type that is supported here: ", supported)));
}

}  // namespace sluice::config
