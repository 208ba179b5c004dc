#include "filters/cors.h"

#include "base/strings.h"

namespace sluice::filters {
namespace {

using http::Name;

constexpr Name kManaged[] = {
    Name::kAccessControlAllowOrigin,         Name::kAccessControlAllowCredentials,
    Name::kAccessControlAllowMethods,        Name::kAccessControlAllowHeaders,
    Name::kAccessControlExposeHeaders,       Name::kAccessControlMaxAge,
    Name::kAccessControlAllowPrivateNetwork,
};

bool OriginAllowed(const config::CorsPolicy& policy, std::string_view origin, unsigned worker) {
  for (const config::StringMatcher& matcher : policy.allow_origins) {
    const bool any = matcher.kind == config::StringMatcher::Kind::kExact && matcher.text == "*";
    if (any || matcher.Matches(origin, worker)) return true;
  }
  return false;
}

// Whether the comma-separated `list` names `token` or "*".
bool ListNames(std::string_view list, std::string_view token) {
  for (const std::string_view element : base::Split(list, ',')) {
    const std::string_view name = base::TrimOws(element);
    if (name == "*" || base::EqualsIgnoreCase(name, token)) return true;
  }
  return false;
}

// A cache must not give one origin's answer to another.
void AddVaryOrigin(http::Fields& fields) {
  std::string scratch;
  const auto vary = fields.GetJoined("vary", scratch);
  if (vary.has_value() && ListNames(*vary, "origin")) return;
  if (!vary.has_value() || vary->empty()) {
    fields.Set(Name::kVary, "Origin");
    return;
  }
  const std::string merged = base::Cat(*vary, ", Origin");
  fields.Set(Name::kVary, merged);
}

class CorsFilter final : public Filter {
 public:
  CorsFilter(Context& context, const config::CorsPolicy& policy, bool allowed)
      : context_(context), policy_(policy), allowed_(allowed) {}

  Verdict OnRequestHead(http::RequestHead& head, End) override {
    origin_ = *head.fields.Get(Name::kOrigin);
    const auto method = head.fields.Get(Name::kAccessControlRequestMethod);
    const bool preflight =
        head.method == http::Method::kOptions && method.has_value() && !method->empty();
    if (!preflight) return Verdict::kContinue;
    if (!allowed_ && policy_.forward_not_matching_preflights) return Verdict::kContinue;
    preflight_ = true;
    LocalReply& reply = context_.reply();
    reply.status = 200;
    reply.details = "cors_response";
    if (allowed_) FillPreflight(head, reply.fields);
    return Verdict::kReply;
  }
  Verdict OnRequestBody(Body&, End) override { return Verdict::kContinue; }
  Verdict OnRequestTrailers(http::Fields&) override { return Verdict::kContinue; }

  Verdict OnResponseHead(http::ResponseHead& head, End) override {
    if (preflight_ || !allowed_) return Verdict::kContinue;
    for (const Name name : kManaged) {
      if (head.fields.Has(name)) head.fields.Remove(name);
    }
    head.fields.Add(Name::kAccessControlAllowOrigin, origin_);
    if (policy_.allow_credentials) head.fields.Add(Name::kAccessControlAllowCredentials, "true");
    if (!policy_.expose_headers.empty()) {
      head.fields.Add(Name::kAccessControlExposeHeaders, policy_.expose_headers);
    }
    AddVaryOrigin(head.fields);
    return Verdict::kContinue;
  }
  Verdict OnResponseBody(Body&, End) override { return Verdict::kContinue; }
  Verdict OnResponseTrailers(http::Fields&) override { return Verdict::kContinue; }
  void OnDone(const Outcome&) noexcept override {}

 private:
  void FillPreflight(const http::RequestHead& head, http::Fields& fields) const {
    fields.Add(Name::kAccessControlAllowOrigin, origin_);
    if (policy_.allow_credentials) fields.Add(Name::kAccessControlAllowCredentials, "true");
    if (!policy_.allow_methods.empty()) {
      fields.Add(Name::kAccessControlAllowMethods, policy_.allow_methods);
    }
    if (!policy_.allow_headers.empty()) {
      fields.Add(Name::kAccessControlAllowHeaders, policy_.allow_headers);
    }
    if (!policy_.max_age.empty()) fields.Add(Name::kAccessControlMaxAge, policy_.max_age);
    const auto network = head.fields.Get(Name::kAccessControlRequestPrivateNetwork);
    if (policy_.allow_private_network_access && network == "true") {
      fields.Add(Name::kAccessControlAllowPrivateNetwork, "true");
    }
    AddVaryOrigin(fields);
  }

  Context& context_;
  const config::CorsPolicy& policy_;  // Used until the response head is out.
  const bool allowed_;
  bool preflight_ = false;
  std::string origin_;
};

}  // namespace

std::unique_ptr<Filter> MakeCorsFilter(std::string_view filter_name, Context& context,
                                       const http::RequestHead& head, observe::CorsStats& stats) {
  const auto origin = head.fields.Get(Name::kOrigin);
  if (!origin.has_value() || origin->empty()) return nullptr;
  const config::PerFilterConfig* config = context.per_filter(filter_name);
  const auto* policy = config == nullptr ? nullptr : std::get_if<config::CorsPolicy>(config);
  if (policy == nullptr || !policy->enabled.Enabled(context.runtime(), context.random().Next())) {
    return nullptr;
  }
  const bool allowed = OriginAllowed(*policy, *origin, context.worker());
  (allowed ? stats.origin_valid : stats.origin_invalid).Add();
  return std::make_unique<CorsFilter>(context, *policy, allowed);
}

}  // namespace sluice::filters
