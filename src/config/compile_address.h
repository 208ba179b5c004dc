#pragma once
// Addresses of listeners, endpoints and the admin port: proto to value. Config thread.

#include <string_view>

#include "base/address.h"

namespace envoy::config::core::v3 {
class Address;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct Endpoint;

// An IP address (port 0: the kernel picks one) or a Unix socket. `ipv4_compat` may be null where
// the option makes no sense. Family kNone after adding an error.
base::Address CompileListenAddress(const envoy::config::core::v3::Address& proto, bool* ipv4_compat,
                                   base::FieldErrors& errors);

// Fills address, or dns_name and dns_port where `names_allowed`.
void CompileEndpointAddress(const envoy::config::core::v3::Address& proto, bool names_allowed,
                            Endpoint& endpoint, base::FieldErrors& errors);

// Letters, digits, '-', '_' and dots, labels of at most 63 bytes, 253 in all.
bool IsDnsName(std::string_view name);

}  // namespace sluice::config
