#pragma once
// A range of IP addresses: an address and how many of its leading bits count. A value; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"

namespace sluice::base {

class Cidr {
 public:
  Cidr() = default;
  // The bits that do not count are cleared. Nullopt: no numeric IP, or more bits than it has.
  static std::optional<Cidr> Make(std::string_view ip, unsigned bits);

  // False for another family and for Unix sockets; an IPv4 address in IPv6 form is no IPv4 address.
  bool Contains(const Address& address) const;
  unsigned bits() const { return bits_; }
  const Address& address() const { return address_; }  // Port 0.
  std::string ToString() const;                        // "10.0.0.0/8"

  bool operator==(const Cidr&) const = default;
  auto operator<=>(const Cidr&) const = default;

 private:
  Address address_;
  unsigned bits_ = 0;
};

}  // namespace sluice::base
