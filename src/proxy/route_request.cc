// From a request head to a decision: sanitise, route, filter, and either a reply or where to send
// it.
#include <utility>
#include <variant>

#include "base/strings.h"
#include "filters/table.h"
#include "proxy/exchange.h"
#include "proxy/local_reply.h"
#include "proxy/request_headers.h"

namespace sluice::proxy {
namespace {

using http::Name;

const config::PerFilterConfig* FindPerFilter(const std::vector<config::NamedPerFilterConfig>& list,
                                             std::string_view filter) {
  for (const config::NamedPerFilterConfig& entry : list) {
    if (entry.filter == filter) return &entry.config;
  }
  return nullptr;
}

// Unset: the list says nothing about this protocol.
std::optional<bool> UpgradeIn(const std::vector<config::UpgradeConfig>& upgrades,
                              std::string_view type) {
  for (const config::UpgradeConfig& upgrade : upgrades) {
    if (base::EqualsIgnoreCase(upgrade.type, type)) return upgrade.enabled;
  }
  return std::nullopt;
}

}  // namespace

Exchange::Next Exchange::Prepare() {
  const ConnectionFacts facts = downstream_->facts();
  const RequestOrigin origin = {facts.remote, facts.local, facts.tls};
  upgrade_.clear();
  if (request_.upgrade) upgrade_.assign(request_.fields.Get(Name::kUpgrade).value_or(""));
  PathStep path = PathStep::kOk;
  if (const auto failure = CheckRequestHead(*http_, origin, request_, path)) {
    if (*failure == FailureKind::kPathRejected) {
      stats_->downstream_rq_failed_path_normalization.Add();
    } else if (*failure == FailureKind::kAbsolutePathRejected) {
      stats_->downstream_rq_non_relative_path.Add();
    }
    return ReplyWith(*failure);
  }
  if (path == PathStep::kRedirect) {
    stats_->downstream_rq_redirected_with_normalized_path.Add();
    return ReplyRedirect(307, request_.path, "path_normalization_redirect");
  }
  PrepareRequestFields(*http_, origin, context_.options().random, request_, info_);

  if (http_->rds_name.empty()) {
    levels_.table = http_->inline_routes.get();
  } else if (pin_) {
    levels_.table = pin_->route_tables.Find(http_->rds_name);
  }
  if (levels_.table == nullptr) {
    stats_->no_route.Add();
    return ReplyWith(FailureKind::kRouteNotFound);
  }
  RemoveInternalFields(*levels_.table, request_.fields);
  FindRoute();
  if (request_.upgrade && !UpgradeAllowed()) {
    stats_->downstream_rq_ws_on_non_ws_route.Add();
    return ReplyWith(FailureKind::kUpgradeRefused);
  }
  MakeChain();
  return FilterRequestHead();
}

void Exchange::FindRoute() {
  route_cleared_ = false;
  const config::RouteMatchResult found =
      config::FindRoute(*levels_.table, request_, context_.options().worker);
  levels_.virtual_host = found.virtual_host;
  levels_.route = found.route;
  levels_.weighted = nullptr;
  info_.route_name = found.route == nullptr ? std::string_view() : found.route->name;
}

bool Exchange::UpgradeAllowed() const {
  if (levels_.route == nullptr) return true;  // Answered 404 later.
  const auto* forward = std::get_if<config::ForwardAction>(&levels_.route->action);
  if (forward == nullptr) return true;  // Nothing is upgraded by a redirect.
  if (const auto here = UpgradeIn(forward->upgrades, upgrade_)) return *here;
  return UpgradeIn(http_->upgrades, upgrade_).value_or(false);
}

void Exchange::MakeChain() {
  if (plan_->filters) {
    for (const config::HttpFilter& config : http_->filters) {
      auto filter = filters::MakeFilter(config, *this, request_, *plan_->cors);
      if (filter != nullptr) chain_.Add(std::move(filter));
    }
  }
  const WorkerHooks& hooks = context_.options().hooks;
  if (hooks.add_filters != nullptr) hooks.add_filters(hooks.owner, chain_, *this);
}

const config::PerFilterConfig* Exchange::per_filter(std::string_view filter_name) const {
  const config::PerFilterConfig* found = nullptr;
  if (levels_.weighted != nullptr) found = FindPerFilter(levels_.weighted->per_filter, filter_name);
  if (found == nullptr && levels_.route != nullptr) {
    found = FindPerFilter(levels_.route->per_filter, filter_name);
  }
  if (found == nullptr && levels_.virtual_host != nullptr) {
    found = FindPerFilter(levels_.virtual_host->per_filter, filter_name);
  }
  if (found == nullptr && levels_.table != nullptr) {
    found = FindPerFilter(levels_.table->per_filter, filter_name);
  }
  return found;
}

// Also continues a walk that a filter paused.
Exchange::Next Exchange::FilterRequestHead() {
  if (!chain_.empty()) {
    const filters::End end = request_.body.kind == http::BodyFraming::Kind::kNone
                                 ? filters::End::kYes
                                 : filters::End::kNo;
    switch (chain_.RequestHead(request_, end)) {
      case filters::Verdict::kContinue:
        break;
      case filters::Verdict::kPause:
        return Next::kPaused;
      case filters::Verdict::kReply:
        return Next::kReply;
    }
    if (route_cleared_) FindRoute();
  }
  return Decide();
}

Exchange::Next Exchange::Decide() {
  using RequireTls = config::VirtualHost::RequireTls;
  if (levels_.virtual_host != nullptr && levels_.virtual_host->require_tls != RequireTls::kNone &&
      request_.scheme != "https") {
    stats_->rq_redirect.Add();
    return ReplyRedirect(301, base::Cat("https://", request_.authority, request_.path),
                         "direct_response");
  }
  if (levels_.route == nullptr) {
    stats_->no_route.Add();
    return ReplyWith(FailureKind::kRouteNotFound);
  }
  const auto& action = levels_.route->action;
  if (const auto* forward = std::get_if<config::ForwardAction>(&action)) {
    return PrepareForward(*forward);
  }
  if (const auto* redirect = std::get_if<config::RedirectAction>(&action)) {
    stats_->rq_redirect.Add();
    return ReplyRedirect(
        redirect->status,
        config::RedirectLocation(*levels_.route, request_, context_.options().worker),
        "direct_response");
  }
  const auto& direct = std::get<config::DirectResponse>(action);
  stats_->rq_direct_response.Add();
  reply_.status = direct.status;
  reply_.body.assign(direct.body);
  reply_.details = "direct_response";
  return Next::kReply;
}

Exchange::Next Exchange::ReplyWith(FailureKind kind) {
  FailureContext context;
  context.request_complete = request_complete_;
  if (forward_ != nullptr) context.cluster_not_found_status = forward_->cluster_not_found_status;
  FailureToReply(kind, context, reply_);
  reply_close_ = Describe(kind).close;
  return Next::kReply;
}

Exchange::Next Exchange::ReplyRedirect(int status, std::string_view location,
                                       std::string_view details) {
  reply_.status = status;
  reply_.details.assign(details);
  reply_.fields.Add(Name::kLocation, location);
  return Next::kReply;
}

Exchange::Next Exchange::PrepareForward(const config::ForwardAction& forward) {
  forward_ = &forward;
  if (!forward.weighted.empty()) {
    levels_.weighted = config::PickWeighted(forward, context_.options().random.Next());
    if (levels_.weighted != nullptr) info_.cluster = levels_.weighted->cluster;
  } else {
    info_.cluster = forward.cluster;
  }
  RewriteRequest(forward);
  response_ms_ = forward.timeout_ms;
  if (forward.idle_timeout_ms.has_value()) {
    idle_ms_ = *forward.idle_timeout_ms;
    idle_timer_.Cancel();
    Touch();  // It may be due before the connection manager's was.
  }
  if (forward.max_stream_duration_ms.has_value()) {
    duration_timer_.Cancel();
    if (*forward.max_stream_duration_ms != 0) {
      duration_timer_.Set(&OnTimer<FailureKind::kUpstreamMaxStreamDuration>, this);
      duration_timer_.Arm(context_.loop().timers(), *forward.max_stream_duration_ms);
    }
  }
  return Next::kForward;
}

void Exchange::RewriteRequest(const config::ForwardAction& forward) {
  // Additions see the request as it came.
  MutateFields(levels_, Direction::kRequest, info_, context_.WallNow(), request_.fields);
  const std::string& weighted_host =
      levels_.weighted == nullptr ? forward.host_rewrite : levels_.weighted->host_rewrite;
  const std::string& host = weighted_host.empty() ? forward.host_rewrite : weighted_host;
  if (forward.append_x_forwarded_host && (!host.empty() || forward.auto_host_rewrite)) {
    request_.fields.Add(Name::kXForwardedHost, request_.authority);
  }
  if (!host.empty()) request_.authority.assign(host);
  if (forward.prefix_rewrite.has_value() || forward.regex_rewrite.has_value()) {
    original_path_.assign(request_.path);
    if (config::RewritePath(*levels_.route, request_, context_.options().worker)) {
      info_.original_path = original_path_;
      if (!plan_->suppress_envoy_headers) {
        request_.fields.Set(Name::kXEnvoyOriginalPath, original_path_);
      }
    }
  }
  if (!plan_->suppress_envoy_headers && forward.timeout_ms != 0) {
    request_.fields.Add(Name::kXEnvoyExpectedRqTimeoutMs, base::Cat(forward.timeout_ms));
  }
  if (request_length_changes_) {
    request_.body = {http::BodyFraming::Kind::kChunked, 0};
    request_.has_content_length = false;
  }
}

}  // namespace sluice::proxy
