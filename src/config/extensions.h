#pragma once
// The table of extensions: which `typed_config` messages this build knows, where they may stand,
// and which function compiles each.
//
// One row per extension, in extensions.cc; nothing registers itself. An extension is found by the
// type URL inside its Any; the operator's `name` is a label. What is not in the table is refused
// (decisions 1). Config thread.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "config/access_log.h"
#include "config/cluster.h"
#include "config/compile.h"
#include "config/listener.h"
#include "config/route.h"

namespace google::protobuf {
class Any;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

enum class ExtensionCategory : std::uint8_t {
  kNetworkFilter,
  kListenerFilter,
  kHttpFilter,
  kPerRoute,  // Values of typed_per_filter_config.
  kAccessLogger,
  kDownstreamTransportSocket,
  kUpstreamTransportSocket,
  kProtocolOptions,  // Values of typed_extension_protocol_options.
  kLoadBalancer,
};

// Whose bytes an extension withstands; Envoy's security posture.
enum class Posture : std::uint8_t {
  kBothSides,
  kDownstreamOnly,
  kUpstreamOnly,
  kDataPlaneAgnostic
};
enum class Maturity : std::uint8_t { kStable, kAlpha };

// What each category's rows point to. `any` has the row's type.
// Network filters set the `http` or `tcp` of the chain, transport sockets its `tls`.
using CompileIntoChain = void (*)(const google::protobuf::Any& any, const CompileOptions& options,
                                  FilterChain& chain, base::FieldErrors& errors);
// Null after adding an error.
using CompileListenerFilter = std::optional<ListenerFilterConfig> (*)(
    const google::protobuf::Any& any, const CompileOptions& options, base::FieldErrors& errors);
using CompileHttpFilter = std::optional<HttpFilterConfig> (*)(const google::protobuf::Any& any,
                                                              const CompileOptions& options,
                                                              base::FieldErrors& errors);
using CompilePerRoute = std::optional<PerFilterConfig> (*)(const google::protobuf::Any& any,
                                                           const CompileOptions& options,
                                                           base::FieldErrors& errors);
using CompileAccessLogger = void (*)(const google::protobuf::Any& any,
                                     const CompileOptions& options, AccessLog& log,
                                     base::FieldErrors& errors);
using CompileIntoCluster = void (*)(const google::protobuf::Any& any, const CompileOptions& options,
                                    Cluster& cluster, base::FieldErrors& errors);

struct Extension {
  ExtensionCategory category;
  std::string_view name;  // Envoy's canonical name.
  std::string_view type;  // Full message name: what follows the last '/' of the type URL.
  Posture posture;
  Maturity status;
  std::variant<CompileIntoChain, CompileHttpFilter, CompilePerRoute, CompileAccessLogger,
               CompileListenerFilter, CompileIntoCluster>
      compile;
};

std::span<const Extension> Extensions();
std::string_view CategoryName(ExtensionCategory category);  // "envoy.filters.http", ...

// The row for the type inside `any`, or null.
const Extension* FindExtension(ExtensionCategory category, const google::protobuf::Any& any);

// Adds, at the current scope, Envoy's error for an unknown extension and what is supported.
void AddUnknownExtension(ExtensionCategory category, std::string_view name,
                         const google::protobuf::Any& any, base::FieldErrors& errors);

}  // namespace sluice::config
