#include "config/bootstrap.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "config/bootstrap_checks.h"
#include "config/bootstrap_sources.h"
#include "config/compile_access_log.h"
#include "config/compile_address.h"
#include "config/compile_secret.h"
#include "config/proto_values.h"
#include "config/yaml_to_proto.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace sluice::config {
namespace {

namespace bootstrapv3 = envoy::config::bootstrap::v3;
namespace corev3 = envoy::config::core::v3;
using Proto = bootstrapv3::Bootstrap;
using Scope = base::FieldErrors::Scope;

// The same bytes for the same message: maps are written in key order.
std::string Bytes(const google::protobuf::Message& message) {
  std::string out;
  {
    google::protobuf::io::StringOutputStream stream(&out);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return out;
}

class Compiler {
 public:
  Compiler(const BootstrapOverrides& overrides, const CompileOptions& options,
           base::FieldErrors& errors)
      : overrides_(overrides), options_(options), errors_(errors) {
    options_.is_static = true;
  }

  void Compile(const Proto& proto, Bootstrap& out) {
    CheckOwnFields(proto);
    CompileNode(proto.node(), out.node);
    CompileAdmin(proto.admin(), out);
    {
      const Scope scope(errors_, "static_resources");
      CompileClusters(proto.static_resources(), out);
      CompileListeners(proto.static_resources(), out);
      CompileSecrets(proto.static_resources(), out);
    }
    CompileDynamicResources(proto, options_, out, errors_);
    CompileRuntime(proto, out);
    CheckStaticClusters(proto, errors_);
    out.proto_bytes = Bytes(proto);
  }

 private:
  // All but listeners and clusters, which their compilers check.
  void CheckOwnFields(const Proto& proto) {
    Proto rest = proto;
    rest.mutable_static_resources()->clear_listeners();
    rest.mutable_static_resources()->clear_clusters();
    rest.mutable_static_resources()->clear_secrets();
    CheckMessage(rest, options_, errors_);
  }

  void CompileNode(const corev3::Node& proto, Node& out) {
    const auto choose = [](const std::string& flag, const std::string& file) {
      return flag.empty() ? file : flag;
    };
    out.id = choose(overrides_.service_node, proto.id());
    out.cluster = choose(overrides_.service_cluster, proto.cluster());
    out.region = proto.locality().region();
    out.zone = choose(overrides_.service_zone, proto.locality().zone());
    out.sub_zone = proto.locality().sub_zone();
    out.metadata_bytes = Bytes(proto.metadata());
    const Scope scope(errors_, "node");
    constexpr std::string_view kOurs = "filled in when it is sent; leave it out";
    if (!proto.user_agent_name().empty()) errors_.AddAt("user_agent_name", kOurs);
    if (!proto.user_agent_version().empty()) errors_.AddAt("user_agent_version", kOurs);
    if (proto.has_user_agent_build_version()) errors_.AddAt("user_agent_build_version", kOurs);
    if (proto.extensions_size() > 0) errors_.AddAt("extensions", kOurs);
    if (proto.client_features_size() > 0) errors_.AddAt("client_features", kOurs);
  }

  void CompileAdmin(const bootstrapv3::Admin& proto, Bootstrap& out) {
    const Scope scope(errors_, "admin");
    if (proto.has_address()) {
      const Scope address(errors_, "address");
      out.admin_address = CompileListenAddress(proto.address(), nullptr, errors_);
    }
    out.admin_access_logs = CompileAccessLogs(proto.access_log(), options_, errors_);
    if (!proto.access_log_path().empty()) {
      const Scope path(errors_, "access_log_path");
      out.admin_access_logs.push_back(DefaultFileAccessLog(proto.access_log_path(), errors_));
    }
  }

  void CompileClusters(const Proto::StaticResources& proto, Bootstrap& out) {
    absl::flat_hash_set<std::string> names;
    for (int i = 0; i < proto.clusters_size(); ++i) {
      const Scope scope(errors_, "clusters", static_cast<std::size_t>(i));
      const auto& cluster = proto.clusters(i);
      out.clusters.push_back({CompileCluster(cluster, options_, errors_), Bytes(cluster)});
      if (!names.insert(cluster.name()).second) {
        errors_.AddAt("name", base::Cat("cluster manager: duplicate cluster '",
                                        base::Printable(cluster.name()),
                                        "'; give each cluster its own name"));
      }
    }
  }

  void CompileListeners(const Proto::StaticResources& proto, Bootstrap& out) {
    absl::flat_hash_set<std::string> names;
    absl::flat_hash_set<base::Address> addresses;
    for (int i = 0; i < proto.listeners_size(); ++i) {
      const Scope scope(errors_, "listeners", static_cast<std::size_t>(i));
      auto listener = CompileListener(proto.listeners(i), options_, errors_);
      if (!names.insert(listener->name).second && !proto.listeners(i).name().empty()) {
        errors_.AddAt("name", base::Cat("'", base::Printable(listener->name),
                                        "' names two listeners; give each its own"));
      }
      std::vector<base::Address> all{listener->address};
      all.insert(all.end(), listener->additional_addresses.begin(),
                 listener->additional_addresses.end());
      for (const base::Address& address : all) {
        if (address.family() == base::Address::Family::kNone) continue;
        if (address.is_ip() && address.port() == 0) continue;
        if (addresses.insert(address).second) continue;
        errors_.AddAt("address",
                      base::Cat("error adding listener: '", base::Printable(listener->name),
                                "' has duplicate address '", address.ToString(),
                                "' as existing listener; use another port"));
      }
      out.listeners.push_back({std::move(listener), Bytes(proto.listeners(i))});
    }
  }

  void CompileSecrets(const Proto::StaticResources& proto, Bootstrap& out) {
    absl::flat_hash_set<std::string> names;
    for (int i = 0; i < proto.secrets_size(); ++i) {
      const Scope scope(errors_, "secrets", static_cast<std::size_t>(i));
      if (!names.insert(proto.secrets(i).name()).second) {
        errors_.AddAt("name", base::Cat("'", base::Printable(proto.secrets(i).name()),
                                        "' names two secrets; give each its own"));
      }
      if (auto secret = CompileSecret(proto.secrets(i), options_, errors_)) {
        out.secrets.push_back(std::move(secret));
      }
    }
  }

  void CompileRuntime(const Proto& proto, Bootstrap& out) {
    if (!proto.has_layered_runtime()) {
      out.runtime_layers.push_back({.name = "admin"});
      return;
    }
    const Scope scope(errors_, "layered_runtime");
    CompileOptions options = options_;
    options.sources = out.sources;
    out.runtime_layers =
        CompileLayeredRuntime(proto.layered_runtime(), out.node.cluster, options, errors_);
  }

  const BootstrapOverrides& overrides_;
  CompileOptions options_;
  base::FieldErrors& errors_;
};

// Whether `path` is `top` or lies below it.
bool IsAtOrBelow(std::string_view path, std::string_view top) {
  if (!path.starts_with(top)) return false;
  return path.size() == top.size() || path[top.size()] == '.' || path[top.size()] == '[';
}

// A value that could not be read looks unset to the compilers: their complaints about it would
// only confuse. An unknown extension is told by its compiler, which knows what is supported.
void Merge(const base::FieldErrors& reading, const base::FieldErrors& compiling,
           std::string_view file, const LocationMap& locations, base::FieldErrors& errors) {
  constexpr std::string_view kUnknown = "Didn't find a registered implementation";
  std::vector<const base::FieldError*> kept;
  base::FieldErrors chosen;
  for (const base::FieldError& error : reading.errors()) {
    const bool told_better =
        error.message.starts_with(kUnknown) &&
        std::any_of(compiling.errors().begin(), compiling.errors().end(), [&](const auto& other) {
          return other.path == error.path && other.message.starts_with(kUnknown);
        });
    if (told_better) continue;
    kept.push_back(&error);
    const Scope scope(chosen, error.path);
    chosen.AddLocated(error.location, error.message);
  }
  for (const base::FieldError& error : compiling.errors()) {
    const bool consequence = std::any_of(kept.begin(), kept.end(), [&](const auto* other) {
      return IsAtOrBelow(error.path, other->path);
    });
    if (consequence) continue;
    const Scope scope(chosen, error.path);
    chosen.Add(error.message);
  }
  AddWithLocations(chosen, file, locations, errors);
  const std::size_t untold =
      reading.size() - reading.errors().size() + compiling.size() - compiling.errors().size();
  if (untold > 0) errors.Add(base::Cat(untold, " more errors; mend these first"));
}

}  // namespace

std::unique_ptr<Bootstrap> LoadBootstrap(std::string_view text, std::string_view file_name,
                                         const BootstrapOverrides& overrides,
                                         const CompileOptions& options, base::FieldErrors& errors) {
  Proto proto;
  LocationMap locations;
  std::vector<std::string> unknown;
  YamlOptions yaml;
  yaml.allow_unknown_fields = overrides.allow_unknown_static_fields;
  yaml.unknown = &unknown;
  yaml.locations = &locations;
  base::FieldErrors reading;
  YamlToProto(text, file_name, yaml, &proto, reading);
  if (options.on_unknown_field) {
    for (const std::string& field : unknown) options.on_unknown_field(field);
  }
  auto out = std::make_unique<Bootstrap>();
  base::FieldErrors compiling;
  // Text that is no YAML at all leaves nothing to look at.
  if (reading.empty() || proto.ByteSizeLong() > 0) {
    Compiler(overrides, options, compiling).Compile(proto, *out);
  }
  if (reading.empty() && compiling.empty()) return out;
  Merge(reading, compiling, file_name, locations, errors);
  return nullptr;
}

}  // namespace sluice::config
