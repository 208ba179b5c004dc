#include "tests/unit/config/print_route.h"

#include "base/strings.h"

namespace sluice::config {
namespace {

std::string Quoted(std::string_view text) {
  return base::Cat("\"", base::Printable(text, 4096), "\"");
}

class Printer {
 public:
  std::string Run(const RouteTable& table) {
    Line("route table ", Quoted(table.name));
    const Indent indent(*this);
    for (const std::string& name : table.internal_only_headers) Line("internal only ", name);
    Flag("most specific mutations win", table.most_specific_mutations_win);
    Flag("ignore port in host", table.ignore_port_in_host);
    Flag("ignore path parameters", table.ignore_path_parameters);
    Text("host in header", table.host_header);
    Flag("validate clusters", table.validate_clusters);
    Print(table.mutations);
    Print(table.per_filter);
    for (const auto& host : table.virtual_hosts) Print(*host);
    return std::move(out_);
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
  void Flag(std::string_view name, bool set) {
    if (set) Line(name);
  }
  void Text(std::string_view name, std::string_view text) {
    if (!text.empty()) Line(name, " ", Quoted(text));
  }

  static std::string Of(const Regex& regex) { return Quoted(regex.pattern()); }
  static std::string Of(const RuntimeFraction& fraction) {
    return base::Cat(fraction.numerator, "/", fraction.denominator, " ", Quoted(fraction.key));
  }
  static std::string Of(const StringMatcher& matcher) {
    static constexpr const char* kKinds[] = {"is", "prefix", "suffix", "contains", "regex"};
    return base::Cat(kKinds[static_cast<std::size_t>(matcher.kind)], " ",
                     matcher.regex.has_value() ? Of(*matcher.regex) : Quoted(matcher.text),
                     matcher.ignore_case ? " ignoring case" : "");
  }
  static std::string Of(const HeaderMatcher& matcher) {
    std::string out = base::Cat(matcher.name, matcher.invert ? " not " : " ");
    switch (matcher.kind) {
      case HeaderMatcher::Kind::kPresent:
        out += matcher.present ? "present" : "absent";
        break;
      case HeaderMatcher::Kind::kString:
        out += Of(matcher.string);
        break;
      case HeaderMatcher::Kind::kRange:
        base::Append(out, "in [", matcher.range_start, ", ", matcher.range_end, ")");
        break;
    }
    return out + (matcher.missing_as_empty ? " or missing as empty" : "");
  }
  static std::string Of(const Format& format) {
    std::string out;
    for (const FormatItem& item : format.items) {
      if (!out.empty()) out += " + ";
      if (item.op == Operator::kLiteral) {
        out += Quoted(item.text);
        continue;
      }
      base::Append(out, "op", static_cast<int>(item.op), "(", item.text,
                   item.alternative.empty() ? "" : "?", item.alternative, ")");
      if (item.length_max.has_value()) base::Append(out, ":", *item.length_max);
    }
    return out.empty() ? "\"\"" : out;
  }

  void Print(const HeaderMutations& mutations, std::string_view direction) {
    for (const std::string& name : mutations.remove) Line(direction, " remove ", name);
    static constexpr const char* kActions[] = {"append", "add if absent", "overwrite",
                                               "overwrite if exists"};
    for (const HeaderAddition& add : mutations.add) {
      Line(direction, " ", kActions[static_cast<std::size_t>(add.action)], " ", add.name, ": ",
           Of(add.value), add.keep_empty ? " keeping empty" : "");
    }
  }
  void Print(const MutationsBothWays& mutations) {
    Print(mutations.request, "request");
    Print(mutations.response, "response");
  }

  void Print(const std::vector<NamedPerFilterConfig>& configs) {
    for (const NamedPerFilterConfig& config : configs) {
      Line("filter ", Quoted(config.filter));
      const Indent indent(*this);
      if (const auto* only = std::get_if<FilterSwitch>(&config.config)) {
        Line(only->disabled ? "off" : "on");
        continue;
      }
      if (const auto* steps = std::get_if<MessageSteps>(&config.config)) {
        Line("steps ", steps->request.size(), " ", steps->request_trailers.size(), " ",
             steps->response.size(), " ", steps->response_trailers.size());
        continue;
      }
      const auto& cors = std::get<CorsPolicy>(config.config);
      Line("cors");
      const Indent inner(*this);
      for (const StringMatcher& origin : cors.allow_origins) Line("origin ", Of(origin));
      Text("methods", cors.allow_methods);
      Text("headers", cors.allow_headers);
      Text("expose", cors.expose_headers);
      Text("max age", cors.max_age);
      Flag("credentials", cors.allow_credentials);
      Flag("private network", cors.allow_private_network_access);
      Flag("answers preflights of other origins", !cors.forward_not_matching_preflights);
      if (cors.enabled != RuntimeFraction{}) Line("enabled for ", Of(cors.enabled));
    }
  }

  void Print(const VirtualHost& host) {
    Line("virtual host ", Quoted(host.name));
    const Indent indent(*this);
    for (const std::string& domain : host.domains) Line("domain ", domain);
    Flag("require tls of external", host.require_tls == VirtualHost::RequireTls::kExternalOnly);
    Flag("require tls", host.require_tls == VirtualHost::RequireTls::kAll);
    Print(host.mutations);
    Print(host.per_filter);
    for (const Route& route : host.routes) Print(route);
  }

  void Print(const RouteMatch& match) {
    static constexpr const char* kKinds[] = {"prefix", "path",     "segments",
                                             "regex",  "template", "connect"};
    if (match.path_kind == RouteMatch::PathKind::kTemplate) Line("template ", Quoted(match.path));
    Line(kKinds[static_cast<std::size_t>(match.path_kind)], " ",
         match.regex.has_value() ? Of(*match.regex) : Quoted(match.path),
         match.case_sensitive ? "" : " ignoring case");
    Flag("grpc", match.grpc);
    for (const HeaderMatcher& matcher : match.headers) Line("header ", Of(matcher));
    for (const QueryMatcher& matcher : match.query) {
      Line("query ", Quoted(matcher.name), " ",
           matcher.string.has_value() ? Of(*matcher.string)
                                      : std::string(matcher.present ? "present" : "absent"));
    }
    for (const CookieMatcher& matcher : match.cookies) {
      Line("cookie ", Quoted(matcher.name), matcher.invert ? " not " : " ", Of(matcher.string));
    }
    if (match.tls_presented.has_value())
      Flag(*match.tls_presented ? "certificate presented" : "no certificate presented", true);
    if (match.tls_validated.has_value())
      Flag(*match.tls_validated ? "certificate validated" : "no certificate validated", true);
    if (match.fraction.has_value()) Line("fraction ", Of(*match.fraction));
  }

  void Print(const Route& route) {
    Line("route ", Quoted(route.name));
    const Indent indent(*this);
    Print(route.match);
    std::visit([this](const auto& action) { Print(action); }, route.action);
    Print(route.mutations);
    Print(route.per_filter);
  }

  void Print(const std::optional<RegexRewrite>& rewrite) {
    if (!rewrite.has_value()) return;
    Line("regex rewrite ", Of(rewrite->regex), " to ", Quoted(rewrite->substitution));
  }

  void Print(const ForwardAction& action) {
    if (!action.cluster_header.empty()) {
      Line("to the cluster in header ", action.cluster_header);
    } else if (action.weighted.empty()) {
      Line("to cluster ", Quoted(action.cluster));
    } else {
      Line("to clusters, weights of ", action.weight_total);
    }
    const Indent indent(*this);
    for (const WeightedCluster& share : action.weighted) {
      Line(Quoted(share.cluster), " ", share.weight);
      const Indent inner(*this);
      Text("cluster in header", share.cluster_header);
      Text("runtime", share.runtime_key);
      Text("host", share.host_rewrite);
      Print(share.mutations);
      Print(share.per_filter);
    }
    if (action.cluster_not_found_status != 503) {
      Line("cluster not found ", action.cluster_not_found_status);
    }
    if (action.prefix_rewrite.has_value()) Line("prefix rewrite ", Quoted(*action.prefix_rewrite));
    Print(action.regex_rewrite);
    if (action.template_rewrite.has_value()) {
      Line("template rewrite ", Quoted(*action.template_rewrite));
    }
    if (!action.path_format.items.empty()) Line("path ", Of(action.path_format));
    Flag("weights in runtime", action.weights_in_runtime);
    Text("choose by header", action.weight_header);
    Flag("choose by hash", action.weight_by_hash);
    for (const HashPolicy& policy : action.hash) Print(policy);
    Text("host", action.host_rewrite);
    Text("host in header", action.host_header);
    if (action.host_regex.has_value()) {
      Line("host from path ", Of(action.host_regex->regex), " to ",
           Quoted(action.host_regex->substitution));
    }
    if (!action.host_format.items.empty()) Line("host ", Of(action.host_format));
    Flag("host of the endpoint", action.auto_host_rewrite);
    Flag("append x-forwarded-host", action.append_x_forwarded_host);
    Line("timeout ", action.timeout_ms, " ms");
    if (action.idle_timeout_ms.has_value()) Line("idle timeout ", *action.idle_timeout_ms, " ms");
    if (action.max_stream_duration_ms.has_value()) {
      Line("stream duration ", *action.max_stream_duration_ms, " ms");
    }
    if (action.grpc_timeout_max_ms.has_value()) {
      Line("grpc-timeout at most ", *action.grpc_timeout_max_ms, " ms less ",
           action.grpc_timeout_offset_ms, " ms");
    }
    for (const UpgradeConfig& upgrade : action.upgrades) {
      Line("upgrade ", upgrade.type, upgrade.enabled ? "" : " disabled");
    }
    if (action.tries.get() != nullptr) Print(*action.tries.get());
  }

  void Print(const TryPolicy& tries) {
    if (tries.retry.has_value()) {
      const RetryPolicy& retry = *tries.retry;
      Line("retry on bits ", retry.on, ", ", retry.retries_max, " times, after ",
           retry.backoff_base_ms, " to ", retry.backoff_max_ms, " ms");
      const Indent indent(*this);
      if (retry.per_try_timeout_ms != 0) Line("per try ", retry.per_try_timeout_ms, " ms");
      if (retry.per_try_idle_timeout_ms != 0) {
        Line("per try idle ", retry.per_try_idle_timeout_ms, " ms");
      }
      for (const ResetHeader& header : retry.reset_headers) {
        Line("reset header ", header.name, header.unix_time ? " unix time" : " seconds");
      }
      if (retry.reset_max_ms != 300'000) Line("reset at most ", retry.reset_max_ms, " ms");
      for (const std::uint32_t status : retry.statuses) Line("status ", status);
      for (const HeaderMatcher& matcher : retry.response_headers) Line("response ", Of(matcher));
      for (const HeaderMatcher& matcher : retry.request_headers) Line("request ", Of(matcher));
      if (retry.avoid_previous_hosts) Line("not the same host, picks ", retry.host_picks_max);
    }
    Flag("hedge on per try timeout", tries.hedge_on_per_try_timeout);
    for (const MirrorPolicy& mirror : tries.mirrors) {
      Line("mirror to ", Quoted(mirror.cluster), Quoted(mirror.cluster_header), " ",
           mirror.fraction.numerator, "/", mirror.fraction.denominator, " ", mirror.fraction.key,
           mirror.shadow_suffix ? " -shadow" : "", " ", mirror.host_rewrite);
    }
    if (tries.redirects.has_value()) Print(*tries.redirects);
    if (tries.buffer_bytes_max.has_value()) Line("kept bytes ", *tries.buffer_bytes_max);
    Flag("attempt count upstream", tries.attempt_count_upstream);
    Flag("attempt count downstream", tries.attempt_count_downstream);
    Flag("timeout retry header", tries.timeout_retry_header);
  }

  void Print(const InternalRedirectPolicy& redirects) {
    Line("follow redirects ", redirects.redirects_max);
    const Indent indent(*this);
    for (const std::uint32_t status : redirects.statuses) Line("status ", status);
    Flag("cross scheme", redirects.cross_scheme);
    Flag("new routes only", redirects.only_new_routes);
    Flag("safe cross scheme only", redirects.safe_cross_scheme);
    if (redirects.allowed.has_value()) {
      for (const std::string& name : *redirects.allowed) Line("to ", Quoted(name));
    }
    for (const std::string& name : redirects.copied_headers) Line("copy ", name);
  }

  void Print(const HashPolicy& policy) {
    static constexpr const char* kKinds[] = {"header", "cookie", "source ip", "query"};
    Line("hash ", kKinds[static_cast<std::size_t>(policy.kind)], " ", Quoted(policy.name),
         policy.terminal ? " terminal" : "");
    const Indent indent(*this);
    Print(policy.rewrite);
    if (policy.cookie_ttl_s.has_value()) {
      Line("made for ", *policy.cookie_ttl_s, " s", Quoted(policy.cookie_tail));
    }
  }

  void Print(const RedirectAction& action) {
    Line("redirect ", action.status);
    const Indent indent(*this);
    Flag("https", action.https);
    Text("scheme", action.scheme);
    Text("host", action.host);
    if (action.port != 0) Line("port ", action.port);
    if (action.path.has_value()) Line("path ", Quoted(*action.path));
    if (action.prefix_rewrite.has_value()) Line("prefix rewrite ", Quoted(*action.prefix_rewrite));
    Print(action.regex_rewrite);
    Flag("strip query", action.strip_query);
  }

  void Print(const DirectResponse& action) {
    Line("answer ", action.status, " ", Quoted(action.body));
    if (action.format.has_value()) {
      Line("as ", Of(action.format->text), action.format->json.has_value() ? " json" : "", " ",
           Quoted(action.format->content_type));
    }
  }

  std::string out_;
  std::size_t depth_ = 0;
};

}  // namespace

std::string PrintRouteTable(const RouteTable& table) { return Printer().Run(table); }

}  // namespace sluice::config
