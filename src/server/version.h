#pragma once
// The version of Sluice. Values.

#include <string_view>

namespace sluice::server {

inline constexpr unsigned kVersionMajor = 0;
inline constexpr unsigned kVersionMinor = 1;
inline constexpr unsigned kVersionPatch = 0;
inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace sluice::server
