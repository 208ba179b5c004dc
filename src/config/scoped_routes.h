#pragma once
// Scoped routes: a key made of a request's headers chooses the route table.
//
// Values, built on the config thread; any thread may read. envoy-behaviour.md 2.11.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "config/config_source.h"
#include "config/route.h"

namespace sluice::http {
struct RequestHead;
}

namespace sluice::config {

struct Snapshot;

// How one part of the key is taken out of a header's value.
struct ScopeFragment {
  std::string header;             // Lower case.
  std::string element_separator;  // "": the whole value is one element.
  std::uint32_t index = 0;        // Which element, unless
  std::string key;                // this is set: the element "key<key_separator>value".
  std::string key_separator;
  bool operator==(const ScopeFragment&) const = default;
};

struct RouteScope {
  std::string name;
  std::string key;         // See JoinScopeKey.
  std::string table_name;  // A table of RDS, or
  std::shared_ptr<const RouteTable> inline_table;
  bool operator==(const RouteScope& other) const;  // Tables by value.
};

// All scopes that one connection manager chooses from, by key.
struct ScopeTable {
  base::StringMap<std::shared_ptr<const RouteScope>> by_key;
};

struct ScopedRoutes {
  std::string name;
  std::vector<ScopeFragment> fragments;
  ConfigSourceRef source;  // Of SRDS,
  std::uint64_t fetch_timeout_ms = 15'000;
  bool over_xds = false;                                  // The scopes are those of SRDS; else
  std::vector<std::shared_ptr<const RouteScope>> scopes;  // these,
  std::shared_ptr<const ScopeTable> table;                // by key. Derived.
  bool operator==(const ScopedRoutes& other) const;
};

// Appends a part so that no two lists of parts make the same key.
void AppendScopeKey(std::string& key, std::string_view part);
// The key of a request; nullopt when it lacks a part.
std::optional<std::string> ScopeKeyOf(const std::vector<ScopeFragment>& fragments,
                                      const http::RequestHead& head);
// The table that serves a request, or null.
const RouteTable* FindScopedTable(const ScopedRoutes& scoped, const Snapshot* snapshot,
                                  const http::RequestHead& head);
// Of two scopes with one key the first in order of names is taken.
std::shared_ptr<const ScopeTable> MakeScopeTable(
    std::vector<std::shared_ptr<const RouteScope>> scopes);

}  // namespace sluice::config
