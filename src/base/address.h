#pragma once
// An IPv4, IPv6 or Unix socket address as a value. Any thread.

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct sockaddr;
struct sockaddr_storage;

namespace sluice::base {

class Address {
 public:
  enum class Family : std::uint8_t { kNone, kIpv4, kIpv6, kUnix };

  Address() = default;
  // Numeric IP only; nullopt for names and nonsense. "::" and "[::]" are both read.
  static std::optional<Address> ParseIp(std::string_view ip, std::uint16_t port);
  // Filesystem path, or '@' + abstract name; nullopt when empty or too long for sun_path.
  static std::optional<Address> Unix(std::string_view path);
  static Address FromSockaddr(const sockaddr* address, unsigned size);

  Family family() const { return family_; }
  bool is_ip() const { return family_ == Family::kIpv4 || family_ == Family::kIpv6; }
  std::uint16_t port() const { return port_; }
  void set_port(std::uint16_t port) { port_ = port; }
  bool IsLoopback() const;  // True for Unix sockets.
  bool IsAny() const;       // 0.0.0.0 or ::

  // Network order: 4 bytes, 16 bytes, or none where there is no IP.
  std::span<const std::uint8_t> ip_bytes() const {
    return {ip_.data(), family_ == Family::kIpv4 ? 4U : family_ == Family::kIpv6 ? 16U : 0U};
  }

  // Fills `out`; returns its length. REQUIRES: family() != kNone.
  unsigned ToSockaddr(sockaddr_storage& out) const;

  std::string IpText() const;    // "127.0.0.1", "::1"; the path for Unix.
  std::string ToString() const;  // "127.0.0.1:80", "[::1]:80", the path for Unix.

  bool operator==(const Address&) const = default;
  auto operator<=>(const Address&) const = default;

  template <typename H>
  friend H AbslHashValue(H h, const Address& a) {
    return H::combine(std::move(h), static_cast<int>(a.family_), a.port_, a.ip_, a.path_);
  }

 private:
  Family family_ = Family::kNone;
  std::uint16_t port_ = 0;
  std::array<std::uint8_t, 16> ip_{};  // Network order; IPv4 in the first four.
  std::string path_;
};

}  // namespace sluice::base
