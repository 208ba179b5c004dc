#include "tests/unit/config/print_config.h"

#include <variant>

#include "base/strings.h"
#include "tests/unit/config/print_route.h"

namespace sluice::config {
namespace {

std::string Quoted(std::string_view text) {
  return base::Cat("\"", base::Printable(text, 4096), "\"");
}

class Printer {
 public:
  std::string Take() { return std::move(out_); }

  void Print(const Listener& value) {
    const Listener none;
    Line("listener ", Quoted(value.name));
    const Indent indent(*this);
    Line("address ", value.address.ToString());
    for (const auto& address : value.additional_addresses) Line("and ", address.ToString());
    Text("stat_prefix", value.stat_prefix);
    Number("buffer", value.connection_buffer_limit_bytes, none.connection_buffer_limit_bytes);
    Number("backlog", value.tcp_backlog, none.tcp_backlog);
    Bool("ipv4_compat", value.ipv4_compat, none.ipv4_compat);
    for (const FilterChain& chain : value.filter_chains) {
      Line("chain ", Quoted(chain.name));
      const Indent chain_indent(*this);
      Print(*chain.http);
    }
  }

  void Print(const Cluster& value) {
    const Cluster none;
    static constexpr const char* kTypes[] = {"STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS"};
    Line("cluster ", Quoted(value.name), " ", kTypes[static_cast<std::size_t>(value.type)]);
    const Indent indent(*this);
    if (value.stat_name != value.name) Text("stat_name", value.stat_name);
    Text("eds_service_name", value.eds_service_name);
    Number("eds_fetch_timeout_ms", value.eds_fetch_timeout_ms, none.eds_fetch_timeout_ms);
    Print(value.assignment);
    Print(value.dns);
    Number("connect_timeout_ms", value.connect_timeout_ms, none.connect_timeout_ms);
    Number("buffer", value.connection_buffer_limit_bytes, none.connection_buffer_limit_bytes);
    Number("panic %", value.panic_threshold_percent, none.panic_threshold_percent);
    for (std::size_t i = 0; i < value.breakers.size(); ++i) {
      const BreakerLimits& limits = value.breakers[i];
      if (limits == BreakerLimits()) continue;
      Line(i == 0 ? "limits" : "limits HIGH", " connections ", limits.connections_max, " pending ",
           limits.pending_max, " requests ", limits.requests_max, " retries ", limits.retries_max);
    }
    if (value.tls) Print(*value.tls);
    if (value.keepalive) {
      Line("keepalive probes ", value.keepalive->probes, " time ", value.keepalive->time_s,
           " interval ", value.keepalive->interval_s);
    }
    Number("idle_timeout_ms", value.idle_timeout_ms, none.idle_timeout_ms);
    Number("requests_per_connection", value.requests_per_connection_max, 0);
    Number("response_fields_max", value.response_fields_max, none.response_fields_max);
    Number("response_head_bytes_max", value.response_head_bytes_max, none.response_head_bytes_max);
    if (value.protocol == Cluster::Protocol::kHttp2) {
      Line("http2 ping ", value.http2_keepalive_interval_ms, "ms answer ",
           value.http2_keepalive_timeout_ms, "ms");
    }
  }

  void Print(std::string_view what, const ApiSource& value) {
    const std::string once = value.set_node_on_first_message_only ? " node once" : "";
    if (value.kind == ApiSource::Kind::kRest) {
      Line(what, " REST ", Quoted(value.rest_cluster), " every ", value.refresh_delay_ms,
           "ms, within ", value.request_timeout_ms, "ms");
    }
    if (value.rate) Line(what, " rate ", value.rate->tokens_max, " tokens");
    for (const GrpcService& service : value.services) {
      Line(what, " ", value.delta ? "delta " : "",
           Quoted(service.google ? service.google->target_uri : service.cluster_name),
           " authority ", Quoted(service.authority), " back-off ", service.backoff_base_ms, " to ",
           service.backoff_max_ms, "ms", once);
      for (const auto& [key, text] : service.initial_metadata) Line("  ", key, ": ", text);
    }
  }

  void Print(const Bootstrap& value) {
    Line("node ", Quoted(value.node.id), " cluster ", Quoted(value.node.cluster), " locality ",
         Quoted(base::Cat(value.node.region, "/", value.node.zone, "/", value.node.sub_zone)),
         " metadata bytes ", value.node.metadata_bytes.size());
    if (value.admin_address) Line("admin ", value.admin_address->ToString());
    for (const AccessLog& log : value.admin_access_logs) Print(log);
    if (value.ads) Print("ads", *value.ads);
    const auto source = [&](std::string_view what, const std::optional<ConfigSource>& config) {
      if (!config) return;
      Line(what, " within ", config->fetch_timeout_ms, "ms");
      if (const auto* api = std::get_if<ApiSource>(&config->from)) Print("  from", *api);
      if (const auto* path = std::get_if<PathSource>(&config->from)) {
        Line("  from ", Quoted(path->path), " watching ", Quoted(path->watched_directory));
      }
    };
    source("lds", value.lds);
    source("cds", value.cds);
    for (const auto& listener : value.listeners) Print(*listener.value);
    for (const auto& cluster : value.clusters) Print(*cluster.value);
  }

 private:
  class Indent {
   public:
    explicit Indent(Printer& printer) : printer_(printer) { printer_.depth_ += 2; }
    ~Indent() { printer_.depth_ -= 2; }
    Indent(const Indent&) = delete;
    Indent& operator=(const Indent&) = delete;

   private:
    Printer& printer_;
  };

  template <typename... Pieces>
  void Line(const Pieces&... pieces) {
    out_.append(depth_, ' ');
    base::Append(out_, pieces...);
    out_ += '\n';
  }
  void Text(std::string_view name, std::string_view text) {
    if (!text.empty()) Line(name, " ", Quoted(text));
  }
  void Number(std::string_view name, std::uint64_t value, std::uint64_t usual) {
    if (value != usual) Line(name, " ", value);
  }
  void Bool(std::string_view name, bool value, bool usual) {
    if (value != usual) Line(name, " ", value ? "true" : "false");
  }

  void Print(const HttpConnectionManager& value) {
    const HttpConnectionManager none;
    Line("http ", Quoted(value.stat_prefix));
    const Indent indent(*this);
    Text("rds", value.rds_name);
    Number("rds_fetch_timeout_ms", value.rds_fetch_timeout_ms, none.rds_fetch_timeout_ms);
    for (const HttpFilter& filter : value.filters) {
      const auto* router = std::get_if<RouterFilter>(&filter.config);
      const auto* steps = std::get_if<HeaderMutationFilter>(&filter.config);
      Line("filter ", Quoted(filter.name),
           router != nullptr  ? " router"
           : steps != nullptr ? " header_mutation"
                              : " cors",
           router != nullptr && router->suppress_envoy_headers ? " suppress_envoy_headers" : "",
           filter.disabled ? " disabled" : "");
    }
    for (const AccessLog& log : value.access_logs) Print(log);
    for (const UpgradeConfig& upgrade : value.upgrades) {
      Line("upgrade ", upgrade.type, upgrade.enabled ? "" : " disabled");
    }
    PrintLimits(value, none);
    PrintHeaders(value, none);
    if (value.inline_routes != nullptr) {
      const std::string routes = PrintRouteTable(*value.inline_routes);
      for (const std::string_view line : base::Split(routes, '\n')) {
        if (!line.empty()) Line(line);
      }
    }
  }

  void PrintLimits(const HttpConnectionManager& value, const HttpConnectionManager& none) {
    Number("head_bytes_max", value.h1.head_bytes_max, none.h1.head_bytes_max);
    Number("fields_max", value.h1.fields_max, none.h1.fields_max);
    Number("trailer_bytes_max", value.h1.trailer_bytes_max, none.h1.trailer_bytes_max);
    Bool("accept_http_10", value.h1.accept_http_10, none.h1.accept_http_10);
    Bool("allow_absolute_url", value.h1.allow_absolute_url, none.h1.allow_absolute_url);
    Bool("keep_trailers", value.h1.keep_trailers, none.h1.keep_trailers);
    Text("default_host_for_http_10", value.h1.default_host_for_http_10);
    Number("stream_idle_timeout_ms", value.stream_idle_timeout_ms, none.stream_idle_timeout_ms);
    Number("request_timeout_ms", value.request_timeout_ms, none.request_timeout_ms);
    Number("request_headers_timeout_ms", value.request_headers_timeout_ms,
           none.request_headers_timeout_ms);
    Number("idle_timeout_ms", value.idle_timeout_ms, none.idle_timeout_ms);
    Number("tunnel_idle_timeout_ms", value.tunnel_idle_timeout_ms, none.tunnel_idle_timeout_ms);
    Number("max_connection_duration_ms", value.max_connection_duration_ms, 0);
    Number("max_stream_duration_ms", value.max_stream_duration_ms, 0);
    Number("drain_timeout_ms", value.drain_timeout_ms, none.drain_timeout_ms);
    Number("delayed_close_timeout_ms", value.delayed_close_timeout_ms,
           none.delayed_close_timeout_ms);
    Number("requests_per_connection", value.requests_per_connection_max, 0);
  }

  void PrintHeaders(const HttpConnectionManager& value, const HttpConnectionManager& none) {
    Bool("normalize_path", value.path.normalize, none.path.normalize);
    Bool("merge_slashes", value.path.merge_slashes, none.path.merge_slashes);
    Number("escaped_slashes", static_cast<unsigned>(value.path.escaped_slashes), 0);
    Number("strip_port", static_cast<unsigned>(value.host.strip_port), 0);
    Bool("strip_trailing_dot", value.host.strip_trailing_dot, false);
    Number("underscores", static_cast<unsigned>(value.underscores),
           static_cast<unsigned>(none.underscores));
    if (value.server_name != none.server_name) Text("server_name", value.server_name);
    Number("server_header", static_cast<unsigned>(value.server_header), 0);
    Text("via", value.via);
    Bool("use_remote_address", value.use_remote_address, false);
    Number("xff_trusted_hops", value.xff_trusted_hops, 0);
    Bool("skip_xff_append", value.skip_xff_append, false);
    Bool("append_x_forwarded_port", value.append_x_forwarded_port, false);
    Bool("generate_request_id", value.generate_request_id, true);
    Bool("preserve_external_request_id", value.preserve_external_request_id, false);
    Bool("request_id_in_response", value.request_id_in_response, false);
    Bool("proxy_100_continue", value.proxy_100_continue, false);
    Text("scheme", value.scheme);
    Bool("proper_case_fields", value.proper_case_fields, false);
    PrintReplies(value);
  }

  void PrintReplies(const HttpConnectionManager& value) {
    for (const HeaderStep& step : value.early_steps) {
      Line("early ", step.add.has_value() ? "add " : "remove ",
           step.add.has_value() ? step.add->name : step.remove,
           step.remove_matching.has_value() ? step.remove_matching->text : "");
    }
    for (const ReplyMapper& mapper : value.local_reply.mappers) {
      Line("mapper when ", Of(mapper.filter), " to ", mapper.status.value_or(0), " ",
           Quoted(mapper.body.value_or("-")), mapper.format.has_value() ? " formatted" : "");
      for (const HeaderAddition& add : mapper.headers.add)
        Line("  ", add.name, ": ", Of(add.value));
    }
    if (value.local_reply.format.has_value()) {
      const BodyFormat& format = *value.local_reply.format;
      Line("replies as ", format.json.has_value() ? Of(*format.json) : Of(format.text), " ",
           Quoted(format.content_type));
    }
    if (!value.proxy_status.has_value()) return;
    Line("proxy status ", Quoted(value.proxy_status->name),
         value.proxy_status->details ? " details" : "",
         value.proxy_status->termination_details ? " termination" : "",
         value.proxy_status->flags ? " flags" : "",
         value.proxy_status->recommended_status ? " recommended" : "");
  }

  void Print(const AccessLog& value) {
    static constexpr const char* kSinks[] = {"file", "stdout", "stderr"};
    Line("access log ", kSinks[static_cast<std::size_t>(value.sink)], " ", Quoted(value.path),
         value.omit_empty_values ? " omit empty" : "");
    const Indent indent(*this);
    if (value.json) {
      Line("json ", Of(*value.json));
    } else {
      Line("text ", Of(value.format));
    }
    if (value.filter) Line("when ", Of(*value.filter));
  }

  static std::string Of(const Format& format) {
    std::string out;
    for (const FormatItem& item : format.items) {
      if (item.op == Operator::kLiteral) {
        out += Quoted(item.text);
        continue;
      }
      base::Append(out, "%", static_cast<unsigned>(item.op), "(", item.text, "?", item.alternative,
                   ")");
      if (item.length_max) base::Append(out, ":", *item.length_max);
      out += "%";
    }
    return out;
  }

  static std::string Of(const JsonFormat& json) {
    switch (json.kind) {
      case JsonFormat::Kind::kFormat:
        return Of(json.format);
      case JsonFormat::Kind::kNumber:
        return std::to_string(json.number);
      case JsonFormat::Kind::kBool:
        return json.boolean ? "true" : "false";
      case JsonFormat::Kind::kNull:
        return "null";
      case JsonFormat::Kind::kObject:
      case JsonFormat::Kind::kArray:
        break;
    }
    const bool object = json.kind == JsonFormat::Kind::kObject;
    std::string out(object ? "{" : "[");
    for (const auto& [key, member] : json.members) {
      if (out.size() > 1) out += ", ";
      if (object) base::Append(out, Quoted(key), ": ");
      out += Of(member);
    }
    return out + (object ? "}" : "]");
  }

  static std::string Of(const AccessLogFilter& filter) {
    static constexpr const char* kCompare[] = {"==", ">=", "<=", "!="};
    const char* compare = kCompare[static_cast<std::size_t>(filter.compare)];
    switch (filter.kind) {
      case AccessLogFilter::Kind::kStatus:
        return base::Cat("status ", compare, " ", filter.value);
      case AccessLogFilter::Kind::kDuration:
        return base::Cat("duration ", compare, " ", filter.value, "ms");
      case AccessLogFilter::Kind::kHeader:
        return base::Cat("header ", filter.header->name, filter.header->invert ? " inverted" : "");
      case AccessLogFilter::Kind::kResponseFlags:
        return base::Cat("flags ", filter.flags);
      case AccessLogFilter::Kind::kAnd:
      case AccessLogFilter::Kind::kOr:
        break;
    }
    std::string out;
    for (const AccessLogFilter& child : filter.children) {
      if (!out.empty()) out += filter.kind == AccessLogFilter::Kind::kAnd ? " and " : " or ";
      out += Of(child);
    }
    return base::Cat("(", out, ")");
  }

  void Print(const Assignment& value) {
    for (const Endpoint& endpoint : value.endpoints) {
      static constexpr const char* kHealth[] = {"",          " HEALTHY", " UNHEALTHY",
                                                " DRAINING", " TIMEOUT", " DEGRADED"};
      const std::string address = endpoint.address.family() == base::Address::Family::kNone
                                      ? base::Cat(endpoint.dns_name, ":", endpoint.dns_port, " dns")
                                      : endpoint.address.ToString();
      Line("endpoint ", address, endpoint.weight == 1 ? "" : " weight ",
           endpoint.weight == 1 ? "" : std::to_string(endpoint.weight),
           kHealth[static_cast<std::size_t>(endpoint.health)],
           endpoint.hostname.empty() || endpoint.hostname == endpoint.dns_name ? "" : " host ",
           endpoint.hostname == endpoint.dns_name ? "" : endpoint.hostname);
    }
    Number("drop millionths", value.drop_percent_millionths, 0);
  }

  void Print(const DnsOptions& value) {
    if (value == DnsOptions()) return;
    Line("dns family ", static_cast<unsigned>(value.family), " refresh ", value.refresh_ms,
         "ms after failure ", value.failure_base_ms, " to ", value.failure_max_ms, "ms",
         value.respect_ttl ? " ttl" : "");
  }

  void Print(const UpstreamTls& value) {
    Line("tls ", value.verify ? "verified" : "not verified", " sni ", Quoted(value.sni),
         " versions ", value.version_min - 0x0301, " to ", value.version_max - 0x0301, " ca bytes ",
         value.ca_pem.size(), " certificate bytes ", value.certificate_pem.size());
    for (const StringMatcher& name : value.subject_alt_names) {
      Line("  name ", name.kind == StringMatcher::Kind::kExact ? "is " : "begins with ",
           Quoted(name.text));
    }
    for (const std::string& protocol : value.alpn) Line("  alpn ", protocol);
  }

  std::string out_;
  std::size_t depth_ = 0;
};

}  // namespace

std::string PrintListener(const Listener& listener) {
  Printer printer;
  printer.Print(listener);
  return printer.Take();
}

std::string PrintCluster(const Cluster& cluster) {
  Printer printer;
  printer.Print(cluster);
  return printer.Take();
}

std::string PrintBootstrap(const Bootstrap& bootstrap) {
  Printer printer;
  printer.Print(bootstrap);
  return printer.Take();
}

}  // namespace sluice::config
