#include <charconv>
#include <cmath>

#include "absl/container/flat_hash_set.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile.h"
#include "config/compile_config_source.h"
#include "config/proto_values.h"
#include "config/runtime_layers.h"
#include "config/yaml_to_proto.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/service/runtime/v3/rtds.pb.h"
#include "envoy/type/v3/percent.pb.h"
#include "google/protobuf/struct.pb.h"

namespace sluice::config {
namespace {

using Scope = base::FieldErrors::Scope;
using envoy::type::v3::FractionalPercent;

constexpr std::size_t kKeysMax = 100'000;
constexpr int kDepthMax = 32;

// Shortest text that reads back as the same number; whole numbers without a fraction.
std::string NumberText(double number) {
  if (std::trunc(number) == number && std::abs(number) < 1e15) {
    return base::Cat(static_cast<std::int64_t>(number));
  }
  char text[64];
  const auto end = std::to_chars(text, text + sizeof(text), number);
  return std::string(text, end.ptr);
}

bool ReadNumber(std::string_view text, double& number) {
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  return end.ec == std::errc() && end.ptr == text.data() + text.size() && std::isfinite(number);
}

std::uint32_t DenominatorOf(FractionalPercent::DenominatorType type) {
  switch (type) {
    case FractionalPercent::TEN_THOUSAND:
      return 10'000;
    case FractionalPercent::MILLION:
      return 1'000'000;
    default:
      return 100;
  }
}

bool ReadFraction(std::string_view text, RuntimeValue& out) {
  FractionalPercent fraction;
  base::FieldErrors errors;
  YamlToProto(text, "runtime", {}, &fraction, errors);
  if (!errors.empty()) return false;
  out.is_fraction = true;
  out.numerator = fraction.numerator();
  out.denominator = DenominatorOf(fraction.denominator());
  return true;
}

bool IsFraction(const google::protobuf::Struct& value) {
  return value.fields().empty() || value.fields().contains("numerator") ||
         value.fields().contains("denominator");
}

RuntimeValue FractionOf(const google::protobuf::Struct& value, base::FieldErrors& errors) {
  RuntimeValue out;
  std::string yaml = "{";
  for (const auto& [key, field] : value.fields()) {
    const bool number = field.kind_case() == google::protobuf::Value::kNumberValue;
    base::Append(yaml, yaml.size() > 1 ? ", " : "", base::Printable(key), ": ",
                 number ? NumberText(field.number_value()) : base::Printable(field.string_value()));
  }
  out.text = yaml + "}";
  if (!ReadFraction(out.text, out)) {
    errors.Add("is no fraction; write {numerator: 5, denominator: HUNDRED}");
  }
  return out;
}

// The values of a Struct, the keys of nested ones joined by dots.
class StructReader {
 public:
  StructReader(Runtime::Values& out, base::FieldErrors& errors) : out_(out), errors_(errors) {}

  void Read(const std::string& prefix, const google::protobuf::Struct& value, int depth) {
    if (depth > kDepthMax) return errors_.Add("is nested too deeply");
    for (const auto& [key, field] : value.fields()) {
      const base::FieldErrors::Suffix suffix(errors_,
                                             base::Cat("[\"", base::Printable(key), "\"]"));
      ReadOne(prefix.empty() ? key : base::Cat(prefix, ".", key), field, depth);
    }
  }

 private:
  void ReadOne(const std::string& key, const google::protobuf::Value& field, int depth) {
    if (out_.size() >= kKeysMax) return;  // Told once, by the caller.
    switch (field.kind_case()) {
      case google::protobuf::Value::kNumberValue: {
        RuntimeValue& value = out_[key];
        value.number = field.number_value();
        value.is_number = true;
        value.text = NumberText(value.number);
        return;
      }
      case google::protobuf::Value::kBoolValue: {
        RuntimeValue& value = out_[key];
        value.boolean = field.bool_value();
        value.is_boolean = true;
        value.text = value.boolean ? "true" : "false";
        return;
      }
      case google::protobuf::Value::kStringValue:
        out_[key] = ParseRuntimeText(field.string_value());
        return;
      case google::protobuf::Value::kStructValue:
        if (IsFraction(field.struct_value())) {
          out_[key] = FractionOf(field.struct_value(), errors_);
        } else {
          Read(key, field.struct_value(), depth + 1);
        }
        return;
      default:
        errors_.Add("is no runtime value; write a number, a boolean, a text or a fraction");
    }
  }

  Runtime::Values& out_;
  base::FieldErrors& errors_;
};

Runtime::Values ValuesOf(const google::protobuf::Struct& proto, base::FieldErrors& errors) {
  Runtime::Values values;
  StructReader(values, errors).Read("", proto, 0);
  if (values.size() >= kKeysMax) {
    errors.Add(base::Cat("has too many keys; at most ", kKeysMax - 1, " are allowed"));
  }
  return values;
}

using ProtoLayer = envoy::config::bootstrap::v3::RuntimeLayer;

void CompileDiskLayer(const ProtoLayer::DiskLayer& proto, std::string_view service_cluster,
                      RuntimeLayerConfig& out, base::FieldErrors& errors) {
  out.kind = RuntimeLayerConfig::Kind::kDisk;
  out.symlink_root = proto.symlink_root();
  if (out.symlink_root.empty() || out.symlink_root.ends_with('/')) {
    errors.AddAt("symlink_root",
                 "write the path of a directory or of a link to one, without a "
                 "slash at its end");
  }
  out.directory = base::Cat(proto.symlink_root(), "/", proto.subdirectory());
  if (proto.append_service_cluster()) {
    if (service_cluster.empty()) {
      errors.AddAt("append_service_cluster", "needs node.cluster or --service-cluster");
    }
    base::Append(out.directory, "/", service_cluster);
  }
}

void CompileRtdsLayer(const ProtoLayer::RtdsLayer& proto, const CompileOptions& options,
                      RuntimeLayerConfig& out, base::FieldErrors& errors) {
  out.kind = RuntimeLayerConfig::Kind::kRtds;
  out.rtds_name = proto.name();
  if (out.rtds_name.empty()) errors.AddAt("name", "needed; write the name of a Runtime resource");
  const Scope scope(errors, "rtds_config");
  ConfigSource source = CompileConfigSource(proto.rtds_config(), options, errors);
  out.fetch_timeout_ms = source.fetch_timeout_ms;
  out.source = ConfigSourceRef(std::move(source));
}

}  // namespace

RuntimeValue ParseRuntimeText(std::string_view text) {
  RuntimeValue out;
  out.text = text;
  if (ReadNumber(text, out.number)) {
    out.is_number = true;
  } else if (base::EqualsIgnoreCase(text, "true") || base::EqualsIgnoreCase(text, "false")) {
    out.is_boolean = true;
    out.boolean = base::EqualsIgnoreCase(text, "true");
  } else if (text.find("numerator") != std::string_view::npos) {
    ReadFraction(text, out);
  }
  return out;
}

std::string RuntimeFileText(std::string_view file) {
  std::string out;
  for (const std::string_view line : base::Split(file, '\n')) {
    if (line.starts_with('#')) continue;
    base::Append(out, line, "\n");
  }
  while (!out.empty() &&
         (out.back() == '\n' || out.back() == '\r' || out.back() == ' ' || out.back() == '\t')) {
    out.pop_back();
  }
  return out;
}

std::vector<RuntimeLayerConfig> CompileLayeredRuntime(
    const envoy::config::bootstrap::v3::LayeredRuntime& proto, std::string_view service_cluster,
    const CompileOptions& options, base::FieldErrors& errors) {
  std::vector<RuntimeLayerConfig> out;
  absl::flat_hash_set<std::string> names;
  bool has_admin = false;
  for (int i = 0; i < proto.layers_size(); ++i) {
    const Scope scope(errors, "layers", static_cast<std::size_t>(i));
    const ProtoLayer& layer = proto.layers(i);
    RuntimeLayerConfig& config = out.emplace_back();
    config.name = layer.name();
    if (config.name.empty()) errors.AddAt("name", "needed; write a name for the layer");
    if (!names.insert(config.name).second) {
      errors.AddAt("name", base::Cat("Duplicate layer name: ", base::Printable(config.name)));
    }
    switch (layer.layer_specifier_case()) {
      case ProtoLayer::kStaticLayer: {
        const Scope kind(errors, "static_layer");
        config.kind = RuntimeLayerConfig::Kind::kStatic;
        config.values = ValuesOf(layer.static_layer(), errors);
        break;
      }
      case ProtoLayer::kDiskLayer: {
        const Scope kind(errors, "disk_layer");
        CompileDiskLayer(layer.disk_layer(), service_cluster, config, errors);
        break;
      }
      case ProtoLayer::kAdminLayer:
        if (std::exchange(has_admin, true)) {
          errors.AddAt("admin_layer",
                       "Too many admin layers specified in LayeredRuntime, at most "
                       "one may be specified; leave one out");
        }
        break;
      case ProtoLayer::kRtdsLayer: {
        const Scope kind(errors, "rtds_layer");
        CompileRtdsLayer(layer.rtds_layer(), options, config, errors);
        break;
      }
      case ProtoLayer::LAYER_SPECIFIER_NOT_SET:
        errors.Add("says no kind; write static_layer, disk_layer, admin_layer or rtds_layer");
    }
  }
  return out;
}

std::shared_ptr<const RuntimeLayerValues> CompileRuntimeLayer(
    const envoy::service::runtime::v3::Runtime& proto, const CompileOptions& options,
    base::FieldErrors& errors) {
  CheckMessage(proto, options, errors);
  auto out = std::make_shared<RuntimeLayerValues>();
  out->name = proto.name();
  const Scope scope(errors, "layer");
  out->values = ValuesOf(proto.layer(), errors);
  return out;
}

Runtime::Values MergeRuntime(std::span<const std::shared_ptr<const Runtime::Values>> layers) {
  Runtime::Values merged;
  for (const auto& layer : layers) {
    if (layer == nullptr) continue;
    for (const auto& [key, value] : *layer) merged.insert_or_assign(key, value);
  }
  return merged;
}

}  // namespace sluice::config
