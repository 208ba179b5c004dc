#include "server/xds_sources.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <variant>

#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "server/node_proto.h"

namespace sluice::server {

using xds::ResourceType;
using Kind = EventLog::Kind;

namespace {

std::string NameOf(const StreamSpec& spec) {
  const std::string_view type = spec.type ? xds::ShortName(*spec.type) : "ADS";
  if (const auto* path = std::get_if<config::PathSource>(&spec.source.from)) {
    return base::Cat(type, " from ", path->path);
  }
  const auto& api = std::get<config::ApiSource>(spec.source.from);
  if (api.kind == config::ApiSource::Kind::kRest) {
    return base::Cat(type, " from ", api.rest_cluster);
  }
  const config::GrpcService& service = api.services.front();
  return base::Cat(type, " from ",
                   service.google ? service.google->target_uri : service.cluster_name);
}

xds::DiscoveryOptions OptionsFor(const StreamSpec& spec, std::string node_bytes) {
  xds::DiscoveryOptions options;
  options.node_bytes = std::move(node_bytes);
  const auto* api = std::get_if<config::ApiSource>(&spec.source.from);
  if (api == nullptr) return options;
  options.delta = api->delta;
  options.set_node_on_first_message_only = api->set_node_on_first_message_only;
  if (api->rate) {
    options.rate_limit =
        xds::RateLimit{static_cast<double>(api->rate->tokens_max), api->rate->tokens_per_s};
  }
  if (!api->services.empty()) {
    options.backoff_base_ms = api->services.front().backoff_base_ms;
    options.backoff_max_ms = api->services.front().backoff_max_ms;
  }
  return options;
}

}  // namespace

// One stream and its protocol machine.
class XdsSources::Stream final : public xds::TransportEvents {
 public:
  Stream(XdsSources& owner, StreamSpec spec, std::unique_ptr<xds::Transport> transport)
      : owner_(owner),
        spec_(std::move(spec)),
        name_(NameOf(spec_)),
        transport_(std::move(transport)),
        client_(OptionsFor(spec_, NodeBytes(owner.options_.bootstrap.node)),
                {*transport_, owner, owner.options_.loop.clock(), owner.options_.random}) {
    reconnect_.Set([](void* self) { static_cast<Stream*>(self)->Open(); }, this);
    wake_.Set([](void* self) { static_cast<Stream*>(self)->OnWake(); }, this);
    // Not at once: what is wanted first goes out together.
    reconnect_.Arm(owner.options_.loop.timers(), 1);
  }
  ~Stream() { transport_->Close(); }

  const StreamSpec& spec() const { return spec_; }
  const std::string& name() const { return name_; }
  xds::DiscoveryClient& client() { return client_; }
  bool is_ads() const { return spec_.is_ads; }
  bool on_server() const { return std::holds_alternative<config::ApiSource>(spec_.source.from); }
  unsigned rank() const { return transport_->Rank(); }
  bool Wanted() const {
    return std::any_of(xds::kResourceTypes.begin(), xds::kResourceTypes.end(),
                       [&](ResourceType type) { return client_.subscribed(type); });
  }
  void Stop() {
    transport_->Close();
    reconnect_.Cancel();
    wake_.Cancel();
  }

  void OnOpen() override {
    client_.OnOpen();
    ArmWake();
  }
  void OnMessage(std::string bytes) override {
    const bool was = client_.connected();
    client_.OnMessage(std::move(bytes));
    if (!was && client_.connected()) {
      owner_.options_.events.Add(Kind::kConnected, name_, client_.control_plane());
    }
    ArmWake();
    owner_.OnStreamChanged(*this);
  }
  void OnClosed(std::string_view why) override {
    client_.OnClosed(why);
    if (on_server()) owner_.plane_.stream_failed.Add();
    owner_.options_.events.Add(Kind::kDisconnected, name_, why);
    reconnect_.Arm(owner_.options_.loop.timers(), client_.NextBackoffMs());
    owner_.OnFailure(*this);
    owner_.OnStreamChanged(*this);
  }
  void OnFailure(std::string_view why) override {
    SLUICE_LOG(kWarning, kConfig, name_, ": ", why);
    owner_.options_.events.Add(Kind::kFailed, name_, why);
    owner_.OnFailure(*this);
  }

  void ArmWake() {
    const auto due = client_.NextWake();
    if (!due) return wake_.Cancel();
    const auto wait =
        std::chrono::duration_cast<base::milliseconds>(*due - owner_.options_.loop.clock().Now());
    wake_.Arm(owner_.options_.loop.timers(),
              static_cast<std::uint64_t>(std::max<std::int64_t>(wait.count(), 1)));
  }

 private:
  void Open() {
    if (on_server()) owner_.plane_.stream_opened.Add();
    transport_->Open(*this);
  }
  void OnWake() {
    client_.OnWake();
    ArmWake();
    owner_.OnStreamChanged(*this);
  }

  XdsSources& owner_;
  const StreamSpec spec_;
  const std::string name_;
  std::unique_ptr<xds::Transport> transport_;
  xds::DiscoveryClient client_;
  net::Timer reconnect_, wake_;
};

XdsSources::XdsSources(Options options)
    : options_(std::move(options)),
      plane_(options_.registry.Get<observe::ControlPlaneStats>(observe::Scope::kControlPlane, "",
                                                               observe::Registry::kMainOwner)),
      table_(options_.registry) {
  timeouts_.Set([](void* self) { static_cast<XdsSources*>(self)->ArmTimeouts(); }, this);
}

XdsSources::~XdsSources() = default;

XdsSources::Stream* XdsSources::StreamFor(ResourceType type, const config::ConfigSourceRef& ref) {
  config::ConfigSource source;
  bool is_ads = ref.is_ads();
  if (!is_ads) source = *ref.source;
  if (std::holds_alternative<config::SelfSource>(source.from)) {
    const auto& parent = type == ResourceType::kEndpoints || !lds_ ? cds_ : lds_;
    if (!parent) return nullptr;
    source = *parent;
    is_ads = std::holds_alternative<config::AdsSource>(source.from);
  }
  if (is_ads) {
    if (!options_.bootstrap.ads) return nullptr;  // Refused where it was compiled.
    source.from = *options_.bootstrap.ads;
  }
  StreamSpec spec{std::move(source), type, is_ads};
  const auto* api = std::get_if<config::ApiSource>(&spec.source.from);
  if (api != nullptr && api->aggregated) spec.type.reset();
  for (const auto& stream : streams_) {
    if (stream->spec().type == spec.type && stream->spec().source.from == spec.source.from) {
      return stream.get();
    }
  }
  absl::StatusOr<std::unique_ptr<xds::Transport>> transport =
      options_.make_transport(options_.loop, spec);
  if (!transport.ok()) {
    const std::string_view why = base::MessageOf(transport.status());
    SLUICE_LOG(kError, kConfig, NameOf(spec), ": ", why);
    options_.events.Add(Kind::kFailed, NameOf(spec), why);
    return nullptr;
  }
  streams_.push_back(std::make_unique<Stream>(*this, std::move(spec), *std::move(transport)));
  if (is_ads) {
    for (Held& held : held_) {
      streams_.back()->client().Restore(held.type, held.version, held.versions);
    }
  }
  return streams_.back().get();
}

void XdsSources::Restore(ResourceType type, std::string version,
                         base::StringMap<std::string> versions) {
  held_.push_back({type, std::move(version), std::move(versions)});
}

void XdsSources::Subscribe(ResourceType type, const config::ConfigSource& source,
                           std::string_view stats) {
  if (type == ResourceType::kCluster) cds_ = source;
  if (type == ResourceType::kListener) lds_ = source;
  table_.SetWhole(type, stats, source.fetch_timeout_ms, options_.loop.now());
  Stream* stream = StreamFor(type, config::ConfigSourceRef(source));
  whole_[IndexOf(type)] = stream;
  if (stream != nullptr) {
    stream->client().Subscribe(type);
    stream->ArmWake();
  }
  ArmTimeouts();
}

// What is wanted of the type by name, each with its stream. Nearly always all have the same source:
// it is looked up once.
template <typename Visit>
void XdsSources::ForEachStream(ResourceType type, Visit visit) {
  const config::ConfigSourceRef* last = nullptr;
  Stream* stream = nullptr;
  for (const xds::Want& want : wants_[IndexOf(type)]) {
    if (last == nullptr || last->source != want.source.source) {
      last = &want.source;
      stream = StreamFor(type, want.source);
    }
    if (stream != nullptr) visit(*stream, want.name);
  }
}

void XdsSources::SetWanted(ResourceType type, const std::vector<xds::Want>& wants) {
  if (wants_[IndexOf(type)] == wants) return;
  wants_[IndexOf(type)] = wants;
  table_.SetWanted(type, wants, options_.loop.now());
  std::map<Stream*, std::set<std::string>> names;
  for (const auto& stream : streams_) names[stream.get()];
  ForEachStream(type,
                [&](Stream& stream, const std::string& name) { names[&stream].insert(name); });
  for (auto& [stream, wanted] : names) {
    stream->client().SetNames(type, std::move(wanted));
    stream->ArmWake();
  }
  Leave();
  ArmTimeouts();
  UpdateGauges();
}

// Streams that nobody wants any more. One of them may have called us: it goes a turn later.
void XdsSources::Leave() {
  for (auto& stream : streams_) {
    if (stream->is_ads() || stream->Wanted()) continue;
    stream->Stop();
    leaving_.push_back(std::move(stream));
  }
  std::erase(streams_, nullptr);
  if (leaving_.empty()) return;
  options_.loop.Post([token = std::weak_ptr<XdsSources*>(self_)] {
    if (const auto self = token.lock()) (*self)->leaving_.clear();
  });
}

// ---- what arrives
// --------------------------------------------------------------------------------

xds::Verdict XdsSources::OnResponse(const xds::Response& response) {
  const base::Monotonic start = options_.loop.clock().Now();
  xds::Verdict verdict = options_.handler.OnResponse(response);
  const auto took = options_.loop.clock().Now() - start;
  table_.OnResponse(
      response, verdict,
      {options_.loop.clock().WallNow(),
       static_cast<std::uint64_t>(std::chrono::duration_cast<base::milliseconds>(took).count())});
  for (const xds::RejectedResource& each : verdict.rejected) {
    std::string why;
    for (const base::FieldError& field : each.fields) {
      base::Append(why, why.empty() ? "" : "; ", field.path, field.path.empty() ? "" : ": ",
                   field.message);
    }
    options_.events.Add(Kind::kRejected, base::Cat(xds::ShortName(response.type), " ", each.name),
                        why, response.version);
  }
  ArmTimeouts();
  return verdict;
}

void XdsSources::OnBadResponse(ResourceType type, std::string_view why) {
  options_.handler.OnBadResponse(type, why);
  table_.OnRefused(type);
  options_.events.Add(Kind::kRejected, xds::ShortName(type), why);
}

void XdsSources::OnFailure(Stream& stream) {
  for (const ResourceType type : xds::kResourceTypes) {
    std::vector<std::string> names;
    if (whole_[IndexOf(type)] == &stream) names.emplace_back();
    ForEachStream(type, [&](Stream& each, const std::string& name) {
      if (&each == &stream) names.push_back(name);
    });
    table_.OnFailure(type, names);
  }
}

void XdsSources::OnStreamChanged(Stream& stream) {
  const std::string& identity = stream.client().control_plane();
  if (!identity.empty() && identity != control_plane_) {
    control_plane_ = identity;
    options_.registry.SetText("control_plane.identifier", control_plane_);
  }
  UpdateGauges();
  options_.changed();
}

void XdsSources::UpdateGauges() {
  std::size_t pending = 0;
  std::uint64_t limited = 0;
  std::int64_t state = 0;
  bool ads = false;
  for (const auto& stream : streams_) {
    pending += stream->client().pending_requests();
    limited += stream->client().rate_limited();
    if (!stream->on_server() || ads) continue;
    // The ADS stream speaks for the control plane where there is one.
    ads = stream->is_ads();
    const std::int64_t own = !stream->client().connected() ? 0 : stream->rank() == 0 ? 1 : 2;
    state = ads ? own : std::max(state, own);
  }
  plane_.pending_requests.Set(static_cast<std::int64_t>(pending));
  plane_.connected_state.Set(state);
  if (limited > rate_limited_) plane_.rate_limit_enforced.Add(limited - rate_limited_);
  rate_limited_ = std::max(limited, rate_limited_);
}

void XdsSources::ArmTimeouts() {
  const std::vector<std::string> late = table_.TakeTimeouts(options_.loop.clock().Now());
  for (const std::string& scope : late) {
    SLUICE_LOG(kWarning, kConfig, scope,
               " no response within the initial fetch timeout; going on without");
    options_.events.Add(Kind::kTimedOut, scope);
    timed_out_[IndexOf(ResourceType::kCluster)] |= scope == "cluster_manager.cds.";
    timed_out_[IndexOf(ResourceType::kRuntime)] |= scope.starts_with("runtime.");
    timed_out_[IndexOf(ResourceType::kListener)] |= scope == "listener_manager.lds.";
  }
  if (const auto next = table_.NextTimeout()) {
    const auto wait =
        std::chrono::duration_cast<base::milliseconds>(*next - options_.loop.clock().Now());
    timeouts_.Arm(options_.loop.timers(),
                  static_cast<std::uint64_t>(std::max<std::int64_t>(wait.count() + 1, 1)));
  } else {
    timeouts_.Cancel();
  }
  if (!late.empty()) {
    options_.loop.Post([token = std::weak_ptr<XdsSources*>(self_)] {
      if (const auto self = token.lock()) (*self)->options_.changed();
    });
  }
}

bool XdsSources::connected() const {
  return std::any_of(streams_.begin(), streams_.end(), [](const auto& stream) {
    return stream->on_server() && stream->client().connected();
  });
}

const xds::DiscoveryClient* XdsSources::client(ResourceType type) const {
  for (const auto& stream : streams_) {
    if (stream->client().subscribed(type)) return &stream->client();
  }
  return nullptr;
}

}  // namespace sluice::server
