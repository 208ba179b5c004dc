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
      Flag("disabled", !cors.enabled);
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
    static constexpr const char* kKinds[] = {"prefix", "path", "segments", "regex"};
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
    if (action.weighted.empty()) {
      Line("to cluster ", Quoted(action.cluster));
    } else {
      Line("to clusters, weights of ", action.weight_total);
    }
    const Indent indent(*this);
    for (const WeightedCluster& share : action.weighted) {
      Line(Quoted(share.cluster), " ", share.weight);
      const Indent inner(*this);
      Text("host", share.host_rewrite);
      Print(share.mutations);
      Print(share.per_filter);
    }
    if (action.cluster_not_found_status != 503) {
      Line("cluster not found ", action.cluster_not_found_status);
    }
    if (action.prefix_rewrite.has_value()) Line("prefix rewrite ", Quoted(*action.prefix_rewrite));
    Print(action.regex_rewrite);
    Text("host", action.host_rewrite);
    Flag("host of the endpoint", action.auto_host_rewrite);
    Flag("append x-forwarded-host", action.append_x_forwarded_host);
    Line("timeout ", action.timeout_ms, " ms");
    if (action.idle_timeout_ms.has_value()) Line("idle timeout ", *action.idle_timeout_ms, " ms");
    if (action.max_stream_duration_ms.has_value()) {
      Line("stream duration ", *action.max_stream_duration_ms, " ms");
    }
    for (const UpgradeConfig& upgrade : action.upgrades) {
      Line("upgrade ", upgrade.type, upgrade.enabled ? "" : " disabled");
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
  }

  std::string out_;
  std::size_t depth_ = 0;
};

}  // namespace

std::string PrintRouteTable(const RouteTable& table) { return Printer().Run(table); }

}  // namespace sluice::config
