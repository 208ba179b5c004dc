#pragma once
// One resource that the configuration refers to by name, and where it comes from. Config thread.

#include <cstdint>
#include <string>

#include "config/config_source.h"

namespace sluice::xds {

struct Want {
  std::string name;
  config::ConfigSourceRef source = {};  // Null: ADS.
  std::string stats = {};  // Scope of its subscription's statistics, "http.in.rds.app.".
  std::uint64_t fetch_timeout_ms = 15'000;  // 0: none. For init_fetch_timeout.

  bool operator==(const Want&) const = default;
};

}  // namespace sluice::xds
