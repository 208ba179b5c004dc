#include "apps_read.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "config/yaml_value.h"

namespace sluice::control {
namespace {

using Kind = config::YamlNode::Kind;
using Scope = base::FieldErrors::Scope;

// Of a file that people write; far above what one of them writes by hand.
constexpr std::size_t kRoutesMax = 100'000;  // Of one host.
constexpr std::size_t kListMax = 1'000;
constexpr std::size_t kCertificatesMax = 100;  // Of one listener.
constexpr std::size_t kStringBytesMax = 64 * 1024;
constexpr std::uint64_t kDurationMsMax = 366ULL * 24 * 3600 * 1000;

// "1.5s", "500ms", "2m", "1h" in milliseconds.
std::optional<std::uint64_t> ParseMs(std::string_view text) {
  struct Unit {
    std::string_view name;
    std::uint64_t ms;
  };
  for (const Unit unit : {Unit{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}) {
    if (!text.ends_with(unit.name)) continue;
    const std::string_view number = text.substr(0, text.size() - unit.name.size());
    const std::size_t point = number.find('.');
    const auto whole = base::ParseUint(number.substr(0, point));
    if (!whole.has_value() || *whole > kDurationMsMax) return std::nullopt;
    std::uint64_t ms = *whole * unit.ms;
    if (point != std::string_view::npos) {
      const std::string_view digits = number.substr(point + 1);
      const auto part = base::ParseUint(digits);
      if (!part.has_value() || digits.size() > 6) return std::nullopt;
      std::uint64_t scale = 1;
      for (std::size_t i = 0; i < digits.size(); ++i) scale *= 10;
      if (*part * unit.ms % scale != 0) return std::nullopt;  // Finer than a millisecond.
      ms += *part * unit.ms / scale;
    }
    return ms <= kDurationMsMax ? std::optional(ms) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

void AppsReader::Error(const Node& node, std::string_view message) {
  errors_.AddLocated(config::YamlLocation(file_, node), message);
}

void AppsReader::Expected(const Node& node, std::string_view what) {
  std::string_view got = "nothing";
  if (node.kind == Kind::kMapping) got = "a mapping";
  if (node.kind == Kind::kSequence) got = "a list";
  if (node.kind == Kind::kScalar) {
    Error(node, base::Cat("expected ", what, ", not '", base::Printable(node.text, 64), "'"));
  } else {
    Error(node, base::Cat("expected ", what, ", not ", got));
  }
}

bool AppsReader::Enter(const Node& node) {
  // Aliases make a small text a large one: everything that is looked at counts.
  if (visited_ > config::YamlTree::kNodesMax) return false;
  if (++visited_ > config::YamlTree::kNodesMax) {
    Error(node,
          base::Cat("more than ", config::YamlTree::kNodesMax, " values; aliases count each time"));
    return false;
  }
  locations_.Add(errors_.path(), node.line);
  return true;
}

void AppsReader::ReadFields(const Node& node, const Fields& fields) {
  if (!Enter(node)) return;
  if (node.kind != Kind::kMapping) return Expected(node, "a mapping");
  for (std::size_t i = 0; i + 1 < node.children.size(); i += 2) {
    const Node& key = tree_.node(node.children[i]);
    const auto field = std::find_if(fields.begin(), fields.end(),
                                    [&](const Field& f) { return f.name == key.text; });
    if (key.kind == Kind::kScalar && field != fields.end()) {
      const Scope scope(errors_, field->name);
      field->read(tree_.node(node.children[i + 1]));
      continue;
    }
    config::NearestWord nearest(std::string_view(key.text).substr(0, 64));
    std::string known;
    for (const Field& f : fields) {
      nearest.Offer(f.name);
      base::Append(known, known.empty() ? "" : ", ", f.name);
    }
    Error(key, nearest.best().empty() ? base::Cat("unknown key '", base::Printable(key.text, 64),
                                                  "'; known here: ", known)
                                      : base::Cat("unknown key '", base::Printable(key.text, 64),
                                                  "'; did you mean '", nearest.best(), "'?"));
  }
}

void AppsReader::ReadEntries(const Node& node, std::string_view section, std::size_t max,
                             const std::function<void(const std::string&, const Node&)>& read) {
  if (!Enter(node) || node.kind == Kind::kNull) return;
  if (node.kind != Kind::kMapping) return Expected(node, "a mapping from names");
  if (node.children.size() / 2 > max) {
    return Error(node, base::Cat("has ", node.children.size() / 2, " entries; at most ", max,
                                 " are allowed"));
  }
  // The scope is the section already: only what follows it is new.
  for (std::size_t i = 0; i + 1 < node.children.size(); i += 2) {
    const Node& key = tree_.node(node.children[i]);
    if (key.kind != Kind::kScalar) {
      Expected(key, "a name");
      continue;
    }
    const std::string path = EntryPath(section, key.text);
    const base::FieldErrors::Suffix suffix(errors_, std::string_view(path).substr(section.size()));
    if (key.text.size() > kStringBytesMax) {
      Error(key, "the name is too long");
      continue;
    }
    read(key.text, tree_.node(node.children[i + 1]));
  }
}

void AppsReader::ReadList(const Node& node, std::string_view, std::size_t max,
                          const std::function<void(const Node&)>& read) {
  if (!Enter(node) || node.kind == Kind::kNull) return;
  if (node.kind != Kind::kSequence) {
    const base::FieldErrors::Suffix suffix(errors_, "[0]");
    return read(node);
  }
  if (node.children.size() > max) {
    return Error(
        node, base::Cat("has ", node.children.size(), " entries; at most ", max, " are allowed"));
  }
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    const base::FieldErrors::Suffix suffix(errors_, base::Cat("[", i, "]"));
    read(tree_.node(node.children[i]));
  }
}

// ---- values
// --------------------------------------------------------------------------------------

void AppsReader::String(const Node& node, std::string& out) {
  if (!Enter(node)) return;
  if (node.kind != Kind::kScalar) return Expected(node, "a text");
  if (node.text.size() > kStringBytesMax) {
    return Error(node, base::Cat("has ", node.text.size(), " bytes; at most ", kStringBytesMax,
                                 " are allowed"));
  }
  out = node.text;
}

void AppsReader::Bool(const Node& node, bool& out) {
  if (!Enter(node)) return;
  const auto value = config::IsPlainBool(node) ? config::ParseBool(node) : std::nullopt;
  if (!value.has_value()) return Expected(node, "true or false");
  out = *value;
}

void AppsReader::Number(const Node& node, std::uint64_t high, std::uint64_t& out) {
  if (!Enter(node)) return;
  const auto value = config::IsPlainNumber(node) ? config::ParseUnsigned(node, high) : std::nullopt;
  if (!value.has_value()) return Expected(node, base::Cat("a whole number from 0 to ", high));
  out = *value;
}

void AppsReader::DurationMs(const Node& node, std::optional<std::uint64_t>& out) {
  if (!Enter(node)) return;
  const auto ms = node.kind == Kind::kScalar ? ParseMs(node.text) : std::nullopt;
  if (!ms.has_value()) {
    return Expected(node, "a duration with its unit, as 500ms, 30s, 1m or 1h (a year at most)");
  }
  out = ms;
}

void AppsReader::Strings(const Node& node, std::string_view name, std::vector<std::string>& out) {
  ReadList(node, name, kListMax, [&](const Node& item) {
    std::string text;
    String(item, text);
    out.push_back(std::move(text));
  });
}

void AppsReader::OnlyOne(const Node& node, std::string_view name, std::string_view& given) {
  if (!given.empty() && given != name) {
    Error(node, base::Cat("cannot stand beside '", given, "'; write one of them"));
  }
  if (given.empty()) given = name;
}

// ---- the parts of a configuration
// ----------------------------------------------------------------

void AppsReader::ReadListener(const Node& node, ListenerSpec& out) {
  bool port_given = false;
  ReadFields(node, {{"address", [&](const Node& v) { String(v, out.address); }},
                    {"port",
                     [&](const Node& v) {
                       port_given = true;
                       std::uint64_t port = 0;
                       Number(v, 65535, port);
                       out.port = static_cast<std::uint16_t>(port);
                     }},
                    {"tls", [&](const Node& v) {
                       ReadList(v, "tls", kCertificatesMax, [&](const Node& item) {
                         TlsFiles& files = out.tls.emplace_back();
                         ReadFields(item, {{"cert", [&](const Node& n) { String(n, files.cert); }},
                                           {"key", [&](const Node& n) { String(n, files.key); }}});
                       });
                     }}});
  if (!port_given && node.kind == Kind::kMapping) Error(node, "needs a port; write port: 8000");
}

void AppsReader::ReadCors(const Node& node, CorsSpec& out) {
  const auto list = [&](std::string_view name, std::vector<std::string>& target) {
    return Field{name, [this, name, &target](const Node& v) { Strings(v, name, target); }};
  };
  ReadFields(node, {list("allow_origins", out.allow_origins),
                    list("allow_origin_regexes", out.allow_origin_regexes),
                    list("allow_methods", out.allow_methods),
                    list("allow_headers", out.allow_headers),
                    list("expose_headers", out.expose_headers),
                    {"allow_credentials", [&](const Node& v) { Bool(v, out.allow_credentials); }},
                    {"max_age", [&](const Node& v) {
                       // Seconds as in the header itself, or with a unit like all durations.
                       std::optional<std::uint64_t> ms;
                       std::uint64_t seconds = 0;
                       if (config::IsPlainNumber(v)) {
                         Number(v, kDurationMsMax / 1000, seconds);
                         out.max_age_s = seconds;
                       } else {
                         DurationMs(v, ms);
                         if (ms.has_value()) out.max_age_s = *ms / 1000;
                       }
                     }}});
}

void AppsReader::ReadHost(const Node& node, HostSpec& out) {
  ReadFields(node, {{"listeners", [&](const Node& v) { Strings(v, "listeners", out.listeners); }},
                    {"cors", [&](const Node& v) { ReadCors(v, out.cors.emplace()); }},
                    {"routes", [&](const Node& v) {
                       ReadList(v, "routes", kRoutesMax,
                                [&](const Node& r) { ReadRoute(r, out.routes.emplace_back()); });
                     }}});
}

}  // namespace sluice::control
