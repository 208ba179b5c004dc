#include "net/proxy_protocol.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "base/strings.h"

namespace sluice::net {
namespace {

using Step = ProxyHeader::Step;
using Family = base::Address::Family;

constexpr std::string_view kSignature1 = "PROXY ";
constexpr std::string_view kSignature2("\r\n\r\n\0\r\nQUIT\n", 12);
// With the longest addresses, or UNKNOWN, and CRLF.
constexpr std::size_t kLine1Max = 107;
constexpr std::size_t kFixed2 = 16;

ProxyHeader Broken(int version) {
  ProxyHeader header;
  header.step = Step::kBroken;
  header.version = version;
  return header;
}

ProxyHeader NeedMore(int version) {
  ProxyHeader header;
  header.version = version;
  return header;
}

// ---- version 1

// Decimal, without a sign or leading zeros.
std::optional<std::uint16_t> ParsePort(std::string_view text) {
  if (text.size() > 5 || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  const auto value = base::ParseUint(text);
  if (!value || *value > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(*value);
}

std::optional<base::Address> ParseAddress(std::string_view ip, std::string_view port,
                                          Family family) {
  const auto number = ParsePort(port);
  if (!number || ip.find_first_of("[]%") != std::string_view::npos) return std::nullopt;
  auto address = base::Address::ParseIp(ip, *number);
  if (!address || address->family() != family) return std::nullopt;
  return address;
}

// `line` is without CRLF.
bool ParseLine(std::string_view line, ProxyHeader& header) {
  if (line == "PROXY UNKNOWN" || line.starts_with("PROXY UNKNOWN ")) return true;
  const std::vector<std::string_view> words = base::Split(line, ' ');
  if (words.size() != 6) return false;
  const Family family = words[1] == "TCP4"   ? Family::kIpv4
                        : words[1] == "TCP6" ? Family::kIpv6
                                             : Family::kNone;
  if (family == Family::kNone) return false;
  const auto source = ParseAddress(words[2], words[4], family);
  const auto destination = ParseAddress(words[3], words[5], family);
  if (!source || !destination) return false;
  header.has_addresses = true;
  header.source = *source;
  header.destination = *destination;
  return true;
}

ProxyHeader Parse1(std::string_view input) {
  const std::string_view line = input.substr(0, kLine1Max);
  const std::size_t end = line.find('\n');
  // A control byte or one beyond ASCII never becomes part of a good line.
  const std::string_view text = line.substr(0, end);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool last = text[i] == '\r' && i + 1 == text.size();
    if ((byte < 0x20 || byte > 0x7e) && !last) return Broken(1);
  }
  if (end == std::string_view::npos) {
    return line.size() == kLine1Max ? Broken(1) : NeedMore(1);
  }
  if (end == 0 || line[end - 1] != '\r') return Broken(1);
  ProxyHeader header;
  header.version = 1;
  header.bytes = end + 1;
  if (!ParseLine(line.substr(0, end - 1), header)) return Broken(1);
  header.step = Step::kHeader;
  return header;
}

// ---- version 2

std::uint16_t Read16(std::string_view bytes) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[0]) << 8 |
                                    static_cast<unsigned char>(bytes[1]));
}

base::Address ReadAddress(std::string_view ip, std::string_view port) {
  sockaddr_storage storage = {};
  socklen_t size = 0;
  if (ip.size() == 4) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(Read16(port));
    std::memcpy(&address.sin_addr, ip.data(), 4);
    std::memcpy(&storage, &address, size = sizeof(address));
  } else {
    sockaddr_in6 address = {};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(Read16(port));
    std::memcpy(&address.sin6_addr, ip.data(), 16);
    std::memcpy(&storage, &address, size = sizeof(address));
  }
  return base::Address::FromSockaddr(reinterpret_cast<sockaddr*>(&storage), size);
}

bool TlvsHold(std::string_view rest) {
  while (!rest.empty()) {
    if (rest.size() < 3) return false;
    const std::size_t length = Read16(rest.substr(1));
    if (rest.size() - 3 < length) return false;
    rest.remove_prefix(3 + length);
  }
  return true;
}

// The block of addresses of PROXY: of TCP over IPv4 or IPv6, or of nothing.
bool ParseBlock(unsigned family, std::string_view block, ProxyHeader& header) {
  constexpr unsigned kUnspecified = 0x00;
  constexpr unsigned kTcp4 = 0x11;
  constexpr unsigned kTcp6 = 0x21;
  if (family == kUnspecified) return true;
  if (family != kTcp4 && family != kTcp6) return false;
  const std::size_t ip = family == kTcp4 ? 4 : 16;
  if (block.size() < 2 * ip + 4) return false;
  header.has_addresses = true;
  header.source = ReadAddress(block.substr(0, ip), block.substr(2 * ip));
  header.destination = ReadAddress(block.substr(ip, ip), block.substr(2 * ip + 2));
  return TlvsHold(block.substr(2 * ip + 4));
}

ProxyHeader Parse2(std::string_view input) {
  if (input.size() > 12) {
    const auto command = static_cast<unsigned char>(input[12]);
    if (command != 0x20 && command != 0x21) return Broken(2);
  }
  if (input.size() < kFixed2) return NeedMore(2);
  const std::size_t length = Read16(input.substr(14));
  if (kFixed2 + length > kProxyHeaderBytesMax) return Broken(2);
  if (input.size() < kFixed2 + length) return NeedMore(2);
  ProxyHeader header;
  header.version = 2;
  header.bytes = kFixed2 + length;
  const bool local = input[12] == 0x20;
  const auto family = static_cast<unsigned char>(input[13]);
  if (!local && !ParseBlock(family, input.substr(kFixed2, length), header)) return Broken(2);
  header.step = Step::kHeader;
  return header;
}

void Append16(std::uint16_t value, std::string& out) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value & 0xff);
}

void AppendIp(const base::Address& address, std::string& out) {
  for (const std::uint8_t byte : address.ip_bytes()) out += static_cast<char>(byte);
}

}  // namespace

ProxyHeader ParseProxyHeader(std::string_view input) {
  const auto begins = [&](std::string_view signature) {
    const std::size_t common = std::min(input.size(), signature.size());
    return input.substr(0, common) == signature.substr(0, common);
  };
  if (begins(kSignature2)) {
    return input.size() < kSignature2.size() ? NeedMore(0) : Parse2(input);
  }
  if (begins(kSignature1)) {
    return input.size() < kSignature1.size() ? NeedMore(0) : Parse1(input);
  }
  ProxyHeader header;
  header.step = Step::kNone;
  return header;
}

void AppendProxyHeader(int version, const base::Address& source, const base::Address& destination,
                       std::string& out) {
  SLUICE_CHECK(version == 1 || version == 2);
  const bool known = source.is_ip() && source.family() == destination.family();
  const bool v4 = source.family() == Family::kIpv4;
  if (version == 1) {
    if (!known) {
      out += "PROXY UNKNOWN\r\n";
      return;
    }
    base::Append(out, "PROXY ", v4 ? "TCP4 " : "TCP6 ", source.IpText(), " ", destination.IpText(),
                 " ", source.port(), " ", destination.port(), "\r\n");
    return;
  }
  out += kSignature2;
  if (!known) {
    out.append("\x20\x00\x00\x00", 4);
    return;
  }
  out += '\x21';
  out += v4 ? '\x11' : '\x21';
  Append16(v4 ? 12 : 36, out);
  AppendIp(source, out);
  AppendIp(destination, out);
  Append16(source.port(), out);
  Append16(destination.port(), out);
}

}  // namespace sluice::net
