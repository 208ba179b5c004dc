// Redirects of an upstream that are followed here: the request starts over, filters and route too,
// with another host and path. envoy-behaviour.md 2.9. An upstream thereby chooses a route: its
// Location is as untrusted as a client's request line and passes the same checks.
#include <algorithm>

#include "base/strings.h"
#include "http/authority.h"
#include "http/path.h"
#include "proxy/exchange.h"

namespace sluice::proxy {
namespace {

using http::Name;

constexpr std::size_t kLocationBytesMax = 8192;

// "http://host/path", or "/path" beside what the request asked for. False: neither.
bool ReadLocation(std::string_view location, http::RequestHead& head) {
  if (location.size() > kLocationBytesMax) return false;
  const bool printable =
      std::all_of(location.begin(), location.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (!printable) return false;
  location = location.substr(0, location.find('#'));
  if (location.starts_with('/') && !location.starts_with("//")) {
    head.path.assign(location);
    return true;
  }
  const std::size_t colon = location.find("://");
  if (colon == std::string_view::npos) return false;
  const std::string_view scheme = location.substr(0, colon);
  const bool https = base::EqualsIgnoreCase(scheme, "https");
  if (!https && !base::EqualsIgnoreCase(scheme, "http")) return false;
  location.remove_prefix(colon + 3);
  const std::size_t slash = std::min(location.find_first_of("/?"), location.size());
  const std::string_view authority = location.substr(0, slash);
  if (!http::ParseAuthority(authority).has_value()) return false;
  head.scheme.assign(https ? "https" : "http");
  head.authority.assign(authority);
  head.path.assign(location.substr(slash));
  if (!head.path.starts_with('/')) head.path.insert(0, 1, '/');
  return true;
}

}  // namespace

// Only routes that follow redirects cost a copy of the head.
void Exchange::KeepForRedirect() {
  redirect_head_.reset();
  if (levels_.route == nullptr || request_.upgrade) return;
  const auto* forward = std::get_if<config::ForwardAction>(&levels_.route->action);
  const config::TryPolicy* policy = forward == nullptr ? nullptr : forward->tries.get();
  if (policy == nullptr || !policy->redirects.has_value()) return;
  redirect_head_ = std::make_unique<http::RequestHead>(request_);
}

// A response head has come, and nothing of it went out. True: it is not for the client.
bool Exchange::FollowRedirect() {
  const config::TryPolicy* tries = forward_->tries.get();
  if (tries == nullptr || !tries->redirects.has_value() || tunnel_) return false;
  const config::InternalRedirectPolicy& policy = *tries->redirects;
  const auto status = static_cast<std::uint32_t>(response_.status);
  if (std::find(policy.statuses.begin(), policy.statuses.end(), status) == policy.statuses.end()) {
    return false;
  }
  observe::ClusterStats& stats = try_->attempt->stats();
  http::RequestHead target = *redirect_head_;
  if (!AcceptRedirect(policy, target)) {
    stats.upstream_internal_redirect_failed_total.Add();
    return false;
  }
  std::swap(request_, target);
  const MutationLevels levels = levels_;
  const std::string_view route_name = info_.route_name;
  FindRoute();
  if (!AcceptRedirectRoute(policy)) {
    std::swap(request_, target);
    levels_ = levels;
    info_.route_name = route_name;
    stats.upstream_internal_redirect_failed_total.Add();
    return false;
  }
  redirect_routes_.push_back(base::Cat(levels.route->name, " ", levels_.route->name));
  stats.upstream_internal_redirect_succeeded_total.Add();
  retry_credit_.Release();
  try_->attempt->CountResponse(response_.status);
  DiscardResponse();
  redirected_ = true;
  return true;
}

// `target` becomes the request that the redirect asks for.
bool Exchange::AcceptRedirect(const config::InternalRedirectPolicy& policy,
                              http::RequestHead& target) {
  using Kind = http::BodyFraming::Kind;
  if (redirects_ >= policy.redirects_max) {
    stats_->passthrough_internal_redirect_too_many_redirects.Add();
    return false;
  }
  // What filters made of a body must not go through filters again.
  const bool body = target.body.kind != Kind::kNone;
  if (!request_complete_ || !body_kept() || (body && !chain_.empty())) return false;
  const auto location = response_.fields.Get(Name::kLocation);
  const std::string url = base::Cat(target.scheme, "://", target.authority, target.path);
  const std::string scheme = target.scheme;
  bool valid = location.has_value() && response_.fields.CountOf(Name::kLocation) == 1 &&
               ReadLocation(*location, target);
  if (valid) {
    http::NormalizeAuthority(target.authority, http_->host, info_.local->port());
    valid = http::NormalizePath(target.path, http_->path) == http::PathVerdict::kOk;
  }
  if (!valid) {
    stats_->passthrough_internal_redirect_bad_location.Add();
    return false;
  }
  const bool safe = target.scheme == "http" || scheme == "https";
  if (target.scheme != scheme && (!policy.cross_scheme || (policy.safe_cross_scheme && !safe))) {
    stats_->passthrough_internal_redirect_unsafe_scheme.Add();
    return false;
  }
  target.fields.Set("x-envoy-original-url", url);
  for (const std::string& name : policy.copied_headers) {
    target.fields.Remove(name);
    for (const http::Field field : response_.fields) {
      if (field.name == name) target.fields.Add(field.name, field.value);
    }
  }
  const bool safe_method =
      target.method == http::Method::kGet || target.method == http::Method::kHead;
  if (response_.status == 303 && !safe_method) {
    target.method = http::Method::kGet;
    target.method_text = "GET";
    target.body = {};
    target.has_content_length = false;
  }
  return true;
}

// The route that was found for it: the old one is still that of forward_.
bool Exchange::AcceptRedirectRoute(const config::InternalRedirectPolicy& policy) {
  const config::Route* route = levels_.route;
  if (route == nullptr || !std::holds_alternative<config::ForwardAction>(route->action)) {
    stats_->passthrough_internal_redirect_no_route.Add();
    return false;
  }
  bool accepted = true;
  if (policy.allowed.has_value()) {
    accepted = std::find(policy.allowed->begin(), policy.allowed->end(), route->name) !=
               policy.allowed->end();
  }
  if (policy.only_new_routes) {
    // Ends in the name of a route that a redirect led to before.
    const std::string to = base::Cat(" ", route->name);
    accepted = accepted && std::none_of(redirect_routes_.begin(), redirect_routes_.end(),
                                        [&to](const std::string& taken) {
                                          return std::string_view(taken).ends_with(to);
                                        });
  }
  if (!accepted) stats_->passthrough_internal_redirect_predicate.Add();
  return accepted;
}

// request_ and its route are the redirect's: from the filters on, everything starts over.
Exchange::Next Exchange::Redirect() {
  redirected_ = false;
  ++redirects_;
  forwarding_ = false;
  response_timer_.Cancel();
  chain_.Done({info_, false});
  request_resumes_ = response_resumes_ = 0;
  request_length_changes_ = response_length_changes_ = false;
  replaying_ = replayed_ = fresh_only_ = timed_out_try_ = false;
  tried_hosts_.clear();
  info_.attempts = 0;
  info_.cluster = {};
  info_.original_path = {};
  forward_ = nullptr;
  if (request_.body.kind == http::BodyFraming::Kind::kNone) {
    replay_.Consume(replay_.data().size());
    replay_.Release();
    keep_replay_ = false;
  }
  KeepForRedirect();
  MakeChain();
  return FilterRequestHead();
}

}  // namespace sluice::proxy
