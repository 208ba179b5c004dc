#pragma once
// Who listens on an address already, for the error that says so. Any thread; reads /proc only.

#include <string>

#include "base/address.h"

namespace sluice::net {

// "pid 1234, nginx"; empty when /proc does not tell (another user's process, no /proc).
std::string PortHolder(const base::Address& address);

}  // namespace sluice::net
