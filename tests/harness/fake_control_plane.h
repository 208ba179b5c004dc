#pragma once
// An xDS server (aggregated and per type, state of the world and delta, told apart by the method)
// that a test makes serve whatever it likes, also nonsense.
//
// gRPC's threads serve; every method may be called from any thread.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "harness/config_builder.h"
#include "harness/eventually.h"

namespace google::protobuf {
class Any;
class Message;
}  // namespace google::protobuf

namespace sluice::harness {

// One DiscoveryRequest as it came.
struct SeenRequest {
  int stream = 0;    // 1 for the first stream ever, and so on.
  std::string type;  // Without "type.googleapis.com/".
  std::string version;
  std::string nonce;  // "": the first of its type on this stream.
  std::string error;  // error_detail.message; "": no NACK.
  std::vector<std::string> names;
  std::string node_id;
  std::string method;                       // "StreamAggregatedResources", "DeltaClusters".
  std::vector<std::string> unsubscribed;    // Delta; `names` are the newly subscribed.
  std::map<std::string, std::string> held;  // Delta: initial_resource_versions.
  std::string token;                        // The call's authorization metadata.
  int details = 0;                          // Of a NACK's error_detail.
};

inline constexpr std::string_view kListenerType = "envoy.config.listener.v3.Listener";
inline constexpr std::string_view kClusterType = "envoy.config.cluster.v3.Cluster";
inline constexpr std::string_view kRouteType = "envoy.config.route.v3.RouteConfiguration";
inline constexpr std::string_view kEndpointType = "envoy.config.endpoint.v3.ClusterLoadAssignment";

class FakeControlPlane {
 public:
  // Serves on a free port at once; with TLS where all three are set (then clients need certificates
  // of the same CA).
  struct Tls {
    std::string ca_pem, certificate_pem, key_pem;
  };
  FakeControlPlane();
  explicit FakeControlPlane(Tls tls);
  ~FakeControlPlane();
  FakeControlPlane(const FakeControlPlane&) = delete;
  FakeControlPlane& operator=(const FakeControlPlane&) = delete;

  std::uint16_t port() const { return port_; }
  // Ends every stream and connection at once, says no farewell, and refuses new ones.
  void Stop();
  // On the same port.
  void Restart();

  // Each changes its type's version and is pushed to whoever subscribed.
  void Set(const ClusterProto& cluster);
  void Set(const AssignmentProto& assignment);
  void Set(const ListenerProto& listener);
  void Set(const RouteTableProto& table);
  // Several changes of one type in one response.
  void SetClusters(const std::vector<ClusterProto>& clusters);
  void Remove(std::string_view type, const std::string& name);
  // Pushes the same resources as a new version.
  void Touch(std::string_view type);
  // The whole response of a type, names repeated or not, until the next change of the type.
  void SetResponse(std::string_view type, std::vector<google::protobuf::Any> resources);
  // Bytes that are no DiscoveryResponse, to every stream that is open.
  void SendGarbage(std::string bytes);

  // The version that the last change of a type got.
  std::string Version(std::string_view type) const;
  std::vector<SeenRequest> Seen() const;
  int streams() const;
  // Waits until the newest version of a type is acknowledged; false also when it was refused.
  bool WaitForAck(std::string_view type);
  // Waits until the newest version is refused and returns the error; "" when it was accepted.
  std::string WaitForNack(std::string_view type);
  // Waits for the first request of a type.
  bool WaitForSubscription(std::string_view type);

 private:
  class Service;
  struct Resources {
    std::map<std::string, std::shared_ptr<const google::protobuf::Any>> named;
    std::map<std::string, std::uint64_t> versions;  // Of `named`: of its last change.
    std::vector<google::protobuf::Any> whole;       // Instead, when is_whole.
    bool is_whole = false;
    std::uint64_t version = 0;
  };

  void Put(std::string_view type, const std::string& name,
           const google::protobuf::Message& message);
  void Listen();
  // The last answer to the newest version: nullopt while there is none.
  const SeenRequest* AnswerTo(std::string_view type) const;

  mutable std::recursive_mutex mutex_;  // gRPC may react inside a call.
  std::map<std::string, Resources, std::less<>> resources_;
  std::vector<SeenRequest> seen_;
  std::map<std::string, std::string> version_of_nonce_;
  Tls tls_;
  std::uint64_t next_nonce_ = 0;
  int streams_ = 0;
  std::uint16_t port_ = 0;
  std::unique_ptr<Service> service_;
};

}  // namespace sluice::harness
