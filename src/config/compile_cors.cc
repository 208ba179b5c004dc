#include "config/compile_cors.h"

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile.h"
#include "config/compile_headers.h"
#include "config/compile_matchers.h"
#include "config/compile_runtime.h"
#include "config/proto_values.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "google/protobuf/any.pb.h"

namespace sluice::config {
namespace {

using ProtoPolicy = envoy::extensions::filters::http::cors::v3::CorsPolicy;

}  // namespace

std::optional<CorsPolicy> CompileCorsPolicy(const google::protobuf::Any& any,
                                            const CompileOptions& options,
                                            base::FieldErrors& errors) {
  ProtoPolicy proto;
  if (!UnpackAny(any, options, proto, errors)) return std::nullopt;
  const std::size_t before = errors.size();
  CorsPolicy policy;
  for (int i = 0; i < proto.allow_origin_string_match_size(); ++i) {
    const base::FieldErrors::Scope scope(errors, "allow_origin_string_match",
                                         static_cast<std::size_t>(i));
    auto matcher = CompileStringMatcher(proto.allow_origin_string_match(i), errors);
    if (matcher.has_value()) policy.allow_origins.push_back(*std::move(matcher));
  }
  const auto text = [&](const std::string& value, std::string_view field) {
    CheckHeaderValue(value, field, errors);
    return value;
  };
  policy.allow_methods = text(proto.allow_methods(), "allow_methods");
  policy.allow_headers = text(proto.allow_headers(), "allow_headers");
  policy.expose_headers = text(proto.expose_headers(), "expose_headers");
  policy.max_age = text(proto.max_age(), "max_age");
  policy.allow_credentials = proto.allow_credentials().value();
  policy.allow_private_network_access = proto.allow_private_network_access().value();
  if (proto.has_forward_not_matching_preflights()) {
    policy.forward_not_matching_preflights = proto.forward_not_matching_preflights().value();
  }
  if (proto.has_filter_enabled()) {
    const base::FieldErrors::Scope scope(errors, "filter_enabled");
    policy.enabled = CompileFraction(proto.filter_enabled(), errors);
  }
  if (errors.size() != before) return std::nullopt;
  return policy;
}

}  // namespace sluice::config
