#include "xds/compile_resource.h"

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_secret.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/extension.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/config/route/v3/scoped_route.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "envoy/service/runtime/v3/rtds.pb.h"

namespace sluice::xds {
namespace {

template <typename Proto, typename T>
std::shared_ptr<const T> ParseAndCompile(
    const CompileInput<T>& input,
    std::shared_ptr<const T> (*compile)(const Proto&, const config::CompileOptions&,
                                        base::FieldErrors&)) {
  Proto proto;
  if (!proto.ParseFromArray(input.bytes.data(), static_cast<int>(input.bytes.size()))) {
    input.errors.Add(base::Cat("the bytes are no ", Proto::descriptor()->full_name()));
    return nullptr;
  }
  return compile(proto, input.options, input.errors);
}

}  // namespace

std::shared_ptr<const config::Cluster> Compile(const CompileInput<config::Cluster>& input) {
  return ParseAndCompile(input, &config::CompileCluster);
}

std::shared_ptr<const config::Assignment> Compile(const CompileInput<config::Assignment>& input) {
  return ParseAndCompile(input, &config::CompileAssignment);
}

std::shared_ptr<const config::Listener> Compile(const CompileInput<config::Listener>& input) {
  return ParseAndCompile(input, &config::CompileListener);
}

std::shared_ptr<const config::RouteTable> Compile(const CompileInput<config::RouteTable>& input) {
  return config::CompileRouteTableBytes(input.bytes, input.previous, input.options, input.errors);
}

std::shared_ptr<const config::VirtualHost> Compile(const CompileInput<config::VirtualHost>& input) {
  return ParseAndCompile(input, &config::CompileDiscoveredHost);
}

std::shared_ptr<const config::RouteScope> Compile(const CompileInput<config::RouteScope>& input) {
  return ParseAndCompile(input, &config::CompileScope);
}

std::shared_ptr<const config::ExtensionConfig> Compile(
    const CompileInput<config::ExtensionConfig>& input) {
  return ParseAndCompile(input, &config::CompileExtensionConfig);
}

std::shared_ptr<const config::RuntimeLayerValues> Compile(
    const CompileInput<config::RuntimeLayerValues>& input) {
  return ParseAndCompile(input, &config::CompileRuntimeLayer);
}

std::shared_ptr<const config::Secret> Compile(const CompileInput<config::Secret>& input) {
  return ParseAndCompile(input, &config::CompileSecret);
}

}  // namespace sluice::xds
