#include "config/compile_retry.h"

#include <algorithm>
#include <utility>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_headers.h"
#include "config/compile_matchers.h"
#include "config/proto_values.h"
#include "config/type_registry.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/internal_redirect/allow_listed_routes/v3/allow_listed_routes_config.pb.h"
#include "envoy/extensions/internal_redirect/previous_routes/v3/previous_routes_config.pb.h"
#include "envoy/extensions/internal_redirect/safe_cross_scheme/v3/safe_cross_scheme_config.pb.h"
#include "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.pb.h"
#include "http/authority.h"

namespace sluice::config {
namespace {

using Scope = base::FieldErrors::Scope;
namespace routev3 = envoy::config::route::v3;
namespace redirectv3 = envoy::extensions::internal_redirect;
using ProtoRetry = routev3::RetryPolicy;
using ProtoMirrors = google::protobuf::RepeatedPtrField<routev3::RouteAction::RequestMirrorPolicy>;

// Of what is kept of one request.
constexpr std::uint64_t kBufferBytesMax = 1ULL << 30;
constexpr std::int64_t kHostPicksMax = 1000;

std::string HeaderName(const std::string& name, std::string_view field, base::FieldErrors& errors) {
  if (!IsHeaderName(name) || name.starts_with(':')) {
    errors.AddAt(field, base::Cat("'", base::Printable(name), "' is no header name"));
  }
  return base::Lowercase(name);
}

void CompileBackOff(const ProtoRetry& proto, RetryPolicy& out, base::FieldErrors& errors) {
  if (proto.has_retry_back_off()) {
    const Scope scope(errors, "retry_back_off");
    const auto& backoff = proto.retry_back_off();
    if (!backoff.has_base_interval()) {
      errors.AddAt("base_interval", "is required; write a duration, as 0.025s");
      return;
    }
    out.backoff_base_ms = DurationMsAtLeast(backoff.base_interval(), "base_interval", 1, errors);
    out.backoff_max_ms = 10 * out.backoff_base_ms;
    if (backoff.has_max_interval()) {
      out.backoff_max_ms = DurationMsAtLeast(backoff.max_interval(), "max_interval", 1, errors);
      if (out.backoff_max_ms < out.backoff_base_ms) {
        errors.AddAt("max_interval", "below base_interval; write a duration at or above it");
      }
    }
  }
  if (!proto.has_rate_limited_retry_back_off()) return;
  const Scope scope(errors, "rate_limited_retry_back_off");
  const auto& limited = proto.rate_limited_retry_back_off();
  for (int i = 0; i < limited.reset_headers_size(); ++i) {
    const Scope row(errors, "reset_headers", static_cast<std::size_t>(i));
    const auto& header = limited.reset_headers(i);
    out.reset_headers.push_back(
        {HeaderName(header.name(), "name", errors), header.format() == ProtoRetry::UNIX_TIMESTAMP});
  }
  if (limited.reset_headers().empty()) {
    errors.AddAt("reset_headers", "is empty; write the header that says when to come back");
  }
  if (limited.has_max_interval()) {
    out.reset_max_ms = DurationMsAtLeast(limited.max_interval(), "max_interval", 1, errors);
  }
}

void CompileHostPredicates(const ProtoRetry& proto, const CompileOptions& options, RetryPolicy& out,
                           base::FieldErrors& errors) {
  for (int i = 0; i < proto.retry_host_predicate_size(); ++i) {
    const Scope row(errors, "retry_host_predicate", static_cast<std::size_t>(i));
    const auto& any = proto.retry_host_predicate(i).typed_config();
    envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate predicate;
    if (TypeNameOf(any.type_url()) != predicate.GetTypeName()) {
      errors.AddAt("typed_config",
                   base::Cat("'", base::Printable(any.type_url()), "' is not supported; write ",
                             predicate.GetTypeName()));
      continue;
    }
    const Scope scope(errors, "typed_config");
    UnpackAny(any, options, predicate, errors);
    out.avoid_previous_hosts = true;
  }
  const std::int64_t picks = proto.host_selection_retry_max_attempts();
  if (picks < 0 || picks > kHostPicksMax) {
    errors.AddAt("host_selection_retry_max_attempts",
                 base::Cat(picks, " is out of range; write 0 to ", kHostPicksMax));
  } else if (picks > 0) {
    out.host_picks_max = static_cast<std::uint32_t>(picks);
  }
}

RetryPolicy CompileRetryPolicy(const ProtoRetry& proto, const CompileOptions& options,
                               base::FieldErrors& errors) {
  RetryPolicy out;
  out.on = ParseRetryOn(proto.retry_on());
  if (proto.retry_on().find("http3-post-connect-failure") != std::string::npos) {
    errors.AddAt("retry_on", "http3-post-connect-failure: leave it out, there is no HTTP/3 here");
  }
  if (proto.has_num_retries()) out.retries_max = proto.num_retries().value();
  if (proto.has_per_try_timeout()) {
    out.per_try_timeout_ms = DurationMs(proto.per_try_timeout(), "per_try_timeout", errors);
  }
  if (proto.has_per_try_idle_timeout()) {
    out.per_try_idle_timeout_ms =
        DurationMs(proto.per_try_idle_timeout(), "per_try_idle_timeout", errors);
  }
  CompileBackOff(proto, out, errors);
  CompileHostPredicates(proto, options, out, errors);
  for (const std::uint32_t status : proto.retriable_status_codes()) {
    if (status < 100 || status > 599) {
      errors.AddAt("retriable_status_codes", base::Cat(status, " is no status; write 100 to 599"));
    }
    out.statuses.push_back(status);
  }
  const auto matchers = [&errors](const auto& protos, std::string_view field,
                                  std::vector<HeaderMatcher>& list) {
    for (int i = 0; i < protos.size(); ++i) {
      const Scope row(errors, field, static_cast<std::size_t>(i));
      if (auto matcher = CompileHeaderMatcher(protos[i], errors)) {
        list.push_back(*std::move(matcher));
      }
    }
  };
  matchers(proto.retriable_headers(), "retriable_headers", out.response_headers);
  matchers(proto.retriable_request_headers(), "retriable_request_headers", out.request_headers);
  return out;
}

std::vector<MirrorPolicy> CompileMirrors(const ProtoMirrors& protos, base::FieldErrors& errors) {
  std::vector<MirrorPolicy> mirrors;
  for (int i = 0; i < protos.size(); ++i) {
    const Scope row(errors, "request_mirror_policies", static_cast<std::size_t>(i));
    const auto& proto = protos[i];
    MirrorPolicy mirror;
    mirror.cluster = proto.cluster();
    if (!proto.cluster_header().empty()) {
      mirror.cluster_header = HeaderName(proto.cluster_header(), "cluster_header", errors);
    }
    if (mirror.cluster.empty() == mirror.cluster_header.empty()) {
      errors.AddAt("cluster", "write either cluster or cluster_header");
    }
    if (proto.has_runtime_fraction()) {
      const auto& fraction = proto.runtime_fraction();
      mirror.fraction.key = fraction.runtime_key();
      mirror.fraction.numerator = fraction.default_value().numerator();
      using Percent = envoy::type::v3::FractionalPercent;
      mirror.fraction.denominator =
          fraction.default_value().denominator() == Percent::MILLION        ? 1'000'000
          : fraction.default_value().denominator() == Percent::TEN_THOUSAND ? 10'000
                                                                            : 100;
    }
    mirror.shadow_suffix = !proto.disable_shadow_host_suffix_append();
    mirror.host_rewrite = proto.host_rewrite_literal();
    if (!mirror.host_rewrite.empty() && !http::ParseAuthority(mirror.host_rewrite).has_value()) {
      errors.AddAt("host_rewrite_literal", base::Cat("'", base::Printable(mirror.host_rewrite),
                                                     "' is no host or host:port"));
    }
    mirrors.push_back(std::move(mirror));
  }
  return mirrors;
}

void CompilePredicate(const google::protobuf::Any& any, const CompileOptions& options,
                      InternalRedirectPolicy& out, base::FieldErrors& errors) {
  redirectv3::previous_routes::v3::PreviousRoutesConfig previous;
  redirectv3::safe_cross_scheme::v3::SafeCrossSchemeConfig safe;
  redirectv3::allow_listed_routes::v3::AllowListedRoutesConfig allowed;
  const std::string_view type = TypeNameOf(any.type_url());
  if (type == previous.GetTypeName()) {
    UnpackAny(any, options, previous, errors);
    out.only_new_routes = true;
  } else if (type == safe.GetTypeName()) {
    UnpackAny(any, options, safe, errors);
    out.safe_cross_scheme = true;
  } else if (type == allowed.GetTypeName()) {
    UnpackAny(any, options, allowed, errors);
    std::vector<std::string> names(allowed.allowed_route_names().begin(),
                                   allowed.allowed_route_names().end());
    if (std::find(names.begin(), names.end(), "") != names.end()) {
      errors.AddAt("allowed_route_names", "holds an empty name; write names of routes");
    }
    out.allowed = std::move(names);
  } else {
    errors.Add(base::Cat("'", base::Printable(any.type_url()), "' is not supported; write ",
                         previous.GetTypeName(), ", ", allowed.GetTypeName(), " or ",
                         safe.GetTypeName()));
  }
}

InternalRedirectPolicy CompileRedirects(const routev3::InternalRedirectPolicy& proto,
                                        const CompileOptions& options, base::FieldErrors& errors) {
  InternalRedirectPolicy out;
  if (proto.has_max_internal_redirects())
    out.redirects_max = proto.max_internal_redirects().value();
  if (!proto.redirect_response_codes().empty()) {
    out.statuses.clear();
    for (const std::uint32_t status : proto.redirect_response_codes()) {
      // Envoy ignores others; a typing error had better be seen.
      if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308) {
        errors.AddAt("redirect_response_codes",
                     base::Cat(status, " is no redirect; write 301, 302, 303, 307 or 308"));
      }
      out.statuses.push_back(status);
    }
  }
  for (int i = 0; i < proto.predicates_size(); ++i) {
    const Scope row(errors, "predicates", static_cast<std::size_t>(i));
    const Scope scope(errors, "typed_config");
    CompilePredicate(proto.predicates(i).typed_config(), options, out, errors);
  }
  out.cross_scheme = proto.allow_cross_scheme_redirect();
  for (const std::string& name : proto.response_headers_to_copy()) {
    out.copied_headers.push_back(HeaderName(name, "response_headers_to_copy", errors));
  }
  return out;
}

// Of a virtual host or a route.
template <typename Proto>
void CompileBufferLimit(const Proto& proto, TryPolicy& out, base::FieldErrors& errors) {
  std::string_view field = "request_body_buffer_limit";
  if (proto.has_request_body_buffer_limit()) {
    out.buffer_bytes_max = proto.request_body_buffer_limit().value();
  } else if (proto.has_per_request_buffer_limit_bytes()) {
    field = "per_request_buffer_limit_bytes";
    out.buffer_bytes_max = proto.per_request_buffer_limit_bytes().value();
  }
  if (out.buffer_bytes_max.value_or(0) > kBufferBytesMax) {
    errors.AddAt(field, base::Cat(*out.buffer_bytes_max, " is out of range; write at most ",
                                  kBufferBytesMax));
  }
}

}  // namespace

TryPolicy CompileHostTries(const routev3::VirtualHost& proto,
                           const std::vector<MirrorPolicy>& mirrors, const CompileOptions& options,
                           base::FieldErrors& errors) {
  TryPolicy out;
  if (proto.has_retry_policy()) {
    const Scope scope(errors, "retry_policy");
    out.retry = CompileRetryPolicy(proto.retry_policy(), options, errors);
  }
  out.hedge_on_per_try_timeout = proto.hedge_policy().hedge_on_per_try_timeout();
  out.mirrors = proto.request_mirror_policies().empty()
                    ? mirrors
                    : CompileMirrors(proto.request_mirror_policies(), errors);
  CompileBufferLimit(proto, out, errors);
  out.attempt_count_upstream = proto.include_request_attempt_count();
  out.attempt_count_downstream = proto.include_attempt_count_in_response();
  out.timeout_retry_header = proto.include_is_timeout_retry_header();
  return out;
}

SharedTryPolicy CompileTries(const routev3::Route& proto, const TryPolicy& host,
                             const SharedTryPolicy& shared, const CompileOptions& options,
                             base::FieldErrors& errors) {
  const routev3::RouteAction& action = proto.route();
  const bool own = action.has_retry_policy() || action.has_hedge_policy() ||
                   !action.request_mirror_policies().empty() ||
                   action.has_internal_redirect_policy() || proto.has_request_body_buffer_limit() ||
                   proto.has_per_request_buffer_limit_bytes();
  if (!own) return shared;
  TryPolicy out = host;
  CompileBufferLimit(proto, out, errors);
  const Scope scope(errors, "route");
  if (action.has_retry_policy()) {
    const Scope policy(errors, "retry_policy");
    out.retry = CompileRetryPolicy(action.retry_policy(), options, errors);
  }
  if (action.has_hedge_policy()) {
    out.hedge_on_per_try_timeout = action.hedge_policy().hedge_on_per_try_timeout();
  }
  if (!action.request_mirror_policies().empty()) {
    out.mirrors = CompileMirrors(action.request_mirror_policies(), errors);
  }
  if (action.has_internal_redirect_policy()) {
    const Scope policy(errors, "internal_redirect_policy");
    out.redirects = CompileRedirects(action.internal_redirect_policy(), options, errors);
  }
  return SharedTryPolicy(std::move(out));
}

std::vector<MirrorPolicy> CompileTableMirrors(const routev3::RouteConfiguration& proto,
                                              base::FieldErrors& errors) {
  return CompileMirrors(proto.request_mirror_policies(), errors);
}

}  // namespace sluice::config
