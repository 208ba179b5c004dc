#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <cstring>

#include "observe/format.h"

namespace sluice::observe {

void AppendIp(const base::Address& address, std::string& out) {
  if (address.family() != base::Address::Family::kIpv4) {
    out += address.IpText();
    return;
  }
  sockaddr_storage storage;
  address.ToSockaddr(storage);
  sockaddr_in in;
  std::memcpy(&in, &storage, sizeof(in));
  std::array<unsigned char, 4> bytes;
  std::memcpy(bytes.data(), &in.sin_addr, bytes.size());
  char text[16];
  char* at = text;
  for (const unsigned char byte : bytes) {
    if (at != text) *at++ = '.';
    at = std::to_chars(at, text + sizeof(text), byte).ptr;
  }
  out.append(text, static_cast<std::size_t>(at - text));
}

void AppendAddress(const base::Address& address, std::string& out) {
  if (address.family() != base::Address::Family::kIpv4) {
    out += address.ToString();
    return;
  }
  AppendIp(address, out);
  char text[6] = {':'};
  const auto result = std::to_chars(text + 1, text + sizeof(text), address.port());
  out.append(text, static_cast<std::size_t>(result.ptr - text));
}

}  // namespace sluice::observe
