// A thousand proxies in one process: each has a connection and an ADS stream of its own to a
// control plane, asks for what a proxy asks for, and acknowledges all of it.
//
//   simulate HOST:PORT COUNT ROUTE_TABLE
//
// Prints "ready" once all have their routes; then for each line on stdin waits until every proxy
// got a route table that it did not have when the line came, and prints the microseconds from the
// epoch at which the last one did.
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace sluice {
namespace {

using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;

constexpr char kClusters[] = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
constexpr char kEndpoints[] = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
constexpr char kListeners[] = "type.googleapis.com/envoy.config.listener.v3.Listener";
constexpr char kRoutes[] = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";

// How many have which version of the routes.
class Tally {
 public:
  void Got() {
    const std::lock_guard lock(mutex_);
    ++got_;
    if (got_ % count_ == 0) last_ = base::SystemClock().WallNow();
    changed_.notify_all();
  }
  // The moment at which round `round` (from 1) was complete.
  base::WallTime Await(std::size_t round) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return got_ >= round * count_; });
    return last_;
  }
  void set_count(std::size_t count) { count_ = count; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t count_ = 1, got_ = 0;
  base::WallTime last_;
};

class Proxy final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Proxy(const std::string& target, std::size_t number, std::string table, Tally& tally)
      : id_(base::Cat("sim-", number)), table_(std::move(table)), tally_(tally) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetMaxReceiveMessageSize(64 << 20);
    const auto channel =
        grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
    stub_ = std::make_unique<grpc::GenericStub>(channel);
    stub_->PrepareBidiStreamingCall(
        &context_,
        "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
        grpc::StubOptions(), this);
    Ask(kClusters, {}, nullptr);
    StartRead(&read_);
    StartCall();
  }

 private:
  void Ask(const char* type, std::vector<std::string> names, const DiscoveryResponse* answered) {
    DiscoveryRequest request;
    request.mutable_node()->set_id(id_);
    request.mutable_node()->set_cluster("bench");
    request.set_type_url(type);
    for (std::string& name : names) request.add_resource_names(std::move(name));
    if (answered != nullptr) {
      request.set_version_info(answered->version_info());
      request.set_response_nonce(answered->nonce());
    }
    const grpc::Slice slice(request.SerializeAsString());
    const std::lock_guard lock(mutex_);
    queue_.emplace_back(&slice, 1);
    if (queue_.size() == 1) StartWrite(&queue_.front());
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return;
    const std::lock_guard lock(mutex_);
    queue_.pop_front();
    if (!queue_.empty()) StartWrite(&queue_.front());
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    Take();
    read_.Clear();
    StartRead(&read_);
  }
  void OnDone(const grpc::Status& status) override {
    std::fprintf(stderr, "%s: stream ended: %s\n", id_.c_str(), status.error_message().c_str());
    std::_Exit(1);
  }

  // Routes are counted, not parsed: that is no work of the control plane's.
  void Take() {
    grpc::Slice whole;
    if (!read_.TrySingleSlice(&whole).ok() && !read_.DumpToSingleSlice(&whole).ok()) return;
    DiscoveryResponse response;
    if (!response.ParseFromArray(whole.begin(), static_cast<int>(whole.size()))) return;
    const std::string type = response.type_url();
    if (type == kClusters) {
      std::vector<std::string> names;
      for (const auto& any : response.resources()) {
        envoy::config::cluster::v3::Cluster cluster;
        if (cluster.ParseFromString(any.value()) && cluster.has_eds_cluster_config()) {
          names.push_back(cluster.name());
        }
      }
      const bool first = endpoints_.empty();
      Ask(kClusters, {}, &response);
      if (!names.empty() && first) Ask(kEndpoints, names, nullptr);
      endpoints_ = names;
      if (first) Ask(kListeners, {}, nullptr);
    } else if (type == kEndpoints) {
      Ask(kEndpoints, endpoints_, &response);
    } else if (type == kListeners) {
      Ask(kListeners, {}, &response);
      if (!std::exchange(routes_asked_, true)) Ask(kRoutes, {table_}, nullptr);
    } else if (type == kRoutes) {
      Ask(kRoutes, {table_}, &response);
      tally_.Got();
    }
  }

  const std::string id_, table_;
  Tally& tally_;
  std::unique_ptr<grpc::GenericStub> stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer read_;
  std::vector<std::string> endpoints_;
  bool routes_asked_ = false;
  std::mutex mutex_;
  std::deque<grpc::ByteBuffer> queue_;
};

int Run(const std::string& target, std::size_t count, const std::string& table) {
  Tally tally;
  tally.set_count(count);
  std::vector<std::unique_ptr<Proxy>> proxies;
  for (std::size_t i = 0; i < count; ++i) {
    proxies.push_back(std::make_unique<Proxy>(target, i, table, tally));
  }
  tally.Await(1);
  std::cout << "ready" << std::endl;
  std::size_t round = 1;
  for (std::string line; std::getline(std::cin, line);) {
    const base::WallTime last = tally.Await(++round);
    std::cout
        << std::chrono::duration_cast<std::chrono::microseconds>(last.time_since_epoch()).count()
        << std::endl;
  }
  std::_Exit(0);  // Streams need no farewell.
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  const auto count = argc == 4 ? sluice::base::ParseUint(argv[2]) : std::nullopt;
  if (!count.has_value() || *count == 0) {
    std::fputs("simulate HOST:PORT COUNT ROUTE_TABLE\n", stderr);
    return 2;
  }
  return sluice::Run(argv[1], *count, argv[3]);
}
