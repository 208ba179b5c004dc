#include "config/scoped_routes.h"

#include <algorithm>

#include "config/snapshot.h"
#include "http/head.h"

namespace sluice::config {
namespace {

std::optional<std::string_view> ElementOf(const ScopeFragment& fragment, std::string_view value) {
  std::uint32_t index = 0;
  for (std::size_t at = 0;; ++index) {
    const std::size_t end = fragment.element_separator.empty()
                                ? std::string_view::npos
                                : value.find(fragment.element_separator, at);
    const std::string_view element =
        value.substr(at, end == std::string_view::npos ? end : end - at);
    if (fragment.key.empty()) {
      if (index == fragment.index) return element;
    } else {
      const std::size_t split = element.find(fragment.key_separator);
      if (split != std::string_view::npos && element.substr(0, split) == fragment.key) {
        return element.substr(split + fragment.key_separator.size());
      }
    }
    if (end == std::string_view::npos) return std::nullopt;
    at = end + fragment.element_separator.size();
  }
}

}  // namespace

bool RouteScope::operator==(const RouteScope& other) const {
  const bool tables = inline_table == other.inline_table ||
                      (inline_table != nullptr && other.inline_table != nullptr &&
                       *inline_table == *other.inline_table);
  return name == other.name && key == other.key && table_name == other.table_name && tables;
}

bool ScopedRoutes::operator==(const ScopedRoutes& other) const {
  return name == other.name && fragments == other.fragments && over_xds == other.over_xds &&
         source == other.source && fetch_timeout_ms == other.fetch_timeout_ms &&
         std::ranges::equal(scopes, other.scopes,
                            [](const auto& a, const auto& b) { return *a == *b; });
}

void AppendScopeKey(std::string& key, std::string_view part) {
  base::Append(key, part.size(), ":", part);
}

std::optional<std::string> ScopeKeyOf(const std::vector<ScopeFragment>& fragments,
                                      const http::RequestHead& head) {
  std::string key;
  for (const ScopeFragment& fragment : fragments) {
    const std::optional<std::string_view> value =
        fragment.header == ":authority" ? std::optional<std::string_view>(head.authority)
                                        : head.fields.Get(fragment.header);
    if (!value) return std::nullopt;
    const std::optional<std::string_view> part = ElementOf(fragment, *value);
    if (!part) return std::nullopt;
    AppendScopeKey(key, *part);
  }
  return key;
}

const RouteTable* FindScopedTable(const ScopedRoutes& scoped, const Snapshot* snapshot,
                                  const http::RequestHead& head) {
  const ScopeTable* scopes = scoped.over_xds
                                 ? (snapshot == nullptr ? nullptr : snapshot->scopes.get())
                                 : scoped.table.get();
  if (scopes == nullptr) return nullptr;
  const std::optional<std::string> key = ScopeKeyOf(scoped.fragments, head);
  if (!key) return nullptr;
  const auto it = scopes->by_key.find(*key);
  if (it == scopes->by_key.end()) return nullptr;
  const RouteScope& scope = *it->second;
  if (scope.inline_table != nullptr) return scope.inline_table.get();
  return snapshot == nullptr ? nullptr : snapshot->route_tables.Find(scope.table_name);
}

std::shared_ptr<const ScopeTable> MakeScopeTable(
    std::vector<std::shared_ptr<const RouteScope>> scopes) {
  std::ranges::sort(scopes, {}, [](const auto& scope) { return scope->name; });
  auto table = std::make_shared<ScopeTable>();
  for (auto& scope : scopes) table->by_key.try_emplace(scope->key, std::move(scope));
  return table;
}

}  // namespace sluice::config
