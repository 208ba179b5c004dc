#include "config/filter_chain_match.h"

#include <algorithm>
#include <array>

namespace sluice::config {
namespace {

enum Level : std::size_t {
  kDestinationPort,
  kDestination,
  kServerName,
  kTransport,
  kApplication,
  kDirectSource,
  kSourceType,
  kSource,
  kSourcePort,
  kLevels,
};

constexpr std::string_view kLocalSource = "local";
constexpr std::string_view kExternalSource = "external";

template <typename T, typename Text>
void AppendSorted(std::string& out, const std::vector<T>& values, Text text) {
  std::vector<std::string> texts;
  for (const T& value : values) texts.push_back(text(value));
  std::sort(texts.begin(), texts.end());
  out += '|';
  for (const std::string& each : texts) base::Append(out, each, ",");
}

std::string Same(const std::string& text) { return text; }
std::string Range(const base::Cidr& range) { return range.ToString(); }
std::string Number(std::uint32_t number) { return base::Cat(number); }

bool IsLocal(const ChainFacts& facts) {
  if (facts.remote.IsLoopback() || !facts.remote.is_ip()) return true;
  return std::ranges::equal(facts.remote.ip_bytes(), facts.local.ip_bytes());
}

// Digits without an allocation.
std::string_view PortText(std::uint16_t port, std::array<char, 8>& space) {
  char* end = space.data() + space.size();
  char* begin = end;
  do {
    *--begin = static_cast<char>('0' + port % 10);
    port = static_cast<std::uint16_t>(port / 10);
  } while (port != 0);
  return {begin, static_cast<std::size_t>(end - begin)};
}

}  // namespace

std::string FilterChainMatch::Key() const {
  std::string out = Number(destination_port);
  AppendSorted(out, destinations, Range);
  AppendSorted(out, server_names, Same);
  base::Append(out, "|", transport_protocol);
  AppendSorted(out, application_protocols, Same);
  AppendSorted(out, direct_sources, Range);
  base::Append(out, "|", static_cast<int>(source_type));
  AppendSorted(out, sources, Range);
  AppendSorted(out, source_ports, Number);
  return out;
}

// ---- building

// One value of one criterion. Neither text nor range: any.
struct FilterChainIndex::Key {
  std::string text;
  const base::Cidr* range = nullptr;
};

struct FilterChainIndex::Inserting {
  std::array<std::vector<Key>, kLevels> keys;
  std::size_t chain = 0;
  std::size_t duplicate_of = kNone;
};

FilterChainIndex::Added FilterChainIndex::Add(const FilterChainMatch& match, std::size_t chain,
                                              bool uses_zero_prefix, std::size_t* other) {
  static const base::Cidr kAllV4 = *base::Cidr::Make("0.0.0.0", 0);
  static const base::Cidr kAllV6 = *base::Cidr::Make("::", 0);
  Inserting inserting;
  inserting.chain = chain;
  const auto texts = [&](Level level, const std::vector<std::string>& values) {
    for (const std::string& value : values) {
      // A wildcard is found by what follows its star.
      const bool wildcard = level == kServerName && value.starts_with("*.");
      inserting.keys[level].push_back({wildcard ? value.substr(1) : value, nullptr});
    }
  };
  const auto ranges = [&](Level level, const std::vector<base::Cidr>& values) {
    for (const base::Cidr& value : values) inserting.keys[level].push_back({"", &value});
    if (!values.empty() || !uses_zero_prefix) return;
    inserting.keys[level] = {{"", &kAllV4}, {"", &kAllV6}, {"", nullptr}};
  };
  if (match.destination_port != 0) {
    inserting.keys[kDestinationPort].push_back({Number(match.destination_port), nullptr});
  }
  ranges(kDestination, match.destinations);
  texts(kServerName, match.server_names);
  if (!match.transport_protocol.empty()) texts(kTransport, {match.transport_protocol});
  texts(kApplication, match.application_protocols);
  ranges(kDirectSource, match.direct_sources);
  if (match.source_type != FilterChainMatch::SourceType::kAny) {
    const bool local = match.source_type == FilterChainMatch::SourceType::kSameIpOrLoopback;
    inserting.keys[kSourceType].push_back(
        {std::string(local ? kLocalSource : kExternalSource), nullptr});
  }
  ranges(kSource, match.sources);
  for (const std::uint32_t port : match.source_ports) {
    inserting.keys[kSourcePort].push_back({Number(port), nullptr});
  }
  std::size_t combinations = 1;
  for (std::vector<Key>& keys : inserting.keys) {
    if (keys.empty()) keys.push_back({});
    if (keys.size() > kCombinationsMax / combinations) return Added::kTooMany;
    combinations *= keys.size();
  }
  combinations_ += combinations;
  if (combinations_ > kCombinationsMax) return Added::kTooMany;
  if (nodes_.empty()) nodes_.emplace_back();
  Insert(inserting, 0, 0);
  if (nodes_.size() > kNodesMax) return Added::kTooMany;
  if (inserting.duplicate_of == kNone) return Added::kOk;
  *other = inserting.duplicate_of;
  return Added::kDuplicate;
}

void FilterChainIndex::Insert(Inserting& inserting, std::size_t node, std::size_t level) {
  for (const Key& key : inserting.keys[level]) {
    if (nodes_.size() > kNodesMax) return;
    // The slot of the key in this node; nodes_ may move below.
    std::size_t* slot = nullptr;
    if (key.range != nullptr) {
      auto& prefixes = nodes_[node].prefixes;
      auto it = std::find_if(prefixes.begin(), prefixes.end(),
                             [&](const auto& known) { return known.first == *key.range; });
      if (it == prefixes.end()) {
        it = std::find_if(prefixes.begin(), prefixes.end(), [&](const auto& known) {
          return known.first.bits() < key.range->bits();
        });
        it = prefixes.insert(it, {*key.range, kNone});
      }
      slot = &it->second;
    } else if (!key.text.empty()) {
      slot = &nodes_[node].texts.try_emplace(key.text, kNone).first->second;
    } else {
      slot = &nodes_[node].any;
    }
    if (level + 1 == kLevels) {
      if (*slot != kNone && *slot != inserting.chain) inserting.duplicate_of = *slot;
      *slot = inserting.chain;
      continue;
    }
    if (*slot == kNone) {
      *slot = nodes_.size();
      const std::size_t child = *slot;
      nodes_.emplace_back();
      Insert(inserting, child, level + 1);
    } else {
      Insert(inserting, *slot, level + 1);
    }
  }
}

// ---- finding

std::size_t FilterChainIndex::Find(const ChainFacts& facts) const {
  if (nodes_.empty()) return kNone;
  std::size_t at = 0;
  for (std::size_t level = 0; level < kLevels; ++level) {
    at = Step(nodes_[at], level, facts);
    if (at == kNone) return kNone;
  }
  return at;
}

std::size_t FilterChainIndex::Step(const Node& node, std::size_t level,
                                   const ChainFacts& facts) const {
  const auto text = [&node](std::string_view key) {
    if (node.texts.empty() || key.empty()) return kNone;
    const auto it = node.texts.find(key);
    return it == node.texts.end() ? kNone : it->second;
  };
  const auto range = [&node](const base::Address& address) {
    for (const auto& [prefix, next] : node.prefixes) {
      if (prefix.Contains(address)) return next;
    }
    return kNone;
  };
  std::array<char, 8> digits;
  std::size_t found = kNone;
  switch (level) {
    case kDestinationPort:
      found = text(PortText(facts.local.port(), digits));
      break;
    case kDestination:
      found = range(facts.local);
      break;
    case kServerName:
      found = text(facts.server_name);
      for (std::size_t dot = facts.server_name.find('.');
           found == kNone && dot != std::string_view::npos;
           dot = facts.server_name.find('.', dot + 1)) {
        found = text(facts.server_name.substr(dot));
      }
      break;
    case kTransport:
      found = text(facts.transport_protocol);
      break;
    case kApplication:
      for (const std::string& protocol : facts.application_protocols) {
        if (found == kNone) found = text(protocol);
      }
      break;
    case kDirectSource:
      found = range(facts.direct_remote);
      break;
    case kSourceType:
      found = node.texts.empty() ? kNone : text(IsLocal(facts) ? kLocalSource : kExternalSource);
      break;
    case kSource:
      found = range(facts.remote);
      break;
    default:
      found = text(PortText(facts.remote.port(), digits));
      break;
  }
  return found != kNone ? found : node.any;
}

}  // namespace sluice::config
