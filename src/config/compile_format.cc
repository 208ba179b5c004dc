#include "config/compile_format.h"

#include <algorithm>
#include <cmath>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_headers.h"
#include "config/data_source.h"
#include "envoy/config/core/v3/substitution_format_string.pb.h"
#include "google/protobuf/struct.pb.h"

namespace sluice::config {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;
using Proto = envoy::config::core::v3::SubstitutionFormatString;

// JSON formats are rendered by recursion: a bound on the worker's stack.
constexpr int kDepthMax = 16;
constexpr std::size_t kFormatBytesMax = 64 * 1024;  // Of a format read from elsewhere.

class JsonCompiler {
 public:
  JsonCompiler(JsonLeaves leaves, base::FieldErrors& errors) : leaves_(leaves), errors_(errors) {}

  JsonFormat CompileStruct(const Struct& proto, int depth) {
    JsonFormat out;
    out.kind = JsonFormat::Kind::kObject;
    if (TooDeep(depth)) return out;
    for (const auto& [key, value] : proto.fields()) {
      const base::FieldErrors::Scope scope(errors_, base::Printable(key));
      out.members.emplace_back(key, CompileValue(value, depth + 1));
    }
    std::sort(out.members.begin(), out.members.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    return out;
  }

 private:
  bool TooDeep(int depth) {
    if (depth <= kDepthMax) return false;
    errors_.Add(base::Cat("nested more than ", kDepthMax, " deep; use a flatter format"));
    return true;
  }

  JsonFormat CompileValue(const Value& proto, int depth) {
    JsonFormat out;
    switch (proto.kind_case()) {
      case Value::kStringValue:
        out.kind = JsonFormat::Kind::kFormat;
        out.format = CompileFormat(proto.string_value(), errors_);
        // A leaf of two items is text.
        if (leaves_ == JsonLeaves::kStrings) out.format.items.emplace_back();
        break;
      case Value::kNumberValue:
        out.kind = JsonFormat::Kind::kNumber;
        out.number = proto.number_value();
        if (!std::isfinite(out.number)) errors_.Add("no JSON number; write a finite one");
        break;
      case Value::kBoolValue:
        out.kind = JsonFormat::Kind::kBool;
        out.boolean = proto.bool_value();
        break;
      case Value::kStructValue:
        return CompileStruct(proto.struct_value(), depth);
      case Value::kListValue:
        return CompileList(proto.list_value(), depth);
      default:
        break;
    }
    return out;
  }

  JsonFormat CompileList(const google::protobuf::ListValue& proto, int depth) {
    JsonFormat out;
    out.kind = JsonFormat::Kind::kArray;
    if (TooDeep(depth)) return out;
    for (int i = 0; i < proto.values_size(); ++i) {
      const base::FieldErrors::Scope scope(errors_, base::Cat("[", i, "]"));
      out.members.emplace_back("", CompileValue(proto.values(i), depth + 1));
    }
    return out;
  }

  JsonLeaves leaves_;
  base::FieldErrors& errors_;
};

}  // namespace

JsonFormat CompileJsonFormat(const Struct& proto, JsonLeaves leaves, base::FieldErrors& errors) {
  return JsonCompiler(leaves, errors).CompileStruct(proto, 0);
}

BodyFormat CompileBodyFormat(const Proto& proto, base::FieldErrors& errors) {
  using Scope = base::FieldErrors::Scope;
  BodyFormat out;
  out.omit_empty_values = proto.omit_empty_values();
  out.content_type = proto.content_type();
  CheckHeaderValue(out.content_type, "content_type", errors);
  switch (proto.format_case()) {
    case Proto::kTextFormat: {
      const Scope scope(errors, "text_format");
      out.text = CompileFormat(proto.text_format(), errors);
      break;
    }
    case Proto::kJsonFormat: {
      const Scope scope(errors, "json_format");
      out.json = CompileJsonFormat(proto.json_format(), JsonLeaves::kTyped, errors);
      break;
    }
    case Proto::kTextFormatSource: {
      const Scope scope(errors, "text_format_source");
      const auto text = ReadDataSource(proto.text_format_source(), kFormatBytesMax, errors);
      if (text.has_value()) out.text = CompileFormat(*text, errors);
      break;
    }
    case Proto::FORMAT_NOT_SET:
      errors.Add("no format; write text_format or json_format");
      break;
  }
  return out;
}

}  // namespace sluice::config
