#include "config/compile_address.h"

#include <optional>
#include <string>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/cluster.h"
#include "envoy/config/core/v3/address.pb.h"

namespace sluice::config {
namespace {

namespace corev3 = envoy::config::core::v3;

// What both directions ask of a socket_address. False after adding an error.
bool CheckSocketAddress(const corev3::SocketAddress& proto, base::FieldErrors& errors) {
  const std::size_t before = errors.size();
  if (proto.protocol() != corev3::SocketAddress::TCP) {
    errors.AddAt("protocol", "UDP is not supported; use TCP");
  }
  if (proto.address().empty()) errors.AddAt("address", "needed; write an address, as 127.0.0.1");
  if (proto.port_specifier_case() == corev3::SocketAddress::PORT_SPECIFIER_NOT_SET) {
    errors.AddAt("port_value", "needed; write a port number");
  }
  if (proto.port_value() > 65535) {
    errors.AddAt("port_value", base::Cat(proto.port_value(), " is no port; write 0 to 65535"));
  }
  return errors.size() == before;
}

std::string MalformedIp(std::string_view address) {
  return base::Cat("malformed IP address: ", base::Printable(address));
}

std::optional<base::Address> CompilePipe(const corev3::Pipe& proto, base::FieldErrors& errors) {
  const base::FieldErrors::Scope scope(errors, "pipe");
  if (proto.mode() != 0) {
    // A mode that is not applied would open the socket to more users than it says.
    errors.AddAt("mode", "not supported; give the socket's directory the permissions");
    return std::nullopt;
  }
  if (proto.path().find('\0') != std::string::npos) {
    errors.AddAt("path", "holds a NUL byte; write a file's path, or @ and an abstract name");
    return std::nullopt;
  }
  const std::optional<base::Address> address = base::Address::Unix(proto.path());
  if (!address) {
    errors.AddAt("path",
                 "empty, or longer than the 107 bytes of a Unix socket's address; write a "
                 "shorter path");
  }
  return address;
}

}  // namespace

bool IsDnsName(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > 253) return false;
  for (const std::string_view label : base::Split(name, '.')) {
    if (label.empty() || label.size() > 63) return false;
    for (const char c : label) {
      const char lower = base::ToLower(c);
      const bool letter_or_digit = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
      if (!letter_or_digit && c != '-' && c != '_') return false;
    }
  }
  return true;
}

base::Address CompileListenAddress(const corev3::Address& proto, bool* ipv4_compat,
                                   base::FieldErrors& errors) {
  if (proto.address_case() == corev3::Address::kPipe) {
    return CompilePipe(proto.pipe(), errors).value_or(base::Address());
  }
  if (proto.address_case() != corev3::Address::kSocketAddress) {
    if (proto.address_case() == corev3::Address::ADDRESS_NOT_SET) {
      errors.Add("needed; write socket_address: {address: 0.0.0.0, port_value: 8000}");
    }
    return {};
  }
  const base::FieldErrors::Scope scope(errors, "socket_address");
  const corev3::SocketAddress& socket = proto.socket_address();
  if (!CheckSocketAddress(socket, errors)) return {};
  const auto address =
      base::Address::ParseIp(socket.address(), static_cast<std::uint16_t>(socket.port_value()));
  if (!address) {
    errors.AddAt("address",
                 base::Cat(MalformedIp(socket.address()), "; use an IP address, as 0.0.0.0 or ::"));
    return {};
  }
  if (socket.ipv4_compat()) {
    if (ipv4_compat == nullptr || address->family() != base::Address::Family::kIpv6 ||
        !address->IsAny()) {
      errors.AddAt("ipv4_compat", "only for the IPv6 wildcard of a listener; use address ::");
    } else {
      *ipv4_compat = true;
    }
  }
  return *address;
}

void CompileEndpointAddress(const corev3::Address& proto, bool names_allowed, Endpoint& endpoint,
                            base::FieldErrors& errors) {
  if (proto.address_case() == corev3::Address::kPipe) {
    if (names_allowed) {
      errors.AddAt("pipe", "not in a cluster that resolves names; use type STATIC");
      return;
    }
    endpoint.address = CompilePipe(proto.pipe(), errors).value_or(base::Address());
    return;
  }
  if (proto.address_case() != corev3::Address::kSocketAddress) {
    if (proto.address_case() == corev3::Address::ADDRESS_NOT_SET) {
      errors.Add("needed; write socket_address: {address: 10.0.0.1, port_value: 80}");
    }
    return;
  }
  const base::FieldErrors::Scope scope(errors, "socket_address");
  const corev3::SocketAddress& socket = proto.socket_address();
  if (!CheckSocketAddress(socket, errors)) return;
  if (socket.port_value() == 0) {
    errors.AddAt("port_value", "nothing can be reached at port 0; write 1 to 65535");
    return;
  }
  if (socket.ipv4_compat()) {
    errors.AddAt("ipv4_compat", "only for the IPv6 wildcard of a listener; leave it out");
  }
  const auto port = static_cast<std::uint16_t>(socket.port_value());
  if (const auto address = base::Address::ParseIp(socket.address(), port)) {
    endpoint.address = *address;
  } else if (!names_allowed) {
    errors.AddAt("address", base::Cat(MalformedIp(socket.address()),
                                      ". Consider setting resolver_name or setting cluster type "
                                      "to 'STRICT_DNS' or 'LOGICAL_DNS'"));
  } else if (!IsDnsName(socket.address())) {
    errors.AddAt("address", base::Cat("'", base::Printable(socket.address()),
                                      "' is neither an IP address nor a DNS name; write one, as "
                                      "app.example.com, without scheme and port"));
  } else {
    endpoint.dns_name = base::Lowercase(socket.address());
    endpoint.dns_port = port;
  }
}

}  // namespace sluice::config
