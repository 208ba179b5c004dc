// From a request head to a decision: sanitise, route, filter, and either a reply or where to send
// it.
#include <algorithm>
#include <utility>
#include <variant>

#include "base/strings.h"
#include "filters/table.h"
#include "http/authority.h"
#include "http/grpc_timeout.h"
#include "observe/format.h"
#include "observe/header_addition.h"
#include "observe/tls_info.h"
#include "proxy/exchange.h"
#include "proxy/local_reply.h"
#include "proxy/request_headers.h"

namespace sluice::proxy {
namespace {

using http::Name;

// What each level that has an entry for `filter` which `wanted` takes says; the most specific
// first.
template <typename Wanted>
std::array<const config::PerFilterConfig*, 4> FindPerFilter(const MutationLevels& levels,
                                                            std::string_view filter,
                                                            Wanted wanted) {
  const std::array<const std::vector<config::NamedPerFilterConfig>*, 4> lists = {
      levels.weighted == nullptr ? nullptr : &levels.weighted->per_filter,
      levels.route == nullptr ? nullptr : &levels.route->per_filter,
      levels.virtual_host == nullptr ? nullptr : &levels.virtual_host->per_filter,
      levels.table == nullptr ? nullptr : &levels.table->per_filter,
  };
  std::array<const config::PerFilterConfig*, 4> found{};
  for (std::size_t i = 0; i < lists.size(); ++i) {
    if (lists[i] == nullptr) continue;
    for (const config::NamedPerFilterConfig& entry : *lists[i]) {
      if (entry.filter == filter && wanted(entry.config)) found[i] = &entry.config;
    }
  }
  return found;
}

const config::PerFilterConfig* First(const std::array<const config::PerFilterConfig*, 4>& levels) {
  const auto at = std::find_if(levels.begin(), levels.end(),
                               [](const auto* level) { return level != nullptr; });
  return at == levels.end() ? nullptr : *at;
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
  observe::ApplySteps(http_->early_steps, info_, context_.WallNow(), context_.options().worker,
                      request_.fields);
  PrepareRequestFields(*http_, origin, context_.options().random, request_, info_);
  route_random_ = context_.options().random.Next();

  if (http_->scoped != nullptr) {
    levels_.table = config::FindScopedTable(*http_->scoped, pin_ ? &*pin_ : nullptr, request_);
  } else if (http_->rds_name.empty()) {
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
  KeepForRedirect();
  MakeChain();
  return FilterRequestHead();
}

void Exchange::FindRoute() {
  route_cleared_ = false;
  config::RequestFacts facts;
  facts.worker = context_.options().worker;
  facts.random = route_random_;
  facts.runtime = runtime();
  if (const observe::TlsInfo* tls = info_.DownstreamTls(); tls != nullptr) {
    facts.certificate_presented = tls->presented;
    facts.certificate_validated = tls->validated;
  }
  const config::RouteMatchResult found = config::FindRoute(*levels_.table, request_, facts);
  levels_.virtual_host = found.virtual_host;
  levels_.route = found.route;
  ChooseWeighted();
  info_.route_name = found.route == nullptr ? std::string_view() : found.route->name;
}

// Before the filters: they see the configuration of the chosen cluster.
void Exchange::ChooseWeighted() {
  levels_.weighted = nullptr;
  if (levels_.route == nullptr) return;
  const auto* forward = std::get_if<config::ForwardAction>(&levels_.route->action);
  if (forward == nullptr || forward->weighted.empty()) return;
  if (forward->weight_by_hash) ChooseHash(*forward);
  const std::uint64_t number = config::WeightNumber(*forward, request_, hash_, route_random_);
  levels_.weighted = config::PickWeighted(*forward, number, runtime());
}

void Exchange::ChooseHash(const config::ForwardAction& forward) {
  hash_.reset();
  set_cookies_.clear();
  if (forward.hash.empty()) return;
  const ConnectionFacts facts = downstream_->facts();
  const base::Address& client =
      info_.remote.family() != base::Address::Family::kNone ? info_.remote : facts.remote;
  std::string client_ip;
  if (client.is_ip()) observe::AppendIp(client, client_ip);
  const std::string connection = base::Cat(facts.remote.ToString(), facts.local.ToString());
  const config::HashSource source = {client_ip, connection, context_.options().worker};
  hash_ = config::HashRequest(forward, request_, source, set_cookies_);
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
  return First(per_filter_levels(filter_name));
}

std::array<const config::PerFilterConfig*, 4> Exchange::per_filter_levels(
    std::string_view filter_name) const {
  return FindPerFilter(levels_, filter_name, [](const config::PerFilterConfig& config) {
    return !std::holds_alternative<config::FilterSwitch>(config);
  });
}

std::optional<bool> Exchange::filter_disabled(std::string_view filter_name) const {
  const config::PerFilterConfig* found =
      First(FindPerFilter(levels_, filter_name, [](const auto&) { return true; }));
  if (found == nullptr) return std::nullopt;
  const auto* only = std::get_if<config::FilterSwitch>(found);
  return only != nullptr && only->disabled;  // Whoever configures a filter wants it.
}

const config::Runtime* Exchange::runtime() const { return pin_ ? pin_->runtime.get() : nullptr; }

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
  return ReplyDirectly(std::get<config::DirectResponse>(action));
}

Exchange::Next Exchange::ReplyDirectly(const config::DirectResponse& direct) {
  stats_->rq_direct_response.Add();
  reply_.status = direct.status;
  reply_.details = "direct_response";
  if (!direct.format.has_value()) {
    reply_.body.assign(direct.body);
    return Next::kReply;
  }
  info_.response_code = direct.status;
  info_.local_reply_body = direct.body;
  observe::RenderBody(*direct.format, info_, context_.WallNow(), reply_.body);
  reply_.fields.Add(Name::kContentType, observe::ContentTypeOf(*direct.format));
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
  info_.cluster = config::ClusterName(forward, levels_.weighted, request_);
  const bool from_header =
      !forward.cluster_header.empty() ||
      (levels_.weighted != nullptr && !levels_.weighted->cluster_header.empty());
  if (from_header) {  // That field may be rewritten.
    cluster_name_.assign(info_.cluster);
    info_.cluster = cluster_name_;
  }
  ChooseHash(forward);
  RewriteRequest(forward);
  PlanTimeouts();
  return Next::kForward;
}

std::string Exchange::RewriteHost(const config::ForwardAction& forward) const {
  if (levels_.weighted != nullptr && !levels_.weighted->host_rewrite.empty()) {
    return levels_.weighted->host_rewrite;
  }
  if (!forward.host_rewrite.empty()) return forward.host_rewrite;
  if (forward.host_format.items.empty()) {
    return config::RewrittenHost(forward, request_, context_.options().worker);
  }
  std::string host;
  if (!observe::RenderHeaderValue(forward.host_format, info_, context_.WallNow(), host) ||
      !http::ParseAuthority(host).has_value()) {
    return "";
  }
  return host;
}

void Exchange::RewritePath(const config::ForwardAction& forward) {
  original_path_.assign(request_.path);
  if (!forward.path_format.items.empty()) {
    std::string path;
    const bool usable =
        observe::RenderHeaderValue(forward.path_format, info_, context_.WallNow(), path) &&
        path.starts_with('/') && path.find_first_of(" #") == std::string::npos;
    path.append(request_.path, request_.PathWithoutQuery().size());
    if (!usable || path == request_.path) return;
    request_.path = std::move(path);
  } else if (!config::RewritePath(*levels_.route, request_, context_.options().worker)) {
    return;
  }
  info_.original_path = original_path_;
  if (!plan_->suppress_envoy_headers) {
    request_.fields.Set(Name::kXEnvoyOriginalPath, original_path_);
  }
}

void Exchange::RewriteRequest(const config::ForwardAction& forward) {
  // Additions see the request as it came.
  MutateFields(levels_, Direction::kRequest, info_, context_.WallNow(), request_.fields);
  const std::string host = RewriteHost(forward);
  if (forward.append_x_forwarded_host && (!host.empty() || forward.auto_host_rewrite)) {
    std::string scratch;
    const auto before = request_.fields.GetJoined("x-forwarded-host", scratch);
    const std::string value = before.has_value() && !before->empty()
                                  ? base::Cat(*before, ",", request_.authority)
                                  : request_.authority;
    request_.fields.Set(Name::kXForwardedHost, value);
  }
  if (!host.empty()) request_.authority.assign(host);
  if (forward.prefix_rewrite.has_value() || forward.regex_rewrite.has_value() ||
      forward.template_rewrite.has_value() || !forward.path_format.items.empty()) {
    RewritePath(forward);
  }
  if (request_length_changes_) {
    request_.body = {http::BodyFraming::Kind::kChunked, 0};
    request_.has_content_length = false;
  }
}

}  // namespace sluice::proxy
