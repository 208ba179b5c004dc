#include "config/compile_config_source.h"

#include <algorithm>
#include <cmath>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_headers.h"
#include "config/data_source.h"
#include "config/proto_values.h"
#include "envoy/config/core/v3/config_source.pb.h"

namespace sluice::config {
namespace {

namespace corev3 = envoy::config::core::v3;
using Scope = base::FieldErrors::Scope;
using Api = corev3::ApiConfigSource;

constexpr std::size_t kPemBytesMax = 256 * 1024;
constexpr std::uint32_t kStreamBufferMin = 64 * 1024;  // One request of 1,000 names.

class Compiler {
 public:
  Compiler(const CompileOptions& options, base::FieldErrors& errors)
      : options_(options), errors_(errors) {}

  ApiSource Compile(const Api& proto) {
    ApiSource out;
    switch (proto.api_type()) {
      case Api::REST:
        out.kind = ApiSource::Kind::kRest;
        break;
      case Api::GRPC:
        break;
      case Api::DELTA_GRPC:
        out.delta = true;
        break;
      case Api::AGGREGATED_GRPC:
        out.aggregated = true;
        break;
      case Api::AGGREGATED_DELTA_GRPC:
        out.aggregated = out.delta = true;
        break;
      default:
        AddEnumError("api_type", proto.api_type(),
                     "GRPC, DELTA_GRPC, REST, AGGREGATED_GRPC or AGGREGATED_DELTA_GRPC", errors_);
    }
    if (proto.transport_api_version() != corev3::ApiVersion::V3) {
      errors_.AddAt("transport_api_version",
                    "V2 (and AUTO) xDS transport protocol versions are deprecated; use V3");
    }
    out.set_node_on_first_message_only = proto.set_node_on_first_message_only();
    CompileRate(proto, out);
    if (out.kind == ApiSource::Kind::kRest) {
      CompileRest(proto, out);
    } else {
      CompileServices(proto, out);
    }
    return out;
  }

 private:
  void CompileRate(const Api& proto, ApiSource& out) {
    if (!proto.has_rate_limit_settings()) return;
    const Scope scope(errors_, "rate_limit_settings");
    const auto& settings = proto.rate_limit_settings();
    out.rate.emplace();
    if (settings.has_max_tokens()) out.rate->tokens_max = settings.max_tokens().value();
    if (settings.has_fill_rate()) out.rate->tokens_per_s = settings.fill_rate().value();
    if (out.rate->tokens_max < 1) {
      errors_.AddAt("max_tokens", "must be at least 1, or nothing is ever sent; write 100");
    }
    // Slower than once a minute is a stream that looks dead.
    if (!(out.rate->tokens_per_s >= 1.0 / 60) || !std::isfinite(out.rate->tokens_per_s)) {
      errors_.AddAt("fill_rate", "must be at least 0.0167 a second; write 10");
    }
  }

  void CompileRest(const Api& proto, ApiSource& out) {
    if (proto.grpc_services_size() > 0) {
      errors_.AddAt("grpc_services", "these belong to GRPC; write cluster_names");
    }
    if (out.rate) {
      errors_.AddAt("rate_limit_settings", "REST polls at refresh_delay; leave it out");
    }
    if (proto.cluster_names_size() != 1 || proto.cluster_names(0).empty()) {
      errors_.AddAt("cluster_names", "needs one entry; write the name of a static cluster");
    } else {
      out.rest_cluster = proto.cluster_names(0);
      if (options_.sources != nullptr) {
        CheckKnown(options_.sources->rest_clusters, out.rest_cluster, "cluster_names");
      }
    }
    if (!proto.has_refresh_delay()) {
      errors_.AddAt("refresh_delay", "needed by REST; write 5s");
    } else {
      out.refresh_delay_ms = DurationMsAtLeast(proto.refresh_delay(), "refresh_delay", 1, errors_);
    }
    if (proto.has_request_timeout()) {
      out.request_timeout_ms =
          DurationMsAtLeast(proto.request_timeout(), "request_timeout", 1, errors_);
    }
  }

  void CompileServices(const Api& proto, ApiSource& out) {
    constexpr std::string_view kRest = "this belongs to REST; leave it out";
    if (proto.cluster_names_size() > 0) {
      errors_.AddAt("cluster_names",
                    "gRPC takes grpc_services; write [{envoy_grpc: {cluster_name: xds_cluster}}]");
    }
    if (proto.has_refresh_delay()) errors_.AddAt("refresh_delay", kRest);
    if (proto.has_request_timeout()) errors_.AddAt("request_timeout", kRest);
    if (proto.grpc_services_size() == 0) {
      errors_.AddAt("grpc_services",
                    "needs an entry; write [{envoy_grpc: {cluster_name: xds_cluster}}]");
    }
    for (int i = 0; i < proto.grpc_services_size(); ++i) {
      const Scope scope(errors_, "grpc_services", static_cast<std::size_t>(i));
      out.services.push_back(CompileService(proto.grpc_services(i)));
    }
  }

  GrpcService CompileService(const corev3::GrpcService& proto) {
    GrpcService out;
    for (int i = 0; i < proto.initial_metadata_size(); ++i) {
      const Scope scope(errors_, "initial_metadata", static_cast<std::size_t>(i));
      const corev3::HeaderValue& header = proto.initial_metadata(i);
      const std::string key = base::Lowercase(header.key());
      if (!IsHeaderName(key) || key.starts_with(':') || key.starts_with("grpc-")) {
        errors_.AddAt("key", "no name of a header; write one, as authorization");
      }
      CheckHeaderValue(header.value(), "value", errors_);
      out.initial_metadata.emplace_back(key, header.value());
    }
    if (proto.has_retry_policy()) CompileBackOff(proto.retry_policy(), out);
    if (proto.has_google_grpc()) {
      const Scope scope(errors_, "google_grpc");
      out.google = CompileGoogle(proto.google_grpc());
    } else if (proto.has_envoy_grpc()) {
      const Scope scope(errors_, "envoy_grpc");
      CompileEnvoy(proto.envoy_grpc(), out);
    } else {
      errors_.AddAt("envoy_grpc", "needed; write {cluster_name: xds_cluster}");
    }
    return out;
  }

  void CompileEnvoy(const corev3::GrpcService::EnvoyGrpc& proto, GrpcService& out) {
    out.cluster_name = proto.cluster_name();
    if (out.cluster_name.empty()) {
      errors_.AddAt("cluster_name", "needed; write the name of a cluster in static_resources");
    } else if (options_.sources != nullptr) {
      CheckKnown(options_.sources->grpc_clusters, out.cluster_name, "cluster_name");
    }
    out.authority = proto.authority();
    CheckHeaderValue(out.authority, "authority", errors_);
    if (proto.has_retry_policy()) CompileBackOff(proto.retry_policy(), out);
  }

  void CompileBackOff(const corev3::RetryPolicy& proto, GrpcService& out) {
    if (!proto.has_retry_back_off()) return;
    const Scope retry(errors_, "retry_policy");
    const Scope scope(errors_, "retry_back_off");
    const auto& back_off = proto.retry_back_off();
    out.backoff_base_ms = DurationMsAtLeast(back_off.base_interval(), "base_interval", 1, errors_);
    out.backoff_max_ms = 10 * out.backoff_base_ms;
    if (!back_off.has_max_interval()) return;
    out.backoff_max_ms =
        DurationMsAtLeast(back_off.max_interval(), "max_interval", out.backoff_base_ms, errors_);
  }

  GoogleGrpc CompileGoogle(const corev3::GrpcService::GoogleGrpc& proto) {
    GoogleGrpc out;
    out.target_uri = proto.target_uri();
    if (out.target_uri.empty()) {
      errors_.AddAt("target_uri", "needed; write dns:///control.example:18000");
    }
    if (out.target_uri.starts_with("xds:")) {
      errors_.AddAt("target_uri", "an xDS server is not found over xDS; write dns:///host:port");
    }
    out.stat_prefix = proto.stat_prefix();
    if (out.stat_prefix.empty()) errors_.AddAt("stat_prefix", "needed; write a name");
    CompileCredentials(proto, out);
    if (proto.has_per_stream_buffer_limit_bytes()) {
      out.stream_buffer_bytes_max = proto.per_stream_buffer_limit_bytes().value();
      if (out.stream_buffer_bytes_max < kStreamBufferMin) {
        errors_.AddAt("per_stream_buffer_limit_bytes",
                      base::Cat("must be at least ", kStreamBufferMin, " to hold a request; write ",
                                1024 * 1024));
      }
    }
    const Scope scope(errors_, "channel_args");
    for (const auto& [name, value] : proto.channel_args().args()) {
      using Value = corev3::GrpcService::GoogleGrpc::ChannelArgs::Value;
      if (value.value_specifier_case() == Value::kIntValue) {
        if (value.int_value() != static_cast<int>(value.int_value())) {
          errors_.AddAt(base::Cat("args[\"", base::Printable(name), "\"].int_value"),
                        "is out of range; gRPC's arguments have 32 bits");
        }
        out.channel_args.emplace_back(name, value.int_value());
      } else if (value.value_specifier_case() == Value::kStringValue) {
        out.channel_args.emplace_back(name, value.string_value());
      } else {
        errors_.AddAt(base::Cat("args[\"", base::Printable(name), "\"]"),
                      "no value; write int_value or string_value");
      }
    }
    std::sort(out.channel_args.begin(), out.channel_args.end());
    return out;
  }

  void CompileCredentials(const corev3::GrpcService::GoogleGrpc& proto, GoogleGrpc& out) {
    using Channel = corev3::GrpcService::GoogleGrpc::ChannelCredentials;
    if (proto.has_channel_credentials()) {
      const Scope scope(errors_, "channel_credentials");
      switch (proto.channel_credentials().credential_specifier_case()) {
        case Channel::kSslCredentials:
          CompileTls(proto.channel_credentials().ssl_credentials(), out);
          break;
        case Channel::kLocalCredentials:
          out.local = true;
          break;
        case Channel::CREDENTIAL_SPECIFIER_NOT_SET:
          errors_.Add("no credentials; write ssl_credentials: {}");
          break;
        default:
          break;  // Refused by the field policy.
      }
    }
    using Call = corev3::GrpcService::GoogleGrpc::CallCredentials;
    for (int i = 0; i < proto.call_credentials_size(); ++i) {
      const Scope scope(errors_, "call_credentials", static_cast<std::size_t>(i));
      const Call& call = proto.call_credentials(i);
      if (call.credential_specifier_case() == Call::CREDENTIAL_SPECIFIER_NOT_SET) {
        errors_.Add("no credentials; write access_token");
      }
      if (call.credential_specifier_case() != Call::kAccessToken) continue;
      if (call.access_token().empty()) errors_.AddAt("access_token", "is empty; write the token");
      CheckHeaderValue(call.access_token(), "access_token", errors_);
      if (!out.tls) {
        errors_.AddAt("access_token",
                      "a token is not sent in the clear; write channel_credentials: "
                      "{ssl_credentials: {}}");
      }
      out.access_tokens.push_back(call.access_token());
    }
  }

  void CompileTls(const corev3::GrpcService::GoogleGrpc::SslCredentials& proto, GoogleGrpc& out) {
    const Scope scope(errors_, "ssl_credentials");
    out.tls = true;
    const auto read = [&](bool set, const corev3::DataSource& source, std::string_view field,
                          std::string& pem) {
      if (!set) return;
      const Scope field_scope(errors_, field);
      if (auto bytes = ReadDataSource(source, kPemBytesMax, errors_)) pem = *std::move(bytes);
    };
    read(proto.has_root_certs(), proto.root_certs(), "root_certs", out.root_certs_pem);
    read(proto.has_cert_chain(), proto.cert_chain(), "cert_chain", out.certificate_pem);
    read(proto.has_private_key(), proto.private_key(), "private_key", out.private_key_pem);
    if (proto.has_cert_chain() != proto.has_private_key()) {
      errors_.Add("cert_chain and private_key go together; write both or none");
    }
  }

  void CheckKnown(const std::vector<std::string>& known, const std::string& name,
                  std::string_view field) {
    if (std::find(known.begin(), known.end(), name) != known.end()) return;
    errors_.AddAt(field, base::Cat("Unknown gRPC client cluster '", base::Printable(name),
                                   "', or one that cannot carry xDS; use a cluster of "
                                   "static_resources that speaks HTTP/2"));
  }

  const CompileOptions& options_;
  base::FieldErrors& errors_;
};

PathSource CompilePath(const std::string& path, const std::string& directory,
                       base::FieldErrors& errors) {
  if (path.empty()) errors.AddAt("path", "needed; write the name of a file");
  static constexpr std::string_view kEndings[] = {".yaml", ".yml", ".json", ".pb"};
  const bool known = std::any_of(std::begin(kEndings), std::end(kEndings),
                                 [&](std::string_view each) { return path.ends_with(each); });
  if (!path.empty() && !known) {
    errors.AddAt(
        "path",
        base::Cat("'", base::Printable(path),
                  "' is of no known format; use a name that ends in .yaml, .yml, .json or .pb"));
  }
  return {path, directory};
}

}  // namespace

ConfigSource CompileConfigSource(const corev3::ConfigSource& proto, const CompileOptions& options,
                                 base::FieldErrors& errors) {
  ConfigSource out;
  switch (proto.config_source_specifier_case()) {
    case corev3::ConfigSource::kAds:
      out.from = AdsSource{};
      if (options.sources != nullptr && !options.sources->ads) {
        errors.AddAt("ads", "there is no ADS server; write dynamic_resources.ads_config");
      }
      break;
    case corev3::ConfigSource::kSelf: {
      out.from = SelfSource{};
      const auto version = proto.self().transport_api_version();
      if (version != corev3::ApiVersion::V3 && version != corev3::ApiVersion::AUTO) {
        AddEnumError("self.transport_api_version", version, "V3", errors);
      }
      break;
    }
    case corev3::ConfigSource::kPath:
      out.from = CompilePath(proto.path(), "", errors);
      break;
    case corev3::ConfigSource::kPathConfigSource: {
      const Scope scope(errors, "path_config_source");
      out.from = CompilePath(proto.path_config_source().path(),
                             proto.path_config_source().watched_directory().path(), errors);
      if (proto.path_config_source().has_watched_directory() &&
          proto.path_config_source().watched_directory().path().empty()) {
        errors.AddAt("watched_directory.path", "needed; write the name of a directory");
      }
      break;
    }
    case corev3::ConfigSource::kApiConfigSource: {
      const Scope scope(errors, "api_config_source");
      out.from = Compiler(options, errors).Compile(proto.api_config_source());
      break;
    }
    case corev3::ConfigSource::CONFIG_SOURCE_SPECIFIER_NOT_SET:
      errors.Add("no source of configuration; write ads: {}");
      break;
  }
  if (proto.resource_api_version() != corev3::ApiVersion::V3 &&
      proto.resource_api_version() != corev3::ApiVersion::AUTO) {
    AddEnumError("resource_api_version", proto.resource_api_version(), "V3", errors);
  }
  if (proto.has_initial_fetch_timeout()) {
    out.fetch_timeout_ms =
        DurationMs(proto.initial_fetch_timeout(), "initial_fetch_timeout", errors);
  }
  return out;
}

ApiSource CompileAdsConfig(const Api& proto, const CompileOptions& options,
                           base::FieldErrors& errors) {
  ApiSource out = Compiler(options, errors).Compile(proto);
  if (out.kind == ApiSource::Kind::kRest) {
    errors.AddAt("api_type", "REST has no aggregated form; use GRPC or DELTA_GRPC");
  }
  out.aggregated = true;
  return out;
}

void CheckResourceName(std::string_view name, std::string_view field, base::FieldErrors& errors) {
  if (name.empty()) {
    errors.AddAt(field, "needed; write the name of a resource");
  } else if (name.starts_with("xdstp:")) {
    errors.AddAt(field, "xdstp:// names are not supported; use a plain name");
  }
}

}  // namespace sluice::config
