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
  Stream(Service& service, int number) : service_(service), number_(number) {
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
  };

  void OnRequest(const DiscoveryRequest& request);
  void WriteNext();
  void End() {
    const std::lock_guard lock(service_.owner_.mutex_);
    if (!std::exchange(finished_, true)) Finish(grpc::Status::OK);
  }

  Service& service_;
  const int number_;
  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer outgoing_;
  std::deque<std::string> queue_;
  bool writing_ = false;
  bool finished_ = false;
  std::map<std::string, Subscription, std::less<>> subscriptions_;
};

void FakeControlPlane::Service::Stream::OnReadDone(bool ok) {
  if (!ok) return End();
  DiscoveryRequest request;
  const bool parsed = request.ParseFromString(BytesOf(incoming_));
  incoming_.Clear();
  EXPECT_TRUE(parsed) << "the proxy sent something that is no DiscoveryRequest";
  {
    const std::lock_guard lock(service_.owner_.mutex_);
    OnRequest(request);
    if (finished_) return;
  }
  StartRead(&incoming_);
}

void FakeControlPlane::Service::Stream::OnRequest(const DiscoveryRequest& request) {
  FakeControlPlane& owner = service_.owner_;
  std::string_view type = request.type_url();
  if (type.substr(0, kTypePrefix.size()) == kTypePrefix) type.remove_prefix(kTypePrefix.size());
  SeenRequest seen{number_,
                   std::string(type),
                   request.version_info(),
                   request.response_nonce(),
                   request.error_detail().message(),
                   {request.resource_names().begin(), request.resource_names().end()},
                   request.node().id()};
  owner.seen_.push_back(seen);
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
    grpc::GenericCallbackServerContext*) {
  const std::lock_guard lock(owner_.mutex_);
  auto* stream = new Stream(*this, ++owner_.streams_);
  streams_.insert(stream);
  return stream;
}

bool FakeControlPlane::Service::Start(std::uint16_t& port) {
  grpc::ServerBuilder builder;
  int bound = 0;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(base::Cat("127.0.0.1:", port), grpc::InsecureServerCredentials(),
                           &bound);
  builder.SetMaxSendMessageSize(-1);
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
  ++resources.version;
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
  for (const ClusterProto& each : clusters) {
    auto any = std::make_shared<Any>();
    any->PackFrom(each);
    resources.named[each.name()] = std::move(any);
  }
  resources.is_whole = false;
  resources.whole.clear();
  ++resources.version;
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
  ++resources_[std::string(type)].version;
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

const SeenRequest* FakeControlPlane::AnswerTo(std::string_view type) const {
  const auto it = resources_.find(type);
  if (it == resources_.end()) return nullptr;
  const std::string version = base::Cat(it->second.version);
  for (auto seen = seen_.rbegin(); seen != seen_.rend(); ++seen) {
    if (seen->type != type || seen->nonce.empty()) continue;
    const auto sent = version_of_nonce_.find(seen->nonce);
    if (sent != version_of_nonce_.end() && sent->second == version) return &*seen;
  }
  return nullptr;
}

bool FakeControlPlane::WaitForAck(std::string_view type) {
  std::string error;
  const bool answered = Eventually([&] {
    const std::lock_guard lock(mutex_);
    const SeenRequest* answer = AnswerTo(type);
    if (answer == nullptr) return false;
    error = answer->error;
    return true;
  });
  EXPECT_TRUE(answered) << "no answer to the newest " << type;
  EXPECT_EQ(error, "");
  return answered && error.empty();
}

std::string FakeControlPlane::WaitForNack(std::string_view type) {
  std::string error;
  EXPECT_TRUE(Eventually([&] {
    const std::lock_guard lock(mutex_);
    const SeenRequest* answer = AnswerTo(type);
    if (answer == nullptr) return false;
    error = answer->error;
    return true;
  })) << "no answer to the newest "
      << type;
  return error;
}

bool FakeControlPlane::WaitForSubscription(std::string_view type) {
  return Eventually([&] {
    const std::lock_guard lock(mutex_);
    for (const SeenRequest& each : seen_) {
      if (each.type == type) return true;
    }
    return false;
  });
}

}  // namespace sluice::harness
