#include "watches.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "watches_types.h"

namespace sluice::control {
namespace {

namespace discoveryv3 = envoy::service::discovery::v3;

constexpr std::size_t kNodeTextMax = 256;
constexpr std::size_t kErrorTextMax = 4096;

using Names = google::protobuf::RepeatedPtrField<std::string>;

// What one request may bring; the sum over requests is checked where names are kept.
absl::Status CheckNames(const Names& names) {
  const auto too_long = [](const std::string& name) { return name.size() > kWatchNameBytesMax; };
  if (static_cast<std::size_t>(names.size()) <= kWatchNamesMax &&
      std::none_of(names.begin(), names.end(), too_long)) {
    return absl::OkStatus();
  }
  return base::MakeStatus(absl::StatusCode::kResourceExhausted,
                          base::Cat("more than ", kWatchNamesMax, " names, or one of more than ",
                                    kWatchNameBytesMax, " bytes"));
}

template <typename Message>
bool Parse(std::string_view bytes, Message& message) {
  return bytes.size() <= INT32_MAX &&
         message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

}  // namespace

Watch::Watch(Options options, const base::Clock& clock, ResponseCache& cache,
             WatchCounters& counters, std::function<void(SerialisedResponse)> send)
    : options_(std::move(options)),
      clock_(clock),
      cache_(cache),
      counters_(counters),
      send_(std::move(send)) {
  status_.peer = options_.peer;
  status_.delta = options_.protocol == Protocol::kDelta;
  status_.since = clock_.WallNow();
}

const ProxyStatus& Watch::status() {
  status_.settled = std::none_of(types_.begin(), types_.end(), [](const TypeState& state) {
    return state.subscribed && (state.unacked || !state.current);
  });
  return status_;
}

Watch::~Watch() { counters_.bytes -= bytes_; }

// Only the first request is sure to carry the node, and it says which fleet this is.
template <typename Message>
void Watch::TakeNode(const Message& message) {
  if (node_known_) return;
  node_known_ = true;
  if (message.has_node()) {
    status_.node_id = base::Printable(message.node().id(), kNodeTextMax);
    status_.node_cluster = base::Printable(message.node().cluster(), kNodeTextMax);
    node_ = FactsOf(message.node());
  }
  Adopt(PickFleet(root_, node_, status_.fleet));
}

absl::Status Watch::Account() {
  constexpr std::uint64_t kNode = 96;  // Of a tree, about.
  std::uint64_t now = 0;
  for (const TypeState& state : types_) {
    if (state.names.size() > kWatchNamesMax || state.owed.size() > kWatchNamesMax) {
      return base::MakeStatus(absl::StatusCode::kResourceExhausted, "too many names");
    }
    // What is owed is named, too.
    now += 2 * state.name_bytes + (state.names.size() + state.owed.size()) * kNode +
           state.known.size() * 2 * kNode;
  }
  counters_.bytes += now - bytes_;
  bytes_ = now;
  if (counters_.bytes <= kWatchBytesMax) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kResourceExhausted,
                          "all streams together name too many resources");
}

absl::Status Watch::OnRequest(std::string_view bytes) {
  ++counters_.requests;
  absl::Status status =
      options_.protocol == Protocol::kDelta ? OnDeltaRequest(bytes) : OnSotwRequest(bytes);
  if (status.ok()) status = Account();
  if (status.ok()) SendNext();
  return status;
}

absl::Status Watch::FindState(std::string_view type_url, Type& type, TypeState*& state) {
  state = nullptr;
  if (type_url.empty()) {
    if (!options_.only) return base::InvalidArgument("type_url: required on an aggregated stream");
    type = *options_.only;
  } else if (!FindType(type_url, type)) {
    const std::string shown = base::Printable(type_url);
    if (options_.only) {
      return base::InvalidArgument(base::Cat("type_url: '", shown, "' is not of this stream"));
    }
    SLUICE_LOG(kDebug, kControl, status_.peer, " asks for '", shown, "', which is not served");
    ++counters_.ignored;
    return absl::OkStatus();
  } else if (options_.only && *options_.only != type) {
    return base::InvalidArgument(base::Cat("type_url: '", type_url, "' is not of this stream"));
  }
  state = &Of(type);
  return absl::OkStatus();
}

// The client's answer to the last response: accepted, or refused with `error`.
void Watch::TakeAnswer(Type type, TypeState& state, const std::string* error) {
  const auto index = static_cast<std::size_t>(type);
  ProxyStatus::OfType& status = StatusOf(type);
  state.unacked = false;
  status.changed = clock_.WallNow();
  if (error == nullptr) {
    ++counters_.acks[index];
    status.acked_version = state.version;
    status.error.clear();
    state.response_names.clear();
    state.refused_version.clear();
    state.refused_names.clear();
    return;
  }
  ++counters_.nacks[index];
  status.error = base::Printable(*error, kErrorTextMax);
  if (status.error.empty()) status.error = "refused without a reason";
  state.refused_version = state.version;
  state.refused_names = std::move(state.response_names);
  state.response_names.clear();
  if (type == Type::kClusters) awaited_endpoints_.clear();
  SLUICE_LOG(kWarning, kControl, status_.node_id, " (", status_.peer, ") refused ", ShortName(type),
             " ", state.version, ": ", status.error);
}

void Watch::ShowSubscribed(Type type) {
  const TypeState& state = Of(type);
  StatusOf(type).subscribed = state.wildcard || !state.names.empty();
}

absl::Status Watch::OnSotwRequest(std::string_view bytes) {
  discoveryv3::DiscoveryRequest request;
  if (!Parse(bytes, request)) return base::InvalidArgument("not a DiscoveryRequest");
  TakeNode(request);
  Type type = Type::kClusters;
  TypeState* state = nullptr;
  absl::Status found = FindState(request.type_url(), type, state);
  if (!found.ok() || state == nullptr) return found;
  if (absl::Status status = CheckNames(request.resource_names()); !status.ok()) return status;

  const std::string& nonce = request.response_nonce();
  if (state->subscribed && nonce.empty() && !request.has_error_detail() && !state->nonce.empty()) {
    *state = TypeState();  // The client starts over on the same stream.
  }
  if (state->subscribed && !nonce.empty() && nonce != state->nonce) {
    ++counters_.ignored;  // Written before it saw our last response; its answer to that follows.
    return absl::OkStatus();
  }
  state->current = false;
  if (!state->subscribed) {
    state->subscribed = true;
    state->asked = true;
    state->claimed_version = request.version_info();
    StatusOf(type).acked_version = base::Printable(request.version_info(), kNodeTextMax);
    StatusOf(type).changed = clock_.WallNow();
    TakeSotwNames(type, *state, {request.resource_names().begin(), request.resource_names().end()});
    if (type == Type::kClusters) LingerAfterReconnect(*state);
    return absl::OkStatus();
  }
  if (state->unacked) {
    TakeAnswer(type, *state,
               request.has_error_detail() ? &request.error_detail().message() : nullptr);
  }
  const std::set<std::string, std::less<>> before = state->names;
  TakeSotwNames(type, *state, {request.resource_names().begin(), request.resource_names().end()});
  for (const std::string& name : state->names) {
    if (before.contains(name)) continue;
    state->owed.insert(name);  // Even if the client had it in the past.
    state->asked = true;
  }
  return absl::OkStatus();
}

void Watch::TakeSotwNames(Type type, TypeState& state, std::set<std::string, std::less<>> names) {
  bool wildcard = names.erase("*") > 0;
  if (wildcard || !names.empty()) state.named_once = true;
  if (!state.named_once && IsFullState(type)) wildcard = true;
  if (wildcard && !state.wildcard) state.asked = true;
  state.wildcard = wildcard;
  state.names = std::move(names);
  state.name_bytes = 0;
  for (const std::string& name : state.names) state.name_bytes += name.size();
  if (!wildcard) {
    // What is no longer wanted is sent again when it is asked for again.
    std::erase_if(state.known,
                  [&](const auto& entry) { return !state.names.contains(entry.first); });
    if (state.names.empty()) state.asked = false;
  }
  ShowSubscribed(type);
}

absl::Status Watch::OnDeltaRequest(std::string_view bytes) {
  discoveryv3::DeltaDiscoveryRequest request;
  if (!Parse(bytes, request)) return base::InvalidArgument("not a DeltaDiscoveryRequest");
  TakeNode(request);
  Type type = Type::kClusters;
  TypeState* state = nullptr;
  absl::Status status = FindState(request.type_url(), type, state);
  if (!status.ok() || state == nullptr) return status;
  const Names& subscribe = request.resource_names_subscribe();
  const Names& unsubscribe = request.resource_names_unsubscribe();
  if (status = CheckNames(subscribe); !status.ok()) return status;
  if (status = CheckNames(unsubscribe); !status.ok()) return status;

  const std::string& nonce = request.response_nonce();
  if (state->unacked && (nonce == state->nonce || (nonce.empty() && request.has_error_detail()))) {
    TakeAnswer(type, *state,
               request.has_error_detail() ? &request.error_detail().message() : nullptr);
  } else if (!nonce.empty()) {
    ++counters_.ignored;  // Only as an answer: what it (un)subscribes counts all the same.
  }
  state->current = false;
  const bool first = !state->subscribed;
  if (first) {
    state->subscribed = true;
    if (request.initial_resource_versions_size() > static_cast<int>(kWatchNamesMax)) {
      return base::MakeStatus(absl::StatusCode::kResourceExhausted,
                              "initial_resource_versions: too many");
    }
    for (const auto& [name, version] : request.initial_resource_versions()) {
      if (name.size() > kWatchNameBytesMax) continue;  // Not one of ours.
      state->known.emplace(name, version.substr(0, kNodeTextMax));
    }
    state->asked = state->known.empty();
    state->wildcard = subscribe.empty() && IsFullState(type);
    if (type == Type::kClusters) LingerAfterReconnect(*state);
  }
  for (const std::string& name : unsubscribe) DeltaUnsubscribe(*state, name);
  for (const std::string& name : subscribe) DeltaSubscribe(*state, name, first);
  if (!state->wildcard) {
    std::erase_if(state->known,
                  [&](const auto& entry) { return !state->names.contains(entry.first); });
    if (state->names.empty()) state->asked = false;
  }
  ShowSubscribed(type);
  return absl::OkStatus();
}

void Watch::DeltaUnsubscribe(TypeState& state, const std::string& name) {
  if (name == "*") {
    state.wildcard = false;
    return;
  }
  if (state.names.erase(name) == 0) return;
  state.name_bytes -= name.size();
  state.owed.erase(name);
  if (!state.wildcard) return;
  state.owed.insert(name);  // It stays, being one of all: the client must hear so, or that it went.
  state.asked = true;
}

void Watch::DeltaSubscribe(TypeState& state, const std::string& name, bool first) {
  if (name == "*") {
    state.asked = state.asked || !state.wildcard;
    state.wildcard = true;
    return;
  }
  if (state.names.insert(name).second) state.name_bytes += name.size();
  // A name that is asked for is sent even if the client has it, unless it just told us that it has
  // it, after a reconnect.
  if (first && state.known.contains(name)) return;
  state.owed.insert(name);
  state.asked = true;
}

}  // namespace sluice::control
