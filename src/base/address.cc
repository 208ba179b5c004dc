#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "base/check.h"
#include "base/strings.h"

namespace sluice::base {

std::optional<Address> Address::ParseIp(std::string_view ip, std::uint16_t port) {
  if (ip.size() >= 2 && ip.front() == '[' && ip.back() == ']') ip = ip.substr(1, ip.size() - 2);
  if (ip.size() > 45 || ip.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string text(ip);
  Address out;
  out.port_ = port;
  if (inet_pton(AF_INET, text.c_str(), out.ip_.data()) == 1) {
    out.family_ = Family::kIpv4;
    return out;
  }
  if (inet_pton(AF_INET6, text.c_str(), out.ip_.data()) == 1) {
    out.family_ = Family::kIpv6;
    return out;
  }
  return std::nullopt;
}

std::optional<Address> Address::Unix(std::string_view path) {
  if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path) ||
      path.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  Address out;
  out.family_ = Family::kUnix;
  out.path_ = path;
  return out;
}

Address Address::FromSockaddr(const sockaddr* address, unsigned size) {
  Address out;
  if (address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof(in));
    out.family_ = Family::kIpv4;
    out.port_ = ntohs(in.sin_port);
    std::memcpy(out.ip_.data(), &in.sin_addr, 4);
  } else if (address->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 in{};
    std::memcpy(&in, address, sizeof(in));
    out.port_ = ntohs(in.sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr)) {  // A dual-stack listener's IPv4 client.
      out.family_ = Family::kIpv4;
      std::memcpy(out.ip_.data(), in.sin6_addr.s6_addr + 12, 4);
    } else {
      out.family_ = Family::kIpv6;
      std::memcpy(out.ip_.data(), &in.sin6_addr, 16);
    }
  } else if (address->sa_family == AF_UNIX) {
    out.family_ = Family::kUnix;
    const std::size_t offset = offsetof(sockaddr_un, sun_path);
    if (size > offset) {
      const char* path = reinterpret_cast<const char*>(address) + offset;
      if (path[0] == '\0') {
        out.path_ = Cat("@", std::string_view(path + 1, size - offset - 1));
      } else {
        out.path_.assign(path, strnlen(path, size - offset));
      }
    }
  }
  return out;
}

bool Address::IsLoopback() const {
  switch (family_) {
    case Family::kNone:
      return false;
    case Family::kUnix:
      return true;
    case Family::kIpv4:
      return ip_[0] == 127;
    case Family::kIpv6: {
      std::array<std::uint8_t, 16> loopback{};
      loopback[15] = 1;
      return ip_ == loopback;
    }
  }
  return false;
}

bool Address::IsAny() const { return is_ip() && ip_ == std::array<std::uint8_t, 16>{}; }

unsigned Address::ToSockaddr(sockaddr_storage& out) const {
  std::memset(&out, 0, sizeof(out));
  if (family_ == Family::kIpv4) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port_);
    std::memcpy(&in.sin_addr, ip_.data(), 4);
    std::memcpy(&out, &in, sizeof(in));
    return sizeof(in);
  }
  if (family_ == Family::kIpv6) {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port_);
    std::memcpy(&in.sin6_addr, ip_.data(), 16);
    std::memcpy(&out, &in, sizeof(in));
    return sizeof(in);
  }
  SLUICE_CHECK(family_ == Family::kUnix);
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, path_.data(), path_.size());
  if (path_.starts_with('@')) un.sun_path[0] = '\0';
  std::memcpy(&out, &un, sizeof(un));
  const std::size_t terminator = path_.starts_with('@') ? 0 : 1;
  return static_cast<unsigned>(offsetof(sockaddr_un, sun_path) + path_.size() + terminator);
}

std::string Address::IpText() const {
  char text[INET6_ADDRSTRLEN] = {};
  switch (family_) {
    case Family::kNone:
      return "";
    case Family::kUnix:
      return path_;
    case Family::kIpv4:
      inet_ntop(AF_INET, ip_.data(), text, sizeof(text));
      break;
    case Family::kIpv6:
      inet_ntop(AF_INET6, ip_.data(), text, sizeof(text));
      break;
  }
  return text;
}

std::string Address::ToString() const {
  if (!is_ip()) return IpText();
  if (family_ == Family::kIpv6) return Cat("[", IpText(), "]:", port_);
  return Cat(IpText(), ":", port_);
}

}  // namespace sluice::base
