#pragma once
// HTTP filters whose configuration comes over xDS (ECDS), and what arrives for them.
//
// Values; resolved on the config thread (xds/resolve.cc), so that what workers get carries the
// configuration itself. envoy-behaviour.md 1.9.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config_source.h"
#include "config/route.h"

namespace sluice::config {

struct RouterFilter {
  bool suppress_envoy_headers = false;
  bool operator==(const RouterFilter&) const = default;
};
struct CorsFilter {
  bool operator==(const CorsFilter&) const = default;
};

struct HeaderMutationFilter {
  MessageSteps steps;
  bool most_specific_wins = false;
  bool operator==(const HeaderMutationFilter&) const = default;
};
// Its configuration has not arrived and there is no default: requests are answered 500.
struct MissingFilter {
  bool operator==(const MissingFilter&) const = default;
};

using HttpFilterConfig =
    std::variant<RouterFilter, CorsFilter, HeaderMutationFilter, MissingFilter>;

// What config_discovery says of a filter.
struct FilterDiscovery {
  std::vector<std::string> types;                          // Full message names it may have.
  std::shared_ptr<const HttpFilterConfig> default_config;  // Null: none.
  bool default_without_warming = false;
  ConfigSourceRef source;
  std::uint64_t fetch_timeout_ms = 15'000;
  bool operator==(const FilterDiscovery& other) const {
    const bool same = default_config == other.default_config ||
                      (default_config != nullptr && other.default_config != nullptr &&
                       *default_config == *other.default_config);
    return same && types == other.types && source == other.source &&
           default_without_warming == other.default_without_warming &&
           fetch_timeout_ms == other.fetch_timeout_ms;
  }
};

// A resource of ECDS.
struct ExtensionConfig {
  std::string name;
  std::string type;  // Full message name.
  HttpFilterConfig config;
  bool operator==(const ExtensionConfig&) const = default;
};

struct HttpFilter {
  std::string name;  // Also the name of its ECDS resource.
  bool disabled = false;
  HttpFilterConfig config = {};
  std::shared_ptr<const FilterDiscovery> discovery = nullptr;  // Null: `config` was written here.
  bool operator==(const HttpFilter& other) const {
    const bool same =
        discovery == other.discovery ||
        (discovery != nullptr && other.discovery != nullptr && *discovery == *other.discovery);
    return same && name == other.name && disabled == other.disabled && config == other.config;
  }
};

}  // namespace sluice::config
