#include "config/compile_proxy_protocol.h"

#include "base/field_errors.h"
#include "config/cluster.h"
#include "config/compile.h"
#include "config/extensions.h"
#include "config/proto_values.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"

namespace sluice::config {

using envoy::config::core::v3::ProxyProtocolConfig;

std::optional<ListenerFilterConfig> CompileProxyProtocol(const google::protobuf::Any& any,
                                                         const CompileOptions& options,
                                                         base::FieldErrors& errors) {
  envoy::extensions::filters::listener::proxy_protocol::v3::ProxyProtocol proto;
  if (!ParseAny(any, options, proto, errors)) return std::nullopt;
  ProxyProtocolFilter out;
  out.optional = proto.allow_requests_without_proxy_protocol();
  out.stat_prefix = proto.stat_prefix();
  for (const int version : proto.disallowed_versions()) {
    if (version == ProxyProtocolConfig::V1) out.allow_v1 = false;
    if (version == ProxyProtocolConfig::V2) out.allow_v2 = false;
  }
  if (!out.allow_v1 && !out.allow_v2) {
    errors.AddAt("disallowed_versions", "every version; leave the filter out");
  }
  return ListenerFilterConfig(out);
}

void CompileUpstreamProxyProtocol(const google::protobuf::Any& any, const CompileOptions& options,
                                  Cluster& cluster, base::FieldErrors& errors) {
  envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport proto;
  if (!ParseAny(any, options, proto, errors)) return;
  if (cluster.proxy_protocol != ProxyProtocolOut::kNone) {
    errors.Add("a PROXY header inside a PROXY header; leave one of them out");
    return;
  }
  cluster.proxy_protocol = proto.config().version() == ProxyProtocolConfig::V2
                               ? ProxyProtocolOut::kV2
                               : ProxyProtocolOut::kV1;
  const base::FieldErrors::Scope scope(errors, "transport_socket");
  if (!proto.has_transport_socket()) {
    errors.Add("needed; write raw_buffer or TLS, as the cluster would without it");
    return;
  }
  const base::FieldErrors::Scope config_scope(errors, "typed_config");
  const google::protobuf::Any& inner = proto.transport_socket().typed_config();
  constexpr auto kCategory = ExtensionCategory::kUpstreamTransportSocket;
  const Extension* extension = FindExtension(kCategory, inner);
  if (extension == nullptr) {
    AddUnknownExtension(kCategory, proto.transport_socket().name(), inner, errors);
    return;
  }
  std::get<CompileIntoCluster>(extension->compile)(inner, options, cluster, errors);
}

}  // namespace sluice::config
