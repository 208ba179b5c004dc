// Routes, and the entries of ParseApps() and its smaller siblings.
#include <algorithm>
#include <limits>

#include "apps_read.h"
#include "base/strings.h"

namespace sluice::control {
namespace {

using Kind = config::YamlNode::Kind;

constexpr std::size_t kSplitMax = 1'000;
constexpr std::size_t kHeadersMax = 1'000;
constexpr std::uint64_t kAttemptsMax = 10;

// Whether one path is the other or lies below it: such a second error follows from the first.
bool Related(std::string_view a, std::string_view b) {
  if (a.size() > b.size()) std::swap(a, b);
  return b.starts_with(a) &&
         (a.empty() || a.size() == b.size() || b[a.size()] == '.' || b[a.size()] == '[');
}

// Appends `from` to `to` where its paths are not related to one of `known`'s.
void AddUnrelated(const base::FieldErrors& from, const base::FieldErrors& known,
                  base::FieldErrors& to) {
  for (const base::FieldError& error : from.errors()) {
    const bool follows =
        std::any_of(known.errors().begin(), known.errors().end(),
                    [&](const base::FieldError& k) { return Related(k.path, error.path); });
    if (follows) continue;
    const base::FieldErrors::Scope scope(to, error.path);
    to.Add(error.message);
  }
}

// Parses one small value of the API and checks nothing but its form.
template <typename Spec, typename Read>
Spec ParseOne(std::string_view json, base::FieldErrors& errors, const Read& read) {
  constexpr std::string_view kFile = "body";
  Spec spec;
  config::YamlTree tree;
  if (!tree.Parse(json, kFile, errors)) return spec;
  config::LocationMap locations;
  AppsReader reader(tree, kFile, errors, locations);
  read(reader, tree.root(), spec);
  return spec;
}

}  // namespace

void AppsReader::ReadPath(const Node& node, RouteSpec::Match match, RouteSpec& out) {
  out.match = match;
  String(node, out.path);
}

void AppsReader::ReadSplit(const Node& node, RouteSpec& out) {
  ReadEntries(node, "split", kSplitMax, [&](const std::string& name, const Node& v) {
    std::uint64_t weight = 0;
    Number(v, 1'000'000, weight);
    out.split.emplace_back(name, static_cast<std::uint32_t>(weight));
  });
  if (out.split.empty() && node.kind != Kind::kScalar) {
    Error(node, "is empty; write apps and their weights, as {a: 90, b: 10}");
  }
}

void AppsReader::ReadRespond(const Node& node, RouteSpec& out) {
  RouteSpec::Respond& respond = out.respond.emplace();
  ReadFields(node, {{"status",
                     [&](const Node& v) {
                       std::uint64_t status = 0;
                       Number(v, 599, status);
                       respond.status = static_cast<int>(status);
                     }},
                    {"body", [&](const Node& v) { String(v, respond.body); }}});
}

void AppsReader::ReadRedirect(const Node& node, RouteSpec& out) {
  RouteSpec::Redirect& redirect = out.redirect.emplace();
  if (node.kind == Kind::kScalar) return String(node, redirect.to);
  ReadFields(node, {{"to", [&](const Node& v) { String(v, redirect.to); }},
                    {"status", [&](const Node& v) {
                       std::uint64_t status = 0;
                       Number(v, 599, status);
                       redirect.status = static_cast<int>(status);
                     }}});
}

void AppsReader::ReadPairs(const Node& node,
                           std::vector<std::pair<std::string, std::string>>& out) {
  const auto add = [&](const std::string& name, const Node& v) {
    const auto one = [&](const Node& value) {
      std::string text;
      String(value, text);
      out.emplace_back(base::Lowercase(name), std::move(text));
    };
    if (v.kind == Kind::kSequence) {
      ReadList(v, name, kHeadersMax, one);
    } else {
      one(v);
    }
  };
  if (node.kind == Kind::kSequence) {
    // [{x-a: "1"}, {x-b: "2"}, {x-a: "3"}]: an order between repeated names.
    ReadList(node, "", kHeadersMax, [&](const Node& item) { ReadEntries(item, "", 1, add); });
  } else {
    ReadEntries(node, "", kHeadersMax, add);
  }
}

void AppsReader::ReadEdits(const Node& node, HeaderEdits& out) {
  ReadFields(node, {{"set", [&](const Node& v) { ReadPairs(v, out.set); }},
                    {"add", [&](const Node& v) { ReadPairs(v, out.add); }},
                    {"remove", [&](const Node& v) {
                       Strings(v, "remove", out.remove);
                       for (std::string& name : out.remove) name = base::Lowercase(name);
                     }}});
}

void AppsReader::ReadHeaders(const Node& node, RouteSpec& out) {
  ReadFields(node, {{"request", [&](const Node& v) { ReadEdits(v, out.request_headers); }},
                    {"response", [&](const Node& v) { ReadEdits(v, out.response_headers); }}});
}

// How many, or {attempts, on, per_try_timeout}.
void AppsReader::ReadRetries(const Node& node, RouteSpec& out) {
  RouteRetries& retries = out.retries.emplace();
  const auto attempts = [&](const Node& v) {
    std::uint64_t count = 1;
    Number(v, kAttemptsMax, count);
    retries.attempts = static_cast<std::uint32_t>(count);
  };
  if (node.kind == Kind::kScalar) return attempts(node);
  ReadFields(node, {{"attempts", attempts},
                    {"on", [&](const Node& v) { Strings(v, "on", retries.on); }},
                    {"per_try_timeout",
                     [&](const Node& v) { DurationMs(v, retries.per_try_timeout_ms); }}});
}

void AppsReader::ReadRoute(const Node& node, RouteSpec& out) {
  std::string_view match, action, methods;
  const auto path = [&](std::string_view name, RouteSpec::Match kind) {
    return Field{name, [this, name, kind, &match, &out](const Node& v) {
                   OnlyOne(v, name, match);
                   if (match == name) ReadPath(v, kind, out);
                 }};
  };
  const auto act = [&](std::string_view name, void (AppsReader::*read)(const Node&, RouteSpec&)) {
    return Field{name, [this, name, read, &action, &out](const Node& v) {
                   OnlyOne(v, name, action);
                   if (action == name) (this->*read)(v, out);
                 }};
  };
  const auto method = [&](std::string_view name) {
    return Field{name, [this, name, &methods, &out](const Node& v) {
                   OnlyOne(v, name, methods);
                   if (methods == name) Strings(v, name, out.methods);
                 }};
  };
  ReadFields(node, {path("path", RouteSpec::Match::kPath),
                    path("prefix", RouteSpec::Match::kPrefix),
                    path("exact", RouteSpec::Match::kExact),
                    path("regex", RouteSpec::Match::kRegex),
                    {"app",
                     [&](const Node& v) {
                       OnlyOne(v, "app", action);
                       if (action == "app") String(v, out.app);
                     }},
                    act("split", &AppsReader::ReadSplit),
                    act("respond", &AppsReader::ReadRespond),
                    act("redirect", &AppsReader::ReadRedirect),
                    method("methods"),
                    method("method"),
                    {"id", [&](const Node& v) { String(v, out.id); }},
                    {"strip_prefix", [&](const Node& v) { Bool(v, out.strip_prefix); }},
                    {"rewrite", [&](const Node& v) { String(v, out.rewrite); }},
                    {"host_header", [&](const Node& v) { String(v, out.host_header); }},
                    {"timeout", [&](const Node& v) { DurationMs(v, out.timeout_ms); }},
                    {"retries", [&](const Node& v) { ReadRetries(v, out); }},
                    {"headers", [&](const Node& v) { ReadHeaders(v, out); }}});
}

// ---- entries
// -------------------------------------------------------------------------------------

AppsConfig ParseApps(std::string_view text, std::string_view file, base::FieldErrors& errors) {
  AppsConfig config;
  config::YamlTree tree;
  if (!tree.Parse(text, file, errors)) return config;
  config::LocationMap locations;
  base::FieldErrors form;
  AppsReader(tree, file, form, locations).ReadConfig(tree.root(), config);
  AssignRouteIds(config);
  base::FieldErrors meaning, unrelated;
  CheckApps(config, meaning);
  AddUnrelated(meaning, form, unrelated);
  config::AddWithLocations(form, file, locations, errors);
  config::AddWithLocations(unrelated, file, locations, errors);
  return config;
}

RouteSpec ParseRoute(std::string_view json, base::FieldErrors& errors) {
  return ParseOne<RouteSpec>(json, errors, [](auto& reader, const auto& node, RouteSpec& spec) {
    reader.ReadRoute(node, spec);
  });
}

AppSpec ParseApp(std::string_view json, base::FieldErrors& errors) {
  return ParseOne<AppSpec>(json, errors, [](auto& reader, const auto& node, AppSpec& spec) {
    reader.ReadApp(node, spec);
  });
}

HostSpec ParseHost(std::string_view json, base::FieldErrors& errors) {
  return ParseOne<HostSpec>(json, errors, [](auto& reader, const auto& node, HostSpec& spec) {
    reader.ReadHost(node, spec);
  });
}

void LocateErrors(const base::FieldErrors& from, std::string_view text, std::string_view file,
                  base::FieldErrors& to) {
  config::YamlTree tree;
  config::LocationMap locations;
  base::FieldErrors ignored;
  AppsConfig config;
  if (tree.Parse(text, file, ignored)) {
    AppsReader(tree, file, ignored, locations).ReadConfig(tree.root(), config);
  }
  config::AddWithLocations(from, file, locations, to);
}

}  // namespace sluice::control
