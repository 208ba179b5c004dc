#include "config/path_index.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <tuple>

#include "base/check.h"
#include "base/strings.h"
#include "config/route.h"

namespace sluice::config {

PathIndex::PathIndex(std::span<const Route> routes) {
  SLUICE_CHECK(routes.size() < kNone);
  std::vector<Entry> as_is;
  std::vector<Entry> folded;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const RouteMatch& match = routes[i].match;
    const auto route = static_cast<std::uint32_t>(i);
    switch (match.path_kind) {
      case RouteMatch::PathKind::kRegex:
      case RouteMatch::PathKind::kTemplate:
        if (!match.regex.has_value()) break;  // Never matches.
        as_is.push_back({match.regex->LiteralPrefix(), Kind::kPrefix, route});
        break;
      case RouteMatch::PathKind::kPrefix:
        (match.case_sensitive ? as_is : folded).push_back({match.path, Kind::kPrefix, route});
        break;
      case RouteMatch::PathKind::kExact:
        (match.case_sensitive ? as_is : folded).push_back({match.path, Kind::kExact, route});
        break;
      case RouteMatch::PathKind::kSegmentPrefix:
        (match.case_sensitive ? as_is : folded).push_back({match.path, Kind::kSegment, route});
        break;
      case RouteMatch::PathKind::kConnect:
        break;  // No path leads there.
    }
  }
  as_is_.Build(std::move(as_is));
  folded_.Build(std::move(folded));
}

void PathIndex::Tree::Build(std::vector<Entry> entries) {
  if (entries.empty()) return;
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.text, a.kind, a.route) < std::tie(b.text, b.kind, b.route);
  });
  // Entries [begin, end) share their first `depth` bytes and make the subtree of `node`.
  struct Range {
    std::uint32_t node, begin, end, depth;
  };
  std::deque<Range> todo;
  nodes.emplace_back();
  chosen_by.push_back('\0');
  routes.reserve(entries.size());
  todo.push_back({0, 0, static_cast<std::uint32_t>(entries.size()), 0});
  for (; !todo.empty(); todo.pop_front()) {
    auto [at, begin, end, depth] = todo.front();
    const std::string_view first = entries[begin].text;
    const std::string_view last = entries[end - 1].text;
    // In sorted order the common prefix of all is that of the first and the last.
    const auto common = static_cast<std::uint32_t>(
        std::mismatch(first.begin(), first.end(), last.begin(), last.end()).first - first.begin());
    Node node;
    node.label_at = static_cast<std::uint32_t>(labels.size());
    node.label_size = common - depth;
    labels.append(first.substr(depth, node.label_size));
    for (std::uint32_t i = begin; i < end; ++i) {
      node.route_min = std::min(node.route_min, entries[i].route);
    }
    const auto take = [&](Kind kind) {
      const auto from = static_cast<std::uint32_t>(routes.size());
      for (; begin < end && entries[begin].text.size() == common && entries[begin].kind == kind;
           ++begin) {
        routes.push_back(entries[begin].route);
      }
      return from;
    };
    node.prefixes_at = take(Kind::kPrefix);
    node.exacts_at = take(Kind::kExact);
    node.segments_at = take(Kind::kSegment);
    node.routes_end = static_cast<std::uint32_t>(routes.size());
    node.children_at = static_cast<std::uint32_t>(nodes.size());
    while (begin < end) {
      const char byte = entries[begin].text[common];
      std::uint32_t stop = begin;
      while (stop < end && entries[stop].text[common] == byte) ++stop;
      todo.push_back({static_cast<std::uint32_t>(nodes.size()), begin, stop, common + 1});
      nodes.emplace_back();
      chosen_by.push_back(byte);
      begin = stop;
    }
    node.children_count = static_cast<std::uint32_t>(nodes.size()) - node.children_at;
    nodes[at] = node;
  }
  nodes.shrink_to_fit();
  labels.shrink_to_fit();
  chosen_by.shrink_to_fit();
}

std::uint32_t PathIndex::Tree::FirstOf(std::uint32_t begin, std::uint32_t end,
                                       std::uint32_t from) const {
  if (begin == end) return kNone;
  if (routes[begin] >= from) return routes[begin];
  const auto last = routes.begin() + end;
  const auto found = std::lower_bound(routes.begin() + begin, last, from);
  return found == last ? kNone : *found;
}

template <bool kFoldCase>
std::uint32_t PathIndex::Tree::Next(std::string_view path, std::uint32_t from,
                                    std::uint32_t best) const {
  if (nodes.empty()) return best;
  const Node* node = nodes.data();
  std::size_t at = 0;
  while (node->route_min < best) {
    const std::size_t size = node->label_size;
    if (path.size() - at < size) return best;
    const char* label = labels.data() + node->label_at;
    if constexpr (kFoldCase) {
      for (std::size_t i = 0; i < size; ++i) {
        if (base::ToLower(path[at + i]) != label[i]) return best;
      }
    } else if (std::memcmp(path.data() + at, label, size) != 0) {
      return best;
    }
    at += size;
    best = std::min(best, FirstOf(node->prefixes_at, node->exacts_at, from));
    const bool ends = at == path.size();
    if (ends) best = std::min(best, FirstOf(node->exacts_at, node->segments_at, from));
    if (ends || path[at] == '/') {
      best = std::min(best, FirstOf(node->segments_at, node->routes_end, from));
    }
    if (ends || node->children_count == 0) return best;
    const char byte = kFoldCase ? base::ToLower(path[at]) : path[at];
    const char* choices = chosen_by.data() + node->children_at;
    const void* found =
        std::memchr(choices, static_cast<unsigned char>(byte), node->children_count);
    if (found == nullptr) return best;
    node = nodes.data() + node->children_at + (static_cast<const char*>(found) - choices);
    ++at;
  }
  return best;
}

std::uint32_t PathIndex::Next(std::string_view path, std::uint32_t from) const {
  const std::uint32_t best = as_is_.Next<false>(path, from, kNone);
  return folded_.Next<true>(path, from, best);
}

void IndexRoutes(VirtualHost& host) { host.index = std::make_shared<const PathIndex>(host.routes); }

}  // namespace sluice::config
