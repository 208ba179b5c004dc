#include "xds/ads_client.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "google/rpc/status.pb.h"

namespace sluice::xds {
namespace {

using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;

constexpr int kGrpcInternal = 13;                  // What Envoy puts into a NACK's code.
constexpr std::size_t kErrorBytesMax = 16 * 1024;  // A NACK must fit any server's limits.
constexpr std::string_view kWrapper = "envoy.service.discovery.v3.Resource";

// Takes the inner messages of `proto` apart; "" or why the response must be NACKed. `wrappers`
// owns what unwrapped views point into.
std::string Unwrap(const DiscoveryResponse& proto, Response& out,
                   std::vector<envoy::service::discovery::v3::Resource>& wrappers) {
  wrappers.reserve(static_cast<std::size_t>(proto.resources_size()));
  for (const google::protobuf::Any& any : proto.resources()) {
    const google::protobuf::Any* inner = &any;
    std::string_view name;
    if (TypeName(any.type_url()) == kWrapper) {
      auto& wrapper = wrappers.emplace_back();
      if (!wrapper.ParseFromString(any.value())) return "a Resource wrapper cannot be parsed";
      if (!wrapper.has_resource()) continue;  // A TTL heartbeat: nothing changes.
      inner = &wrapper.resource();
      name = wrapper.name();
    }
    if (TypeName(inner->type_url()) != TypeName(TypeUrl(out.type))) {
      return base::Cat(base::Printable(inner->type_url()),
                       " does not match the message-wide type URL ", TypeUrl(out.type),
                       " in DiscoveryResponse");
    }
    out.resources.push_back({name, inner->value()});
  }
  return "";
}

}  // namespace

AdsClient::AdsClient(AdsOptions options, Transport& transport, ResponseHandler& handler,
                     base::Random& random)
    : options_(std::move(options)), transport_(transport), handler_(handler), random_(random) {}

void AdsClient::Subscribe(ResourceType type) {
  TypeState& state = Of(type);
  if (state.subscribed) return;
  state.subscribed = true;
  state.request_due = true;
  SendDue();
}

void AdsClient::SetNames(ResourceType type, std::set<std::string> names) {
  TypeState& state = Of(type);
  if (state.names == names) return;
  // An empty first list would mean "everything": a named type is started by its first name.
  state.subscribed = state.subscribed || !names.empty();
  state.names = std::move(names);
  state.request_due = state.subscribed;
  SendDue();
}

void AdsClient::OnOpen() {
  open_ = true;
  node_sent_ = false;
  got_message_ = false;
  for (TypeState& state : types_) {
    state.nonce.clear();
    state.sent_on_stream = false;
    // A named type without names needs no request: on a fresh stream it would be a wildcard.
    state.request_due = state.subscribed;
  }
  for (const ResourceType type : kResourceTypes) {
    TypeState& state = Of(type);
    if (!IsWildcard(type) && state.names.empty()) state.request_due = false;
  }
  SendDue();
  transport_.ReadNext();
}

void AdsClient::SendDue() {
  if (!open_ || handling_) return;
  for (const ResourceType type : kResourceTypes) {
    if (Of(type).request_due) SendRequest(type, "");
  }
}

void AdsClient::SendRequest(ResourceType type, std::string_view error) {
  TypeState& state = Of(type);
  state.request_due = false;
  if (!state.sent_on_stream && !IsWildcard(type) && state.names.empty()) return;
  DiscoveryRequest request;
  request.set_type_url(std::string(TypeUrl(type)));
  request.set_version_info(state.version);
  request.set_response_nonce(state.nonce);
  for (const std::string& name : state.names) request.add_resource_names(name);
  if (!node_sent_ || !options_.set_node_on_first_message_only) {
    request.mutable_node()->ParseFromString(options_.node_bytes);
    node_sent_ = true;
  }
  if (!error.empty()) {
    request.mutable_error_detail()->set_code(kGrpcInternal);
    std::string text(error.substr(0, kErrorBytesMax));
    if (error.size() > kErrorBytesMax) text += "...";
    request.mutable_error_detail()->set_message(text);
  }
  state.sent_on_stream = true;
  ++state.requests;
  transport_.Send(request.SerializeAsString());
}

void AdsClient::OnMessage(std::string bytes) {
  DiscoveryResponse proto;
  if (!proto.ParseFromString(bytes)) {
    // Without type and nonce there is nothing to NACK; the stream goes on.
    SLUICE_LOG(kWarning, kConfig, "a discovery response of ", bytes.size(),
               " bytes cannot be parsed; dropped");
    transport_.ReadNext();
    return;
  }
  got_message_ = true;
  failures_ = 0;
  const std::optional<ResourceType> type = FindResourceType(proto.type_url());
  if (!type || !Of(*type).subscribed) {
    SLUICE_LOG(kWarning, kConfig, "response for type ", base::Printable(proto.type_url()),
               " that nobody subscribed to; dropped");
    transport_.ReadNext();
    return;
  }
  TypeState& state = Of(*type);
  state.nonce = proto.nonce();
  Response response{*type, proto.version_info(), proto.control_plane().identifier(), {}};
  std::vector<envoy::service::discovery::v3::Resource> wrappers;
  handling_ = true;
  std::string error = Unwrap(proto, response, wrappers);
  if (!error.empty()) {
    handler_.OnBadResponse(*type, error);
  } else {
    error = handler_.OnResponse(response);
  }
  handling_ = false;
  if (error.empty()) state.version = proto.version_info();
  if (open_) {
    SendRequest(*type, error);  // The ACK or NACK carries any new names as well.
    SendDue();
    transport_.ReadNext();
  }
}

void AdsClient::OnClosed(std::string_view why) {
  SLUICE_LOG(kWarning, kConfig,
             "the stream to the control plane is closed: ", base::Printable(why));
  open_ = false;
  got_message_ = false;
}

std::uint64_t AdsClient::NextBackoffMs() {
  const std::uint64_t interval =
      std::min(options_.backoff_max_ms, options_.backoff_base_ms << std::min(failures_, 20U));
  ++failures_;
  return interval == 0 ? 0 : random_.Next() % interval;
}

}  // namespace sluice::xds
