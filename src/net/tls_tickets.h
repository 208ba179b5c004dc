#pragma once
// Keys of session tickets: those of the configuration, or the process's own. Only src/net includes
// this. Any thread.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

struct ssl_ctx_st;

namespace sluice::net {

// 80 bytes: name, HMAC key, AES key.
using TicketKey = std::array<unsigned char, 80>;
inline constexpr std::uint64_t kTicketEpochS = 6 * 3600;

// The process's key of an epoch: workers agree without sharing anything, and old ones need not be
// kept. Lost with the process.
TicketKey ProcessTicketKey(std::uint64_t epoch);

// Installs the callback, which seals with the first of `keys` (empty: the process's key of now)
// and opens with any (that of the epoch before, too). `keys` must outlive the context.
void UseTicketKeys(ssl_ctx_st* context, const std::vector<TicketKey>& keys);

}  // namespace sluice::net
