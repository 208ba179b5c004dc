#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile.h"
#include "config/compile_address.h"
#include "config/compile_filter_chain.h"
#include "config/defaults.h"
#include "config/proto_values.h"
#include "envoy/config/listener/v3/listener.pb.h"

namespace sluice::config {
namespace {

namespace listenerv3 = envoy::config::listener::v3;

void CompileAddresses(const listenerv3::Listener& proto, Listener& out, base::FieldErrors& errors) {
  {
    const base::FieldErrors::Scope scope(errors, "address");
    out.address = CompileListenAddress(proto.address(), &out.ipv4_compat, errors);
  }
  std::vector<base::Address> seen{out.address};
  for (int i = 0; i < proto.additional_addresses_size(); ++i) {
    const base::FieldErrors::Scope scope(errors, "additional_addresses",
                                         static_cast<std::size_t>(i));
    const base::FieldErrors::Scope address_scope(errors, "address");
    bool ipv4_compat = false;
    const base::Address address =
        CompileListenAddress(proto.additional_addresses(i).address(), &ipv4_compat, errors);
    if (address.family() == base::Address::Family::kNone) continue;
    if (ipv4_compat != out.ipv4_compat && address.family() == base::Address::Family::kIpv6) {
      errors.AddAt("socket_address.ipv4_compat",
                   "differs between the addresses of one listener; use two listeners");
    }
    // Port 0 is a new port each time.
    const bool fixed = !address.is_ip() || address.port() != 0;
    if (fixed && std::find(seen.begin(), seen.end(), address) != seen.end()) {
      errors.Add(base::Cat(address.ToString(), " is listed twice; keep one"));
    }
    seen.push_back(address);
    out.additional_addresses.push_back(address);
  }
}

}  // namespace

std::shared_ptr<const Listener> CompileListener(const listenerv3::Listener& proto,
                                                const CompileOptions& options,
                                                base::FieldErrors& errors) {
  CheckMessage(proto, options, errors);
  auto out = std::make_shared<Listener>(DefaultListener(options.defaults));
  CompileAddresses(proto, *out, errors);
  out->name = proto.name();
  if (out->name.empty()) {
    if (options.is_static) {
      out->name = out->address.ToString();
    } else {
      errors.AddAt("name", "needed; write a name for the listener");
    }
  }
  out->stat_prefix = proto.stat_prefix();
  CompileFilterChains(proto, options, *out, errors);
  if (proto.drain_type() != listenerv3::Listener::DEFAULT) {
    AddEnumError("drain_type", proto.drain_type(), "DEFAULT", errors);
  }
  if (proto.has_bind_to_port() && !proto.bind_to_port().value()) {
    errors.AddAt("bind_to_port",
                 "false is not supported, as no listener hands connections to "
                 "another; leave it out");
  }
  if (proto.has_per_connection_buffer_limit_bytes()) {
    out->connection_buffer_limit_bytes =
        BufferLimit(proto.per_connection_buffer_limit_bytes().value(), errors);
  }
  if (proto.has_tcp_backlog_size()) {
    out->tcp_backlog = proto.tcp_backlog_size().value();
    if (out->tcp_backlog < 1 ||
        out->tcp_backlog > static_cast<std::uint32_t>(std::numeric_limits<int>::max())) {
      errors.AddAt("tcp_backlog_size", "out of range; write 1 to 2147483647, as 4096");
    }
  }
  if (proto.has_enable_reuse_port() && !proto.enable_reuse_port().value()) {
    errors.AddAt("enable_reuse_port", "every worker has a socket of its own; leave it out");
  }
  return out;
}

}  // namespace sluice::config
