#include "base/cidr.h"

#include <arpa/inet.h>

#include <array>

#include "base/strings.h"

namespace sluice::base {

std::optional<Cidr> Cidr::Make(std::string_view ip, unsigned bits) {
  const std::optional<Address> parsed = Address::ParseIp(ip, 0);
  if (!parsed || bits > parsed->ip_bytes().size() * 8) return std::nullopt;
  std::array<std::uint8_t, 16> bytes{};
  unsigned left = bits;
  for (std::size_t i = 0; i < parsed->ip_bytes().size() && left > 0; ++i) {
    const unsigned here = left < 8 ? left : 8;
    bytes[i] = static_cast<std::uint8_t>(parsed->ip_bytes()[i] & (0xff00U >> here));
    left -= here;
  }
  char text[INET6_ADDRSTRLEN] = "";
  const bool v4 = parsed->family() == Address::Family::kIpv4;
  inet_ntop(v4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof(text));
  Cidr out;
  out.address_ = *Address::ParseIp(text, 0);
  out.bits_ = bits;
  return out;
}

bool Cidr::Contains(const Address& address) const {
  if (address.family() != address_.family() || !address.is_ip()) return false;
  const auto mine = address_.ip_bytes();
  const auto theirs = address.ip_bytes();
  unsigned left = bits_;
  for (std::size_t i = 0; left > 0; ++i) {
    const unsigned here = left < 8 ? left : 8;
    if ((mine[i] ^ theirs[i]) & (0xff00U >> here) & 0xffU) return false;
    left -= here;
  }
  return true;
}

std::string Cidr::ToString() const { return Cat(address_.IpText(), "/", bits_); }

}  // namespace sluice::base
