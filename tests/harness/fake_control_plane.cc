#include "harness/fake_control_plane.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "base/strings.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "google/rpc/status.pb.h"

namespace sluice::harness {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;
using google::protobuf::Any;

constexpr std::string_view kTypePrefix = "type.googleapis.com/";

std::string BytesOf(grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& each : slices) {
    bytes.append(reinterpret_cast<const char*>(each.begin()), each.size());
  }
  return bytes;
}

bool ByName(std::string_view type) { return type == kRouteType || type == kEndpointType; }

}  // namespace

// The running server and its streams. Everything under the control plane's mutex.
class FakeControlPlane::Service final : public grpc::CallbackGenericService {
 public:
  explicit Service(FakeControlPlane& owner) : owner_(owner) {}

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override;
  bool Start(std::uint16_t& port);
  void Stop();
  // REQUIRES: the mutex, as all below.
  void Push(std::string_view type);
  void SendBytes(const std::string& bytes);

 private:
  class Stream;
  FakeControlPlane& owner_;
  std::set<Stream*> streams_;
  std::unique_ptr<grpc::Server> server_;
};

class FakeControlPlane::Service::Stream final : public grpc::ServerGenericBidiReactor {
 public:
  Stream(Service& service, int number, std::string method, std::string token)
      : service_(service),
        number_(number),
        method_(std::move(method)),
        token_(std::move(token)),
        delta_(method_.starts_with("Delta")) {
    StartRead(&incoming_);
  }

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override {
    {
      const std::lock_guard lock(service_.owner_.mutex_);
      service_.streams_.erase(this);
    }
    delete this;
  }
  void OnCancel() override { End(); }

  // REQUIRES: the mutex.
  void Push(const std::string& type);
  void Queue(std::string bytes);

 private:
  struct Subscription {
    std::set<std::string> names;
    std::string nonce;  // Of the last response.
    std::uint64_t sent_version = 0;
    bool sent = false;
    bool wildcard = false;                     // Delta.
    std::map<std::string, std::string> known;  // Delta: what the client has, by version.
  };

  bool Take(const std::string& bytes);
  void OnRequest(const DiscoveryRequest& request);
  void OnDeltaRequest(const DeltaDiscoveryRequest& request);
  void PushDelta(const std::string& type, Subscription& subscription,
                 const std::set<std::string>& again);
  SeenRequest& See(std::string_view type_url, const envoy::config::core::v3::Node& node,
                   const google::rpc::Status& error);
  void WriteNext();
  void End() {
    const std::lock_guard lock(service_.owner_.mutex_);
    if (!std::exchange(finished_, true)) Finish(grpc::Status::OK);
  }

  Service& service_;
  const int number_;
  const std::string method_;
  const std::string token_;
  const bool delta_;
  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer outgoing_;
  std::deque<std::string> queue_;
  bool writing_ = false;
  bool finished_ = false;
  std::map<std::string, Subscription, std::less<>> subscriptions_;
};

bool FakeControlPlane::Service::Stream::Take(const std::string& bytes) {
  if (delta_) {
    DeltaDiscoveryRequest request;
    if (!request.ParseFromString(bytes)) return false;
    OnDeltaRequest(request);
  } else {
    DiscoveryRequest request;
    if (!request.ParseFromString(bytes)) return false;
    OnRequest(request);
  }
  return true;
}

void FakeControlPlane::Service::Stream::OnReadDone(bool ok) {
  if (!ok) return End();
  const std::string bytes = BytesOf(incoming_);
  incoming_.Clear();
  {
    const std::lock_guard lock(service_.owner_.mutex_);
    EXPECT_TRUE(Take(bytes)) << "the proxy sent something that is no discovery request";
    if (finished_) return;
  }
  StartRead(&incoming_);
}

SeenRequest& FakeControlPlane::Service::Stream::See(std::string_view type_url,
                                                    const envoy::config::core::v3::Node& node,
                                                    const google::rpc::Status& error) {
  if (type_url.starts_with(kTypePrefix)) type_url.remove_prefix(kTypePrefix.size());
  SeenRequest seen;
  seen.stream = number_;
  seen.type = type_url;
  seen.error = error.message();
  seen.details = error.details_size();
  seen.node_id = node.id();
  seen.method = method_;
  seen.token = token_;
  return service_.owner_.seen_.emplace_back(std::move(seen));
}

void FakeControlPlane::Service::Stream::OnDeltaRequest(const DeltaDiscoveryRequest& request) {
  SeenRequest& seen = See(request.type_url(), request.node(), request.error_detail());
  const std::string type = seen.type;
  seen.nonce = request.response_nonce();
  seen.names.assign(request.resource_names_subscribe().begin(),
                    request.resource_names_subscribe().end());
  seen.unsubscribed.assign(request.resource_names_unsubscribe().begin(),
                           request.resource_names_unsubscribe().end());
  seen.held = {request.initial_resource_versions().begin(),
               request.initial_resource_versions().end()};
  const bool first = !subscriptions_.contains(type);
  Subscription& subscription = subscriptions_[type];
  if (first) {
    subscription.known = seen.held;
    subscription.wildcard = seen.names.empty();
  }
  std::set<std::string> again;
  for (const std::string& name : seen.names) {
    if (name == "*") subscription.wildcard = true;
    if (name != "*" && subscription.names.insert(name).second &&
        !subscription.known.contains(name)) {
      again.insert(name);
    }
  }
  for (const std::string& name : seen.unsubscribed) {
    if (name == "*") subscription.wildcard = false;
    subscription.names.erase(name);
    subscription.known.erase(name);
  }
  PushDelta(type, subscription, again);
}

// What differs from what the client has; names in `again` whatever it has.
void FakeControlPlane::Service::Stream::PushDelta(const std::string& type,
                                                  Subscription& subscription,
                                                  const std::set<std::string>& again) {
  FakeControlPlane& owner = service_.owner_;
  const Resources& resources = owner.resources_[type];
  if (resources.version == 0) return;
  DeltaDiscoveryResponse response;
  response.set_type_url(base::Cat(kTypePrefix, type));
  response.set_system_version_info(base::Cat(resources.version));
  response.mutable_control_plane()->set_identifier("fake");
  for (const auto& [name, resource] : resources.named) {
    if (!subscription.wildcard && !subscription.names.contains(name)) continue;
    std::string version = base::Cat(resources.versions.at(name));
    const auto known = subscription.known.find(name);
    if (known != subscription.known.end() && known->second == version && !again.contains(name)) {
      continue;
    }
    auto& wrapper = *response.add_resources();
    wrapper.set_name(name);
    wrapper.set_version(version);
    *wrapper.mutable_resource() = *resource;
    subscription.known[name] = std::move(version);
  }
  for (auto it = subscription.known.begin(); it != subscription.known.end();) {
    if (resources.named.contains(it->first)) {
      ++it;
    } else {
      response.add_removed_resources(it->first);
      it = subscription.known.erase(it);
    }
  }
  const bool empty = response.resources_size() == 0 && response.removed_resources_size() == 0;
  // A first answer comes even when it is empty: the client waits for it.
  if (empty && (subscription.sent || !subscription.wildcard)) {
    subscription.sent = true;
    return;
  }
  subscription.sent = true;
  response.set_nonce(base::Cat("n", ++owner.next_nonce_));
  owner.version_of_nonce_[response.nonce()] = response.system_version_info();
  Queue(response.SerializeAsString());
}

void FakeControlPlane::Service::Stream::OnRequest(const DiscoveryRequest& request) {
  FakeControlPlane& owner = service_.owner_;
  SeenRequest seen = See(request.type_url(), request.node(), request.error_detail());
  seen.version = request.version_info();
  seen.nonce = request.response_nonce();
  seen.names.assign(request.resource_names().begin(), request.resource_names().end());
  owner.seen_.back() = seen;
  const std::string type = seen.type;
  Subscription& subscription = subscriptions_[std::string(type)];
  if (!request.response_nonce().empty() && request.response_nonce() != subscription.nonce) return;
  const std::set<std::string> names(seen.names.begin(), seen.names.end());
  const bool asks = !subscription.sent || names != subscription.names;
  subscription.names = names;
  const Resources& resources = owner.resources_[std::string(type)];
  if (asks || resources.version != subscription.sent_version) Push(std::string(type));
}

void FakeControlPlane::Service::Stream::Push(const std::string& type) {
  FakeControlPlane& owner = service_.owner_;
  const auto it = subscriptions_.find(type);
  const Resources& resources = owner.resources_[type];
  if (it == subscriptions_.end() || resources.version == 0) return;  // Nothing is known yet.
  Subscription& subscription = it->second;
  if (delta_) return PushDelta(type, subscription, {});
  DiscoveryResponse response;
  response.set_type_url(base::Cat(kTypePrefix, type));
  response.set_version_info(base::Cat(resources.version));
  response.set_nonce(base::Cat("n", ++owner.next_nonce_));
  response.mutable_control_plane()->set_identifier("fake");
  for (const Any& each : resources.whole) *response.add_resources() = each;
  for (const auto& [name, resource] : resources.named) {
    if (resources.is_whole || (ByName(type) && !subscription.names.contains(name))) continue;
    *response.add_resources() = *resource;
  }
  if (ByName(type) && response.resources_size() == 0 && !resources.is_whole) return;
  subscription.nonce = response.nonce();
  subscription.sent = true;
  subscription.sent_version = resources.version;
  owner.version_of_nonce_[response.nonce()] = response.version_info();
  Queue(response.SerializeAsString());
}

void FakeControlPlane::Service::Stream::Queue(std::string bytes) {
  queue_.push_back(std::move(bytes));
  if (!writing_) WriteNext();
}

void FakeControlPlane::Service::Stream::WriteNext() {
  if (queue_.empty() || finished_) return;
  writing_ = true;
  const grpc::Slice slice(queue_.front());
  queue_.pop_front();
  outgoing_ = grpc::ByteBuffer(&slice, 1);
  StartWrite(&outgoing_);
}

void FakeControlPlane::Service::Stream::OnWriteDone(bool ok) {
  const std::lock_guard lock(service_.owner_.mutex_);
  writing_ = false;
  if (ok) WriteNext();
}

grpc::ServerGenericBidiReactor* FakeControlPlane::Service::CreateReactor(
    grpc::GenericCallbackServerContext* context) {
  const std::lock_guard lock(owner_.mutex_);
  std::string token;
  if (const auto it = context->client_metadata().find("authorization");
      it != context->client_metadata().end()) {
    token.assign(it->second.data(), it->second.size());
  }
  const std::string& method = context->method();
  auto* stream =
      new Stream(*this, ++owner_.streams_, method.substr(method.rfind('/') + 1), std::move(token));
  streams_.insert(stream);
  return stream;
}

bool FakeControlPlane::Service::Start(std::uint16_t& port) {
  grpc::ServerBuilder builder;
  int bound = 0;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  if (!owner_.tls_.key_pem.empty()) {
    grpc::SslServerCredentialsOptions options(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = owner_.tls_.ca_pem;
    options.pem_key_cert_pairs.push_back({owner_.tls_.key_pem, owner_.tls_.certificate_pem});
    credentials = grpc::SslServerCredentials(options);
  }
  builder.AddListeningPort(base::Cat("127.0.0.1:", port), credentials, &bound);
  builder.SetMaxSendMessageSize(-1);
  // Pings as often as a test likes.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.RegisterCallbackGenericService(this);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || bound == 0) return false;
  port = static_cast<std::uint16_t>(bound);
  return true;
}

void FakeControlPlane::Service::Stop() {
  server_->Shutdown(base::SystemClock().WallNow());  // Cancels what is open.
  server_->Wait();
  server_.reset();
}

void FakeControlPlane::Service::Push(std::string_view type) {
  for (Stream* stream : streams_) stream->Push(std::string(type));
}

void FakeControlPlane::Service::SendBytes(const std::string& bytes) {
  for (Stream* stream : streams_) stream->Queue(bytes);
}

FakeControlPlane::FakeControlPlane() { Listen(); }
FakeControlPlane::FakeControlPlane(Tls tls) : tls_(std::move(tls)) { Listen(); }

FakeControlPlane::~FakeControlPlane() { Stop(); }

void FakeControlPlane::Listen() {
  EXPECT_TRUE(Eventually([this] {
    auto service = std::make_unique<Service>(*this);
    if (!service->Start(port_)) return false;
    const std::lock_guard lock(mutex_);
    service_ = std::move(service);
    return true;
  })) << "no control plane on port "
      << port_;
}

void FakeControlPlane::Stop() {
  std::unique_ptr<Service> leaving;
  {
    const std::lock_guard lock(mutex_);
    leaving = std::move(service_);
  }
  if (leaving != nullptr) leaving->Stop();
}

void FakeControlPlane::Restart() {
  Stop();
  Listen();
}

void FakeControlPlane::Put(std::string_view type, const std::string& name,
                           const google::protobuf::Message& message) {
  auto any = std::make_shared<Any>();
  any->PackFrom(message);
  const std::lock_guard lock(mutex_);
  Resources& resources = resources_[std::string(type)];
  resources.named[name] = std::move(any);
  resources.is_whole = false;
  resources.whole.clear();
  resources.versions[name] = ++resources.version;
  if (service_ != nullptr) service_->Push(type);
}

void FakeControlPlane::Set(const ClusterProto& cluster) {
  Put(kClusterType, cluster.name(), cluster);
}
void FakeControlPlane::Set(const AssignmentProto& assignment) {
  Put(kEndpointType, assignment.cluster_name(), assignment);
}
void FakeControlPlane::Set(const ListenerProto& listener) {
  Put(kListenerType, listener.name(), listener);
}
void FakeControlPlane::Set(const RouteTableProto& table) { Put(kRouteType, table.name(), table); }

void FakeControlPlane::SetClusters(const std::vector<ClusterProto>& clusters) {
  const std::lock_guard lock(mutex_);
  Resources& resources = resources_[std::string(kClusterType)];
  resources.named.clear();
  ++resources.version;
  for (const ClusterProto& each : clusters) {
    auto any = std::make_shared<Any>();
    any->PackFrom(each);
    resources.named[each.name()] = std::move(any);
    resources.versions[each.name()] = resources.version;
  }
  resources.is_whole = false;
  resources.whole.clear();
  if (service_ != nullptr) service_->Push(kClusterType);
}

void FakeControlPlane::Remove(std::string_view type, const std::string& name) {
  const std::lock_guard lock(mutex_);
  Resources& resources = resources_[std::string(type)];
  resources.named.erase(name);
  ++resources.version;
  if (service_ != nullptr) service_->Push(type);
}

void FakeControlPlane::Touch(std::string_view type) {
  const std::lock_guard lock(mutex_);
  Resources& resources = resources_[std::string(type)];
  ++resources.version;
  for (auto& [name, version] : resources.versions) version = resources.version;
  if (service_ != nullptr) service_->Push(type);
}

void FakeControlPlane::SetResponse(std::string_view type, std::vector<Any> resources) {
  const std::lock_guard lock(mutex_);
  Resources& slot = resources_[std::string(type)];
  slot.whole = std::move(resources);
  slot.is_whole = true;
  ++slot.version;
  if (service_ != nullptr) service_->Push(type);
}

void FakeControlPlane::SendGarbage(std::string bytes) {
  const std::lock_guard lock(mutex_);
  if (service_ != nullptr) service_->SendBytes(bytes);
}

std::string FakeControlPlane::Version(std::string_view type) const {
  const std::lock_guard lock(mutex_);
  const auto it = resources_.find(type);
  return it == resources_.end() ? "" : base::Cat(it->second.version);
}

std::vector<SeenRequest> FakeControlPlane::Seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

int FakeControlPlane::streams() const {
  const std::lock_guard lock(mutex_);
  return streams_;
}

}  // namespace sluice::harness
