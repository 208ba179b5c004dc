#pragma once
// The grpc-timeout field: at most 8 digits and a unit. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::http {

// Milliseconds, a part of one counting as one. Nullopt when it is none.
std::optional<std::uint64_t> ParseGrpcTimeout(std::string_view text);
// In the finest unit that 8 digits leave room for.
std::string GrpcTimeoutText(std::uint64_t ms);

}  // namespace sluice::http
