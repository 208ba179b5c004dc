#include "config/compile_filter_chain.h"

#include <algorithm>
#include <utility>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_address.h"
#include "config/proto_values.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"

namespace sluice::config {
namespace {

namespace corev3 = envoy::config::core::v3;
namespace listenerv3 = envoy::config::listener::v3;
using Scope = base::FieldErrors::Scope;
using ProtoMatch = listenerv3::FilterChainMatch;

// ---- what a connection runs through

void CompileTransportSocket(const listenerv3::FilterChain& proto, const CompileOptions& options,
                            FilterChain& out, base::FieldErrors& errors) {
  if (proto.has_transport_socket_connect_timeout()) {
    out.transport_connect_timeout_ms = DurationMsAtLeast(
        proto.transport_socket_connect_timeout(), "transport_socket_connect_timeout", 1, errors);
  }
  if (!proto.has_transport_socket()) return;
  const Scope scope(errors, "transport_socket");
  const Scope config_scope(errors, "typed_config");
  const google::protobuf::Any& any = proto.transport_socket().typed_config();
  constexpr auto kCategory = ExtensionCategory::kDownstreamTransportSocket;
  const Extension* extension = FindExtension(kCategory, any);
  if (extension == nullptr) {
    // Served without it, the listener would speak plain text where TLS was asked for.
    AddUnknownExtension(kCategory, proto.transport_socket().name(), any, errors);
    return;
  }
  std::get<CompileIntoChain>(extension->compile)(any, options, out, errors);
}

// Terminal filters alone: what stands before one decides who may come in.
void CompileNetworkFilters(const listenerv3::FilterChain& proto, const CompileOptions& options,
                           FilterChain& out, base::FieldErrors& errors) {
  for (int i = 0; i < proto.filters_size(); ++i) {
    const Scope scope(errors, "filters", static_cast<std::size_t>(i));
    const listenerv3::Filter& filter = proto.filters(i);
    const Extension* extension =
        FindExtension(ExtensionCategory::kNetworkFilter, filter.typed_config());
    if (filter.name().empty()) errors.AddAt("name", "needed; write a name for the filter");
    if (extension != nullptr && i + 1 != proto.filters_size()) {
      errors.Add(base::Cat("Error: terminal filter named ", base::Printable(filter.name()),
                           " of type ", extension->type,
                           " must be the last filter in a network filter chain; use it once, at "
                           "the end"));
      continue;
    }
    const Scope config_scope(errors, "typed_config");
    if (extension == nullptr) {
      AddUnknownExtension(ExtensionCategory::kNetworkFilter, filter.name(), filter.typed_config(),
                          errors);
      continue;
    }
    std::get<CompileIntoChain>(extension->compile)(filter.typed_config(), options, out, errors);
  }
  if (proto.filters_size() == 0) {
    errors.AddAt("filters",
                 "empty; add a filter whose @type is "
                 "envoy.extensions.filters.network.http_connection_manager.v3."
                 "HttpConnectionManager");
  }
}

// ---- which connections

template <typename Ranges>
std::vector<base::Cidr> CompileRanges(const Ranges& ranges, std::string_view field,
                                      base::FieldErrors& errors) {
  std::vector<base::Cidr> out;
  for (int i = 0; i < ranges.size(); ++i) {
    const corev3::CidrRange& range = ranges[i];
    const auto made = base::Cidr::Make(range.address_prefix(), range.prefix_len().value());
    if (made) {
      if (std::find(out.begin(), out.end(), *made) == out.end()) out.push_back(*made);
      continue;
    }
    const Scope scope(errors, field, static_cast<std::size_t>(i));
    errors.Add(base::Cat("'", base::Printable(range.address_prefix()), "/",
                         range.prefix_len().value(),
                         "' is no range of IP addresses; write {address_prefix: 10.0.0.0, "
                         "prefix_len: 8}"));
  }
  return out;
}

std::uint32_t CompilePort(std::uint32_t port, std::string_view field, base::FieldErrors& errors) {
  if (port < 1 || port > 65535) errors.AddAt(field, "out of range; write a port from 1 to 65535");
  return port;
}

void CompileServerNames(const ProtoMatch& proto, FilterChainMatch& out, base::FieldErrors& errors) {
  for (int i = 0; i < proto.server_names_size(); ++i) {
    const std::string name = base::Lowercase(proto.server_names(i));
    const Scope scope(errors, "server_names", static_cast<std::size_t>(i));
    const std::string_view exact =
        name.starts_with("*.") ? std::string_view(name).substr(2) : std::string_view(name);
    if (exact.find('*') != exact.npos) {
      errors.Add(
          "partial wildcards are not supported in server_names; write *.example.org, or leave "
          "server_names out for every name");
    } else if (!IsDnsName(exact)) {
      errors.Add(base::Cat("'", base::Printable(name), "' is no DNS name; write example.org"));
    } else if (std::find(out.server_names.begin(), out.server_names.end(), name) ==
               out.server_names.end()) {
      out.server_names.push_back(name);
    }
  }
}

FilterChainMatch CompileMatch(const ProtoMatch& proto, base::FieldErrors& errors) {
  FilterChainMatch out;
  if (proto.has_destination_port()) {
    out.destination_port =
        CompilePort(proto.destination_port().value(), "destination_port", errors);
  }
  out.destinations = CompileRanges(proto.prefix_ranges(), "prefix_ranges", errors);
  CompileServerNames(proto, out, errors);
  out.transport_protocol = proto.transport_protocol();
  if (!out.transport_protocol.empty() && out.transport_protocol != "tls" &&
      out.transport_protocol != "raw_buffer") {
    errors.AddAt("transport_protocol", "no connection has that; write tls or raw_buffer");
  }
  for (const std::string& protocol : proto.application_protocols()) {
    if (protocol.empty() || protocol.size() > 255) {
      errors.AddAt("application_protocols", "1 to 255 bytes; write h2 or http/1.1");
    }
    out.application_protocols.push_back(protocol);
  }
  out.direct_sources =
      CompileRanges(proto.direct_source_prefix_ranges(), "direct_source_prefix_ranges", errors);
  if (proto.source_type() == ProtoMatch::SAME_IP_OR_LOOPBACK) {
    out.source_type = FilterChainMatch::SourceType::kSameIpOrLoopback;
  } else if (proto.source_type() == ProtoMatch::EXTERNAL) {
    out.source_type = FilterChainMatch::SourceType::kExternal;
  }
  out.sources = CompileRanges(proto.source_prefix_ranges(), "source_prefix_ranges", errors);
  for (const std::uint32_t port : proto.source_ports()) {
    out.source_ports.push_back(CompilePort(port, "source_ports", errors));
  }
  return out;
}

bool HasZeroPrefix(const Listener& listener) {
  const auto zero = [](const std::vector<base::Cidr>& ranges) {
    return std::any_of(ranges.begin(), ranges.end(), [](const auto& r) { return r.bits() == 0; });
  };
  return std::any_of(listener.filter_chains.begin(), listener.filter_chains.end(),
                     [&](const FilterChain& chain) {
                       return zero(chain.match.destinations) || zero(chain.match.direct_sources) ||
                              zero(chain.match.sources);
                     });
}

void IndexChains(Listener& out, base::FieldErrors& errors) {
  const bool zero_prefix = HasZeroPrefix(out);
  for (std::size_t i = 0; i < out.filter_chains.size(); ++i) {
    const FilterChain& chain = out.filter_chains[i];
    if (chain.is_default) continue;
    const Scope scope(errors, "filter_chains", i);
    std::size_t other = 0;
    switch (out.chain_index.Add(chain.match, i, zero_prefix, &other)) {
      case FilterChainIndex::Added::kOk:
        break;
      case FilterChainIndex::Added::kDuplicate:
        errors.AddAt(
            "filter_chain_match",
            base::Cat("error adding listener '", out.address.ToString(), "': filter chain '",
                      base::Printable(chain.name), "' has the same matching rules defined as '",
                      base::Printable(out.filter_chains[other].name),
                      "'; give each chain rules of its own"));
        break;
      case FilterChainIndex::Added::kTooMany:
        errors.AddAt("filter_chain_match", "too many combinations; use fewer values per chain");
        return;
    }
  }
}

FilterChain CompileChain(const listenerv3::FilterChain& proto, const CompileOptions& options,
                         base::FieldErrors& errors) {
  FilterChain out;
  out.name = proto.name();
  {
    const Scope scope(errors, "filter_chain_match");
    out.match = CompileMatch(proto.filter_chain_match(), errors);
  }
  out.key = out.match.Key();
  CompileTransportSocket(proto, options, out, errors);
  CompileNetworkFilters(proto, options, out, errors);
  return out;
}

// ---- listener filters

void CompileListenerFilters(const listenerv3::Listener& proto, const CompileOptions& options,
                            Listener& out, base::FieldErrors& errors) {
  for (int i = 0; i < proto.listener_filters_size(); ++i) {
    const Scope scope(errors, "listener_filters", static_cast<std::size_t>(i));
    const listenerv3::ListenerFilter& filter = proto.listener_filters(i);
    if (filter.name().empty()) errors.AddAt("name", "needed; write a name for the filter");
    const Scope config_scope(errors, "typed_config");
    const Extension* extension =
        FindExtension(ExtensionCategory::kListenerFilter, filter.typed_config());
    if (extension == nullptr) {
      AddUnknownExtension(ExtensionCategory::kListenerFilter, filter.name(), filter.typed_config(),
                          errors);
      continue;
    }
    auto config =
        std::get<CompileListenerFilter>(extension->compile)(filter.typed_config(), options, errors);
    if (config) out.listener_filters.push_back({filter.name(), *std::move(config)});
  }
  const auto inspects = [](const ListenerFilter& filter) {
    return std::holds_alternative<TlsInspectorFilter>(filter.config);
  };
  const bool needed = std::any_of(out.filter_chains.begin(), out.filter_chains.end(),
                                  [](const auto& c) { return c.match.NeedsTlsInspector(); });
  if (needed && std::none_of(out.listener_filters.begin(), out.listener_filters.end(), inspects)) {
    out.listener_filters.push_back({"envoy.filters.listener.tls_inspector", TlsInspectorFilter()});
  }
  if (proto.has_listener_filters_timeout()) {
    out.listener_filters_timeout_ms =
        DurationMs(proto.listener_filters_timeout(), "listener_filters_timeout", errors);
  }
  out.continue_on_listener_filters_timeout = proto.continue_on_listener_filters_timeout();
}

}  // namespace

void CompileFilterChains(const listenerv3::Listener& proto, const CompileOptions& options,
                         Listener& out, base::FieldErrors& errors) {
  if (proto.filter_chains_size() == 0 && !proto.has_default_filter_chain()) {
    errors.AddAt("filter_chains", "no filter chains specified; write one");
  }
  for (int i = 0; i < proto.filter_chains_size(); ++i) {
    const Scope scope(errors, "filter_chains", static_cast<std::size_t>(i));
    out.filter_chains.push_back(CompileChain(proto.filter_chains(i), options, errors));
  }
  IndexChains(out, errors);
  if (proto.has_default_filter_chain()) {
    const Scope scope(errors, "default_filter_chain");
    if (proto.default_filter_chain().has_filter_chain_match()) {
      errors.AddAt("filter_chain_match",
                   "the default chain takes what no other matches; leave it out");
    }
    out.filter_chains.push_back(CompileChain(proto.default_filter_chain(), options, errors));
    out.filter_chains.back().is_default = true;
    out.filter_chains.back().key = "default";
  }
  CompileListenerFilters(proto, options, out, errors);
}

std::optional<ListenerFilterConfig> CompileTlsInspector(const google::protobuf::Any& any,
                                                        const CompileOptions& options,
                                                        base::FieldErrors& errors) {
  envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector proto;
  if (!UnpackAny(any, options, proto, errors)) return std::nullopt;
  TlsInspectorFilter out;
  if (proto.has_max_client_hello_size()) {
    out.hello_bytes_max = proto.max_client_hello_size().value();
    if (out.hello_bytes_max < 256 || out.hello_bytes_max > 16 * 1024) {
      errors.AddAt("max_client_hello_size", "out of range; write 256 to 16384");
    }
  }
  out.close_on_bad_hello = proto.close_connection_on_client_hello_parsing_errors();
  return out;
}

}  // namespace sluice::config
