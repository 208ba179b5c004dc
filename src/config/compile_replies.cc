#include "config/compile_replies.h"

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile.h"
#include "config/compile_access_log.h"
#include "config/compile_format.h"
#include "config/compile_headers.h"
#include "config/data_source.h"
#include "config/proto_values.h"
#include "config/type_registry.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation.pb.h"
#include "envoy/extensions/request_id/uuid/v3/uuid.pb.h"

namespace sluice::config {
namespace {

namespace hcmv3 = envoy::extensions::filters::network::http_connection_manager::v3;
using Proto = hcmv3::HttpConnectionManager;
using Scope = base::FieldErrors::Scope;
using EarlyMutation =
    envoy::extensions::http::early_header_mutation::header_mutation::v3::HeaderMutation;
using UuidRequestIds = envoy::extensions::request_id::uuid::v3::UuidRequestIdConfig;

constexpr std::size_t kBodyBytesMax = 64 * 1024;
constexpr int kMappersMax = 1000;

// Unpacks the only extension there is of its kind; false after adding an error.
template <typename Config>
bool UnpackOnly(const google::protobuf::Any& any, std::string_view name,
                const CompileOptions& options, Config& config, base::FieldErrors& errors) {
  const Scope scope(errors, "typed_config");
  const std::string supported(Config::descriptor()->full_name());
  if (TypeNameOf(any.type_url()) != supported) {
    errors.Add(base::Cat("Didn't find a registered implementation for '", base::Printable(name),
                         "' with type URL: '", base::Printable(any.type_url()),
                         "'; use an @type that is supported here: ", supported));
    return false;
  }
  return UnpackAny(any, options, config, errors);
}

ReplyMapper CompileMapper(const hcmv3::ResponseMapper& proto, base::FieldErrors& errors) {
  ReplyMapper mapper;
  if (proto.has_filter()) {
    const Scope scope(errors, "filter");
    mapper.filter = CompileAccessLogFilter(proto.filter(), errors);
  } else {
    errors.AddAt("filter", "is required");
  }
  if (proto.has_status_code()) {
    const std::uint32_t status = proto.status_code().value();
    if (status < 200 || status > 599) {
      errors.AddAt("status_code", base::Cat(status, " is no final status; write 200 to 599"));
    } else {
      mapper.status = static_cast<int>(status);
    }
  }
  if (proto.has_body()) {
    const Scope scope(errors, "body");
    mapper.body = ReadDataSource(proto.body(), kBodyBytesMax, errors);
  }
  if (proto.has_body_format_override()) {
    const Scope scope(errors, "body_format_override");
    mapper.format = CompileBodyFormat(proto.body_format_override(), errors);
  }
  mapper.headers.add = CompileAdditions(proto.headers_to_add(), "headers_to_add", errors);
  return mapper;
}

void CompileLocalReply(const hcmv3::LocalReplyConfig& proto, LocalReplyConfig& out,
                       base::FieldErrors& errors) {
  const Scope scope(errors, "local_reply_config");
  if (proto.mappers_size() > kMappersMax) {
    errors.AddAt("mappers", base::Cat("has ", proto.mappers_size(), " entries; at most ",
                                      kMappersMax, " are allowed"));
    return;
  }
  for (int i = 0; i < proto.mappers_size(); ++i) {
    const Scope mapper(errors, "mappers", static_cast<std::size_t>(i));
    out.mappers.push_back(CompileMapper(proto.mappers(i), errors));
  }
  if (proto.has_body_format()) {
    const Scope format(errors, "body_format");
    out.format = CompileBodyFormat(proto.body_format(), errors);
  }
}

}  // namespace

void CompileReplies(const Proto& proto, HttpConnectionManager& out, base::FieldErrors& errors) {
  if (proto.has_local_reply_config()) {
    CompileLocalReply(proto.local_reply_config(), out.local_reply, errors);
  }
  if (!proto.has_proxy_status_config()) return;
  const Proto::ProxyStatusConfig& status = proto.proxy_status_config();
  const Scope scope(errors, "proxy_status_config");
  ProxyStatusConfig& compiled = out.proxy_status.emplace();
  compiled.name =
      status.literal_proxy_name().empty() ? out.server_name : status.literal_proxy_name();
  CheckHeaderValue(compiled.name, "literal_proxy_name", errors);
  compiled.details = !status.remove_details();
  compiled.termination_details = !status.remove_connection_termination_details();
  compiled.flags = !status.remove_response_flags();
  compiled.recommended_status = status.set_recommended_response_code();
}

void CompileRequestExtensions(const Proto& proto, const CompileOptions& options,
                              HttpConnectionManager& out, base::FieldErrors& errors) {
  for (int i = 0; i < proto.early_header_mutation_extensions_size(); ++i) {
    const Scope scope(errors, "early_header_mutation_extensions", static_cast<std::size_t>(i));
    const auto& extension = proto.early_header_mutation_extensions(i);
    EarlyMutation config;
    if (!UnpackOnly(extension.typed_config(), extension.name(), options, config, errors)) continue;
    const Scope inner(errors, "typed_config");
    for (HeaderStep& step : CompileHeaderSteps(config.mutations(), "mutations", errors)) {
      out.early_steps.push_back(std::move(step));
    }
  }
  if (proto.has_request_id_extension()) {
    const Scope scope(errors, "request_id_extension");
    UuidRequestIds config;
    UnpackOnly(proto.request_id_extension().typed_config(), "request_id_extension", options, config,
               errors);
  }
  out.scheme = proto.scheme_header_transformation().scheme_to_overwrite();
  if (!out.scheme.empty() && out.scheme != "http" && out.scheme != "https") {
    errors.AddAt(
        "scheme_header_transformation.scheme_to_overwrite",
        base::Cat("'", base::Printable(out.scheme), "' is not known; write http or https"));
  }
}

}  // namespace sluice::config
