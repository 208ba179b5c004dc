#pragma once
// Specs to xDS messages, one function per resource. Internal to build_resources*.cc.
//
// Pure but for reading CA files. REQUIRES, for all: the specs passed CheckApps().

#include <cstdint>
#include <string>
#include <string_view>

#include "apps.h"
#include "snapshot.h"

namespace google::protobuf {
class Any;
class Message;
}  // namespace google::protobuf
namespace envoy::config::cluster::v3 {
class Cluster;
}
namespace envoy::config::endpoint::v3 {
class ClusterLoadAssignment;
}
namespace envoy::config::listener::v3 {
class Listener;
}
namespace envoy::config::route::v3 {
class RouteAction;
class RouteConfiguration;
class VirtualHost;
}  // namespace envoy::config::route::v3
namespace sluice::base {
class FieldErrors;
}

namespace sluice::control {

// Answers of our own may be as long as CheckApps() lets them be.
inline constexpr std::uint32_t kRespondBytesMax = 64 * 1024;

void PackInto(const google::protobuf::Message& message, google::protobuf::Any& any);
// Maps in the order of their keys, so that equal specs have equal bytes.
std::string SerializeDeterministic(const google::protobuf::Message& message);

// Whether its endpoints travel apart (EDS): all its URLs are IP addresses. Else DNS.
bool HasAssignment(const AppSpec& app);
// What an https app wants as its Host; "" for others.
std::string OwnHost(const AppSpec& app);

// A CA file that cannot be read, now or before, is an error at the current scope.
envoy::config::cluster::v3::Cluster BuildCluster(const std::string& name, const AppSpec& app,
                                                 CaFiles& files, base::FieldErrors& errors);
// `localities`: as clients of gRPC need them.
envoy::config::endpoint::v3::ClusterLoadAssignment BuildAssignment(const std::string& name,
                                                                   const AppSpec& app,
                                                                   bool localities);
// Likewise files of certificates.
envoy::config::listener::v3::Listener BuildListener(const std::string& name,
                                                    const ListenerSpec& listener, CaFiles& files,
                                                    base::FieldErrors& errors);
// For clients of gRPC: the listener named like the service, and its table, named by
// GrpcTableName().
std::string GrpcTableName(std::string_view service);
envoy::config::listener::v3::Listener BuildApiListener(const std::string& service);
envoy::config::route::v3::RouteConfiguration BuildGrpcTable(const std::string& name,
                                                            const GrpcServiceSpec& service,
                                                            const AppsConfig& config);
// For a server of gRPC that listens on `address`; it handles every request itself.
std::string GrpcServerName(std::string_view address);
envoy::config::listener::v3::Listener BuildGrpcServer(const std::string& address);

// The table of a listener without its virtual hosts.
envoy::config::route::v3::RouteConfiguration BuildRouteFrame(const std::string& name);
envoy::config::route::v3::VirtualHost BuildVirtualHost(const std::string& name,
                                                       const HostSpec& host,
                                                       const AppsConfig& config);
// Split or app, with what is to be sent upstream.
void FillForward(const RouteSpec& route, const AppsConfig& config,
                 envoy::config::route::v3::RouteAction& action);

}  // namespace sluice::control
