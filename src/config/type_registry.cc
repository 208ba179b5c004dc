#include "config/type_registry.h"

#include <string>
#include <vector>

#include "envoy/admin/v3/certs.pb.h"
#include "envoy/admin/v3/clusters.pb.h"
#include "envoy/admin/v3/config_dump.pb.h"
#include "envoy/admin/v3/config_dump_shared.pb.h"
#include "envoy/admin/v3/listeners.pb.h"
#include "envoy/admin/v3/memory.pb.h"
#include "envoy/admin/v3/metrics.pb.h"
#include "envoy/admin/v3/server_info.pb.h"
#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/config/cluster/v3/circuit_breaker.pb.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/common/mutation_rules/v3/mutation_rules.pb.h"
#include "envoy/config/core/v3/address.pb.h"
#include "envoy/config/core/v3/backoff.pb.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/core/v3/config_source.pb.h"
#include "envoy/config/core/v3/extension.pb.h"
#include "envoy/config/core/v3/grpc_service.pb.h"
#include "envoy/config/core/v3/health_check.pb.h"
#include "envoy/config/core/v3/protocol.pb.h"
#include "envoy/config/core/v3/proxy_protocol.pb.h"
#include "envoy/config/core/v3/socket_option.pb.h"
#include "envoy/config/core/v3/substitution_format_string.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/endpoint/v3/endpoint_components.pb.h"
#include "envoy/config/listener/v3/api_listener.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/listener/v3/listener_components.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/config/route/v3/scoped_route.pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/access_loggers/stream/v3/stream.pb.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/header_mutation/v3/header_mutation.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation.pb.h"
#include "envoy/extensions/internal_redirect/allow_listed_routes/v3/allow_listed_routes_config.pb.h"
#include "envoy/extensions/internal_redirect/previous_routes/v3/previous_routes_config.pb.h"
#include "envoy/extensions/internal_redirect/safe_cross_scheme/v3/safe_cross_scheme_config.pb.h"
#include "envoy/extensions/load_balancing_policies/common/v3/common.pb.h"
#include "envoy/extensions/load_balancing_policies/least_request/v3/least_request.pb.h"
#include "envoy/extensions/load_balancing_policies/maglev/v3/maglev.pb.h"
#include "envoy/extensions/load_balancing_policies/random/v3/random.pb.h"
#include "envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.pb.h"
#include "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.pb.h"
#include "envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality.pb.h"
#include "envoy/extensions/path/match/uri_template/v3/uri_template_match.pb.h"
#include "envoy/extensions/path/rewrite/uri_template/v3/uri_template_rewrite.pb.h"
#include "envoy/extensions/request_id/uuid/v3/uuid.pb.h"
#include "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.pb.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"
#include "envoy/service/cluster/v3/cds.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "envoy/service/endpoint/v3/eds.pb.h"
#include "envoy/service/listener/v3/lds.pb.h"
#include "envoy/service/route/v3/rds.pb.h"
#include "envoy/service/runtime/v3/rtds.pb.h"
#include "envoy/service/secret/v3/sds.pb.h"
#include "envoy/service/status/v3/csds.pb.h"
#include "envoy/type/matcher/v3/regex.pb.h"
#include "envoy/type/matcher/v3/string.pb.h"
#include "envoy/type/v3/hash_policy.pb.h"
#include "envoy/type/v3/percent.pb.h"
#include "envoy/type/v3/range.pb.h"
#include "envoy/type/v3/semantic_version.pb.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/message.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/wrappers.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "sluice/annotations.pb.h"

namespace sluice::config {
namespace {

namespace pb = google::protobuf;
namespace core = envoy::config::core::v3;

// One type of each file of proto/ and of protobuf's own that values are made of. A test walks
// proto/ and fails when a file is missing here.
std::vector<const pb::Descriptor*> OneTypePerFile() {
  return {
      envoy::admin::v3::Certificates::descriptor(),
      envoy::admin::v3::Clusters::descriptor(),
      envoy::admin::v3::ConfigDump::descriptor(),
      envoy::admin::v3::ListenersConfigDump::descriptor(),
      envoy::admin::v3::Listeners::descriptor(),
      envoy::admin::v3::Memory::descriptor(),
      envoy::admin::v3::SimpleMetric::descriptor(),
      envoy::admin::v3::ServerInfo::descriptor(),
      envoy::config::accesslog::v3::AccessLog::descriptor(),
      envoy::config::bootstrap::v3::Bootstrap::descriptor(),
      envoy::config::cluster::v3::CircuitBreakers::descriptor(),
      envoy::config::cluster::v3::Cluster::descriptor(),
      envoy::config::common::mutation_rules::v3::HeaderMutation::descriptor(),
      core::Address::descriptor(),
      core::BackoffStrategy::descriptor(),
      core::Node::descriptor(),
      core::ConfigSource::descriptor(),
      core::TypedExtensionConfig::descriptor(),
      core::GrpcService::descriptor(),
      core::HttpProtocolOptions::descriptor(),
      core::ProxyProtocolConfig::descriptor(),
      core::SocketOption::descriptor(),
      core::SubstitutionFormatString::descriptor(),
      envoy::config::endpoint::v3::ClusterLoadAssignment::descriptor(),
      envoy::config::endpoint::v3::Endpoint::descriptor(),
      envoy::config::listener::v3::ApiListener::descriptor(),
      envoy::config::listener::v3::Listener::descriptor(),
      envoy::config::listener::v3::FilterChain::descriptor(),
      envoy::config::route::v3::RouteConfiguration::descriptor(),
      envoy::config::route::v3::Route::descriptor(),
      envoy::config::route::v3::ScopedRouteConfiguration::descriptor(),
      envoy::extensions::access_loggers::file::v3::FileAccessLog::descriptor(),
      envoy::extensions::access_loggers::stream::v3::StdoutAccessLog::descriptor(),
      envoy::extensions::filters::http::cors::v3::Cors::descriptor(),
      envoy::extensions::filters::http::header_mutation::v3::HeaderMutation::descriptor(),
      envoy::extensions::filters::http::router::v3::Router::descriptor(),
      envoy::extensions::filters::listener::proxy_protocol::v3::ProxyProtocol::descriptor(),
      envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector::descriptor(),
      envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager::
          descriptor(),
      envoy::extensions::http::early_header_mutation::header_mutation::v3::HeaderMutation::
          descriptor(),
      envoy::extensions::path::match::uri_template::v3::UriTemplateMatchConfig::descriptor(),
      envoy::extensions::path::rewrite::uri_template::v3::UriTemplateRewriteConfig::descriptor(),
      envoy::extensions::request_id::uuid::v3::UuidRequestIdConfig::descriptor(),
      envoy::extensions::internal_redirect::allow_listed_routes::v3::AllowListedRoutesConfig::
          descriptor(),
      envoy::extensions::internal_redirect::previous_routes::v3::PreviousRoutesConfig::descriptor(),
      envoy::extensions::internal_redirect::safe_cross_scheme::v3::SafeCrossSchemeConfig::
          descriptor(),
      envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate::descriptor(),
      envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy::descriptor(),
      envoy::extensions::load_balancing_policies::common::v3::LocalityLbConfig::descriptor(),
      envoy::extensions::load_balancing_policies::least_request::v3::LeastRequest::descriptor(),
      envoy::extensions::load_balancing_policies::maglev::v3::Maglev::descriptor(),
      envoy::extensions::load_balancing_policies::random::v3::Random::descriptor(),
      envoy::extensions::load_balancing_policies::ring_hash::v3::RingHash::descriptor(),
      envoy::extensions::load_balancing_policies::round_robin::v3::RoundRobin::descriptor(),
      envoy::extensions::load_balancing_policies::wrr_locality::v3::WrrLocality::descriptor(),
      envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport::
          descriptor(),
      envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer::descriptor(),
      envoy::extensions::transport_sockets::tls::v3::TlsCertificate::descriptor(),
      envoy::extensions::transport_sockets::tls::v3::Secret::descriptor(),
      envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext::descriptor(),
      envoy::extensions::upstreams::http::v3::HttpProtocolOptions::descriptor(),
      envoy::service::cluster::v3::CdsDummy::descriptor(),
      envoy::service::discovery::v3::DiscoveryRequest::descriptor(),
      envoy::service::runtime::v3::Runtime::descriptor(),
      envoy::service::status::v3::ClientStatusRequest::descriptor(),
      envoy::service::endpoint::v3::EdsDummy::descriptor(),
      envoy::service::listener::v3::LdsDummy::descriptor(),
      envoy::service::route::v3::RdsDummy::descriptor(),
      envoy::service::secret::v3::SdsDummy::descriptor(),
      envoy::type::matcher::v3::RegexMatcher::descriptor(),
      envoy::type::matcher::v3::StringMatcher::descriptor(),
      envoy::type::v3::HashPolicy::descriptor(),
      envoy::type::v3::Percent::descriptor(),
      envoy::type::v3::Int64Range::descriptor(),
      envoy::type::v3::SemanticVersion::descriptor(),
      google::rpc::BadRequest::descriptor(),
      google::rpc::Status::descriptor(),
      sluice::Placeholder::descriptor(),
      pb::Any::descriptor(),
      pb::Duration::descriptor(),
      pb::Struct::descriptor(),
      pb::Timestamp::descriptor(),
      pb::UInt32Value::descriptor(),
      pb::FileDescriptorProto::descriptor(),
  };
}

}  // namespace

std::string_view TypeNameOf(std::string_view type_url) {
  const std::size_t slash = type_url.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : type_url.substr(slash + 1);
}

const pb::Descriptor* FindMessageType(std::string_view type_url) {
  static const auto linked = OneTypePerFile();
  if (linked.empty()) return nullptr;
  const std::string_view name = TypeNameOf(type_url);
  if (name.empty()) return nullptr;
  const pb::Descriptor* type =
      pb::DescriptorPool::generated_pool()->FindMessageTypeByName(std::string(name));
  if (type == nullptr || type->options().map_entry()) return nullptr;
  // Descriptors themselves are linked, but no configuration is made of them.
  return type->file() == pb::FileDescriptorProto::descriptor()->file() ? nullptr : type;
}

std::unique_ptr<pb::Message> NewMessage(const pb::Descriptor& type) {
  const pb::Message* prototype = pb::MessageFactory::generated_factory()->GetPrototype(&type);
  return std::unique_ptr<pb::Message>(prototype->New());
}

void ForEachProtoFile(const std::function<void(const pb::FileDescriptor&)>& visit) {
  for (const pb::Descriptor* type : OneTypePerFile()) visit(*type->file());
  visit(*core::HealthStatus_descriptor()->file());
}

}  // namespace sluice::config
