#include "xds/discovery_client.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/log.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "google/rpc/status.pb.h"
#include "xds/take_response.h"

namespace sluice::xds {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryRequest;

constexpr std::string_view kAll = "*";

bool IsBelow(std::string_view name, std::string_view top) {
  return name.size() > top.size() && name.starts_with(top) && name[top.size()] == '/';
}

void DropIf(auto& map, const auto& drop) {
  for (auto it = map.begin(); it != map.end();) {
    if (drop(it->first)) {
      map.erase(it++);
    } else {
      ++it;
    }
  }
}

}  // namespace

bool DiscoveryClient::TypeState::Wants(ResourceType type, std::string_view name) const {
  if (wildcard || names.contains(std::string(name))) return true;
  if (!IsNamespaced(type)) return name.empty() && !names.empty();  // To be refused aloud.
  return std::any_of(names.begin(), names.end(),
                     [&](const auto& top) { return IsBelow(name, top); });
}

DiscoveryClient::DiscoveryClient(DiscoveryOptions options, Outside outside)
    : options_(std::move(options)), outside_(outside) {
  if (options_.rate_limit) tokens_ = options_.rate_limit->tokens_max;
  tokens_at_ = outside_.clock.Now();
}

// ---- what is wanted
// ------------------------------------------------------------------------------

void DiscoveryClient::Subscribe(ResourceType type) {
  TypeState& state = Of(type);
  if (std::exchange(state.wildcard, true)) return;
  state.due = true;
  Flush();
}

void DiscoveryClient::Unsubscribe(ResourceType type) {
  TypeState& state = Of(type);
  if (!std::exchange(state.wildcard, false)) return;
  const auto unwanted = [&](std::string_view name) { return !state.Wants(type, name); };
  DropIf(state.versions, unwanted);
  DropIf(state.expiries, unwanted);
  // Where the wildcard was never named, an empty list would still mean everything.
  state.due = state.started && (options_.delta || state.named || !state.names.empty());
  Flush();
}

void DiscoveryClient::SetNames(ResourceType type, std::set<std::string> names) {
  TypeState& state = Of(type);
  if (state.names == names) return;
  for (const std::string& name : names) {
    // The server does not know that it was left: asked for again, it has to send it again.
    if (!state.names.contains(name) && state.sent.contains(name)) state.again.insert(name);
  }
  for (const std::string& name : state.names) {
    if (names.contains(name)) continue;
    state.again.erase(name);
    if (state.wildcard) continue;  // It may well go on being sent.
    state.versions.erase(name);
    state.expiries.erase(name);
    if (IsNamespaced(type)) {
      const auto below = [&](std::string_view held) { return IsBelow(held, name); };
      DropIf(state.versions, below);
      DropIf(state.expiries, below);
    }
  }
  state.names = std::move(names);
  state.due = state.started || state.Wanted();
  Flush();
}

void DiscoveryClient::Restore(ResourceType type, std::string version,
                              base::StringMap<std::string> versions) {
  TypeState& state = Of(type);
  state.version = std::move(version);
  if (options_.delta) state.versions = std::move(versions);
}

// ---- what goes out
// -------------------------------------------------------------------------------

bool DiscoveryClient::TakeToken() {
  if (!options_.rate_limit) return true;
  const base::Monotonic now = outside_.clock.Now();
  const double passed_s = std::chrono::duration<double>(now - tokens_at_).count();
  tokens_at_ = now;
  tokens_ = std::min(options_.rate_limit->tokens_max,
                     tokens_ + passed_s * options_.rate_limit->tokens_per_s);
  // A hair's breadth of rounding must not cost another wait.
  if (tokens_ < 0.999) return false;
  tokens_ -= 1;
  return true;
}

void DiscoveryClient::Flush() {
  if (!open_ || handling_) return;
  limited_ = false;
  bool owed = false;
  for (const ResourceType type : kResourceTypes) {
    TypeState& state = Of(type);
    if (!state.due && !state.answer) continue;
    // The first request of a type must say what it is about: an empty list means everything.
    if (!state.started && !state.Wanted()) {
      state.due = false;
      state.answer.reset();
      continue;
    }
    std::string request = options_.delta ? DeltaRequest(type) : SotwRequest(type);
    if (request.empty()) continue;
    owed = owed || state.answer.has_value();
    if (limited_ || !TakeToken()) {
      if (!std::exchange(limited_, true)) ++rate_limited_;
      continue;
    }
    state.due = false;
    state.answer.reset();
    state.again.clear();
    state.started = true;
    state.named = state.named || !state.names.empty();
    state.wildcard_sent = state.wildcard;
    state.sent = state.names;
    node_sent_ = true;
    ++state.requests;
    outside_.transport.Send(std::move(request));
  }
  if (limited_ && owed) return;  // No more is taken in than can be answered.
  if (std::exchange(read_owed_, false)) outside_.transport.ReadNext();
}

std::string DiscoveryClient::SotwRequest(ResourceType type) {
  TypeState& state = Of(type);
  DiscoveryRequest request;
  request.set_type_url(std::string(TypeUrl(type)));
  request.set_version_info(state.version);
  request.set_response_nonce(state.answer ? state.answer->nonce : state.nonce);
  if (state.wildcard && (state.named || !state.names.empty())) {
    request.add_resource_names(std::string(kAll));
  }
  for (const std::string& name : state.names) request.add_resource_names(name);
  if (!node_sent_ || !options_.set_node_on_first_message_only) {
    request.mutable_node()->ParseFromString(options_.node_bytes);
  }
  if (state.answer && !state.answer->error_bytes.empty()) {
    request.mutable_error_detail()->ParseFromString(state.answer->error_bytes);
  }
  return request.SerializeAsString();
}

// "" when nothing changed on balance.
std::string DiscoveryClient::DeltaRequest(ResourceType type) {
  TypeState& state = Of(type);
  DeltaDiscoveryRequest request;
  request.set_type_url(std::string(TypeUrl(type)));
  for (const std::string& name : state.names) {
    if (!state.sent.contains(name) || state.again.contains(name)) {
      request.add_resource_names_subscribe(name);
    }
  }
  for (const std::string& name : state.sent) {
    if (!state.names.contains(name)) request.add_resource_names_unsubscribe(name);
  }
  if (state.wildcard && !state.wildcard_sent && (state.started || !state.names.empty())) {
    request.add_resource_names_subscribe(std::string(kAll));
  }
  if (!state.wildcard && state.wildcard_sent) {
    request.add_resource_names_unsubscribe(std::string(kAll));
  }
  if (!state.started) {
    auto& versions = *request.mutable_initial_resource_versions();
    for (const auto& [name, version] : state.versions) versions[name] = version;
  } else if (!state.answer && request.resource_names_subscribe_size() == 0 &&
             request.resource_names_unsubscribe_size() == 0) {
    state.due = false;
    return "";
  }
  if (state.answer) {
    request.set_response_nonce(state.answer->nonce);
    if (!state.answer->error_bytes.empty()) {
      request.mutable_error_detail()->ParseFromString(state.answer->error_bytes);
    }
  }
  if (!node_sent_ || !options_.set_node_on_first_message_only) {
    request.mutable_node()->ParseFromString(options_.node_bytes);
  }
  return request.SerializeAsString();
}

std::size_t DiscoveryClient::pending_requests() const {
  if (!limited_) return 0;
  return static_cast<std::size_t>(std::count_if(
      types_.begin(), types_.end(), [](const auto& each) { return each.due || each.answer; }));
}

// ---- what comes in
// -------------------------------------------------------------------------------

void DiscoveryClient::OnOpen() {
  open_ = true;
  node_sent_ = got_message_ = read_owed_ = false;
  for (TypeState& state : types_) {
    state.nonce.clear();
    state.sent.clear();
    state.again.clear();
    state.answer.reset();
    state.started = state.named = state.wildcard_sent = false;
    state.due = state.Wanted();
  }
  Flush();
  outside_.transport.ReadNext();
}

void DiscoveryClient::TakeHeartbeats(Incoming& incoming, TypeState& state) {
  for (const Incoming::Heartbeat& beat : incoming.heartbeats) {
    if (!state.Wants(incoming.response.type, beat.name)) continue;
    const auto held = state.versions.find(beat.name);
    if (options_.delta && (held == state.versions.end() || held->second != beat.version)) {
      incoming.rejected.push_back(
          {std::string(beat.name),
           {{"",
             base::Cat("a heartbeat of version '", base::Printable(beat.version),
                       "', which is not held; send the resource"),
             ""}}});
      continue;
    }
    incoming.response.kept.push_back(beat.name);
  }
}

Verdict DiscoveryClient::Handle(Incoming& incoming, TypeState& state) {
  Response& response = incoming.response;
  if (!incoming.refused.empty()) {
    outside_.handler.OnBadResponse(response.type, incoming.refused);
    return {incoming.refused, {}};
  }
  const auto unwanted = [&](std::string_view name) { return !state.Wants(response.type, name); };
  std::erase_if(response.resources, [&](const auto& each) { return unwanted(each.name); });
  std::erase_if(response.removed, unwanted);
  std::erase_if(incoming.rejected, [&](const auto& each) { return unwanted(each.name); });
  TakeHeartbeats(incoming, state);
  // A whole set must not lose what was merely sent wrongly.
  for (const RejectedResource& each : incoming.rejected) response.kept.push_back(each.name);
  Verdict verdict = outside_.handler.OnResponse(response);
  const bool whole_refused = !verdict.error.empty() && verdict.rejected.empty();
  for (RejectedResource& each : incoming.rejected) {
    base::Append(verdict.error, verdict.error.empty() ? "" : ", ", base::Printable(each.name), ": ",
                 each.fields.front().message);
    if (!whole_refused) verdict.rejected.push_back(std::move(each));
  }
  return verdict;
}

void DiscoveryClient::Remember(const Incoming& incoming, const Verdict& verdict, TypeState& state) {
  const Response& response = incoming.response;
  if (verdict.error.empty() && !options_.delta) state.version = response.version;
  if (!verdict.error.empty() && verdict.rejected.empty()) return;
  if (options_.delta) state.version = response.version;
  base::StringSet rejected;
  for (const RejectedResource& each : verdict.rejected) rejected.insert(each.name);
  if (options_.delta) {
    for (const RawResource& each : response.resources) {
      if (!rejected.contains(each.name)) {
        state.versions.insert_or_assign(std::string(each.name), each.version);
      }
    }
  }
  for (const std::string_view name : response.removed) {
    if (const auto it = state.versions.find(name); it != state.versions.end()) {
      state.versions.erase(it);
    }
    if (const auto it = state.expiries.find(name); it != state.expiries.end()) {
      state.expiries.erase(it);
    }
  }
  const base::Monotonic now = outside_.clock.Now();
  for (const auto& [name, ttl_ms] : incoming.ttls) {
    if (rejected.contains(name) || !state.Wants(response.type, name)) continue;
    if (ttl_ms > 0) {
      state.expiries.insert_or_assign(std::string(name),
                                      now + base::milliseconds(static_cast<std::int64_t>(ttl_ms)));
    } else if (const auto it = state.expiries.find(name); it != state.expiries.end()) {
      state.expiries.erase(it);
    }
  }
}

void DiscoveryClient::OnMessage(std::string bytes) {
  read_owed_ = true;
  Incoming incoming;
  const Parsed parsed = TakeResponse(bytes, options_.delta, incoming);
  if (parsed == Parsed::kGarbage) {
    // Without type and nonce there is nothing to NACK; the stream goes on.
    SLUICE_LOG(kWarning, kConfig, "a discovery response of ", bytes.size(),
               " bytes cannot be parsed; dropped");
    return Flush();
  }
  got_message_ = true;
  failures_ = 0;
  TypeState& state = Of(incoming.response.type);
  if (parsed == Parsed::kUnknownType || !state.started) {
    SLUICE_LOG(kWarning, kConfig, "a response of a type that nobody subscribed to; dropped");
    return Flush();
  }
  control_plane_ = incoming.response.control_plane;
  state.nonce = incoming.nonce;
  Answer answer{incoming.nonce, ""};
  // Left meanwhile: the nonce is taken note of, the version is not.
  if (state.Wanted()) {
    handling_ = true;
    const Verdict verdict = Handle(incoming, state);
    handling_ = false;
    Remember(incoming, verdict, state);
    if (!verdict.error.empty()) answer.error_bytes = NackBytes(verdict);
  }
  if (!open_) return;
  state.answer = std::move(answer);  // Carries any new names as well.
  Flush();
}

void DiscoveryClient::OnClosed(std::string_view why) {
  SLUICE_LOG(kWarning, kConfig,
             "the stream to the control plane is closed: ", base::Printable(why));
  open_ = got_message_ = limited_ = false;
  control_plane_.clear();
}

// ---- time
// ----------------------------------------------------------------------------------------

std::optional<base::Monotonic> DiscoveryClient::NextWake() const {
  std::optional<base::Monotonic> next;
  for (const TypeState& state : types_) {
    for (const auto& [name, expiry] : state.expiries) {
      if (!next || expiry < *next) next = expiry;
    }
  }
  if (limited_) {
    const double wait_s = (1 - tokens_) / options_.rate_limit->tokens_per_s;
    const auto ready = tokens_at_ + base::milliseconds(std::llround(std::ceil(wait_s * 1000)));
    if (!next || ready < *next) next = ready;
  }
  return next;
}

void DiscoveryClient::OnWake() {
  const base::Monotonic now = outside_.clock.Now();
  for (const ResourceType type : kResourceTypes) {
    TypeState& state = Of(type);
    std::vector<std::string> gone;
    for (const auto& [name, expiry] : state.expiries) {
      if (expiry <= now) gone.push_back(name);
    }
    if (gone.empty()) continue;
    std::sort(gone.begin(), gone.end());
    Response response;
    response.type = type;
    response.version = state.version;
    response.removed.assign(gone.begin(), gone.end());
    response.whole = false;
    response.expired = true;
    for (const std::string& name : gone) {
      state.expiries.erase(name);
      state.versions.erase(name);  // Not held any more: after a reconnect it has to come again.
    }
    handling_ = true;
    outside_.handler.OnResponse(response);
    handling_ = false;
  }
  Flush();
}

std::uint64_t DiscoveryClient::NextBackoffMs() {
  const std::uint64_t interval =
      std::min(options_.backoff_max_ms, options_.backoff_base_ms << std::min(failures_, 20U));
  ++failures_;
  return interval == 0 ? 0 : outside_.random.Next() % interval;
}

}  // namespace sluice::xds
