#include "config/field_policy.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "config/type_registry.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/message.h"
#include "google/protobuf/wire_format_lite.h"
#include "sluice/annotations.pb.h"

namespace sluice::config {
namespace {

namespace pb = google::protobuf;

// Parsed messages are at most this deep: protobuf's own limit for wire bytes is 100.
constexpr int kDepthMax = 110;

// Everything the checker asks about a field, found by number: asking the descriptors costs a map
// walk each time, and a table of 100,000 routes asks a million times.
struct TypeInfo;
struct FieldInfo {
  const pb::FieldDescriptor* field = nullptr;  // Null: no such number.
  FieldPolicy policy;
  const TypeInfo* inside = nullptr;  // The message to look into, if any.
};
struct TypeInfo {
  std::vector<FieldInfo> by_number;
};
using TypeTable = absl::flat_hash_map<const pb::Descriptor*, std::unique_ptr<TypeInfo>>;

// Messages of protobuf itself hold values, not fields of ours; an Any is somebody else's.
bool HasPolicies(const pb::Descriptor& type) {
  if (type.options().map_entry()) {
    const pb::Descriptor* value = type.map_value()->message_type();
    return value != nullptr && HasPolicies(*value);
  }
  return type.file()->package() != "google.protobuf";
}

FieldPolicy ReadPolicy(const pb::FieldOptions& options) {
  FieldPolicy policy;
  policy.sensitive = options.GetExtension(sluice::sensitive);
  if (options.HasExtension(sluice::refused)) {
    policy.kind = FieldClass::kRefused;
    policy.hint = options.GetExtension(sluice::refused);
  } else if (options.GetExtension(sluice::no_effect)) {
    policy.kind = FieldClass::kNoEffect;
  }
  return policy;
}

const TypeInfo& AddType(const pb::Descriptor& type, TypeTable& table) {
  const auto found = table.find(&type);
  if (found != table.end()) return *found->second;
  TypeInfo& info = *table.emplace(&type, std::make_unique<TypeInfo>()).first->second;
  for (int i = 0; i < type.field_count(); ++i) {
    const pb::FieldDescriptor* field = type.field(i);
    const auto number = static_cast<std::size_t>(field->number());
    if (number >= info.by_number.size()) info.by_number.resize(number + 1);
    FieldInfo& entry = info.by_number[number];
    entry.field = field;
    entry.policy = ReadPolicy(field->options());
    const pb::Descriptor* message = field->message_type();
    if (message != nullptr && HasPolicies(*message)) entry.inside = &AddType(*message, table);
  }
  return info;
}

const TypeTable& Types() {
  static const TypeTable* const table = [] {
    auto* built = new TypeTable;  // Lives until the end: threads may outlive statics.
    ForEachProtoFile([built](const pb::FileDescriptor& file) {
      for (int i = 0; i < file.message_type_count(); ++i) AddType(*file.message_type(i), *built);
    });
    return built;
  }();
  return *table;
}

// Walks the wire form, which holds exactly what is set: ten times faster than asking a message
// about each of its fields. The bytes are our own, so they are well-formed.
class Checker {
 public:
  Checker(base::FieldErrors& errors, FieldReport& report) : errors_(errors), report_(report) {}

  void Visit(pb::io::CodedInputStream& in, const TypeInfo& type, int depth) {
    if (depth > kDepthMax) {
      errors_.Add("nested too deeply");
      in.Skip(in.BytesUntilLimit());
      return;
    }
    std::size_t count = 0;  // Of values of the field that came last: they stand together.
    std::uint32_t last = 0;
    while (const std::uint32_t tag = in.ReadTag()) {
      const auto number = static_cast<std::uint32_t>(WireFormat::GetTagFieldNumber(tag));
      count = number == last ? count + 1 : 0;
      last = number;
      const FieldInfo* info = number < type.by_number.size() ? &type.by_number[number] : nullptr;
      if (info == nullptr || info->field == nullptr) {
        AddUnknown(static_cast<int>(number));
        WireFormat::SkipField(&in, tag);
      } else if (info->policy.kind == FieldClass::kRefused) {
        if (count == 0) errors_.AddAt(info->field->name(), RefusalText(info->policy));
        WireFormat::SkipField(&in, tag);
      } else if (info->policy.kind == FieldClass::kNoEffect) {
        // What it holds has no effect either.
        if (seen_.insert(info->field).second) {
          report_.no_effect.push_back(info->field->full_name());
        }
        WireFormat::SkipField(&in, tag);
      } else if (info->inside != nullptr) {
        VisitInside(in, *info, count, depth);
      } else if (info->field->enum_type() != nullptr) {
        CheckEnum(in, tag, *info->field);
      } else {
        WireFormat::SkipField(&in, tag);
      }
    }
  }

 private:
  using WireFormat = pb::internal::WireFormatLite;

  void VisitInside(pb::io::CodedInputStream& in, const FieldInfo& info, std::size_t index,
                   int depth) {
    std::uint32_t size = 0;
    in.ReadVarint32(&size);
    const auto limit = in.PushLimit(static_cast<int>(size));
    const std::string& name = info.field->name();
    if (info.field->is_map()) {
      VisitMapEntry(in, info, depth);
    } else if (info.field->is_repeated()) {
      const base::FieldErrors::Scope scope(errors_, name, index);
      Visit(in, *info.inside, depth + 1);
    } else {
      const base::FieldErrors::Scope scope(errors_, name);
      Visit(in, *info.inside, depth + 1);
    }
    in.PopLimit(limit);
  }

  // The key, which names the value, is written before it.
  void VisitMapEntry(pb::io::CodedInputStream& in, const FieldInfo& info, int depth) {
    std::string name = info.field->name();
    const pb::FieldDescriptor* key = info.field->message_type()->map_key();
    while (const std::uint32_t tag = in.ReadTag()) {
      if (WireFormat::GetTagFieldNumber(tag) == 1 &&
          key->type() == pb::FieldDescriptor::TYPE_STRING) {
        std::uint32_t size = 0;
        std::string text;
        in.ReadVarint32(&size);
        in.ReadString(&text, static_cast<int>(size));
        base::Append(name, "[\"", base::Printable(text), "\"]");
      } else if (WireFormat::GetTagFieldNumber(tag) == 2) {
        const base::FieldErrors::Scope scope(errors_, name);
        std::uint32_t size = 0;
        in.ReadVarint32(&size);
        const auto limit = in.PushLimit(static_cast<int>(size));
        Visit(in, *info.inside->by_number[2].inside, depth + 1);
        in.PopLimit(limit);
      } else {
        WireFormat::SkipField(&in, tag);
      }
    }
  }

  void CheckEnum(pb::io::CodedInputStream& in, std::uint32_t tag,
                 const pb::FieldDescriptor& field) {
    std::uint32_t size = 0;
    const bool packed = WireFormat::GetTagWireType(tag) == WireFormat::WIRETYPE_LENGTH_DELIMITED;
    if (packed) in.ReadVarint32(&size);
    const auto limit = packed ? in.PushLimit(static_cast<int>(size)) : 0;
    while (!packed || in.BytesUntilLimit() > 0) {
      std::uint64_t value = 0;
      if (!in.ReadVarint64(&value)) break;
      const int number = static_cast<int>(value);
      if (field.enum_type()->FindValueByNumber(number) == nullptr) {
        errors_.AddAt(field.name(), base::Cat("unknown value ", number));
      }
      if (!packed) break;
    }
    if (packed) in.PopLimit(limit);
  }

  void AddUnknown(int number) {
    if (report_.unknown.size() >= FieldReport::kUnknownMax) return;
    UnknownField field{errors_.path(), number};
    // A repeated field comes as many times as it has values.
    if (!report_.unknown.empty() && report_.unknown.back() == field) return;
    report_.unknown.push_back(std::move(field));
  }

  base::FieldErrors& errors_;
  FieldReport& report_;
  absl::flat_hash_set<const pb::FieldDescriptor*> seen_;  // Without effect, reported already.
};

}  // namespace

FieldPolicy PolicyOf(const pb::FieldDescriptor& field) {
  const auto it = Types().find(field.containing_type());
  return it == Types().end()
             ? FieldPolicy()
             : it->second->by_number[static_cast<std::size_t>(field.number())].policy;
}

std::string RefusalText(const FieldPolicy& policy) {
  return base::Cat("not supported; ", policy.hint);
}

void CheckFields(const pb::Message& message, base::FieldErrors& errors, FieldReport& report) {
  const auto type = Types().find(message.GetDescriptor());
  if (type == Types().end()) return;
  const std::string bytes = message.SerializePartialAsString();
  pb::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                              static_cast<int>(bytes.size()));
  Checker(errors, report).Visit(in, *type->second, 0);
  std::sort(report.no_effect.begin(), report.no_effect.end());
  report.no_effect.erase(std::unique(report.no_effect.begin(), report.no_effect.end()),
                         report.no_effect.end());
}

}  // namespace sluice::config
