#include "config/field_policy.h"

#include <algorithm>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "config/type_registry.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/unknown_field_set.h"
#include "sluice/annotations.pb.h"

namespace sluice::config {
namespace {

namespace pb = google::protobuf;

// Parsed messages are at most this deep: protobuf's own limit for wire bytes is 100.
constexpr int kDepthMax = 110;

// Looking an option up costs a map walk, and a table of 100,000 routes asks a million times: all
// answers but "implemented" are kept.
using PolicyTable = absl::flat_hash_map<const pb::FieldDescriptor*, FieldPolicy>;

void AddPolicies(const pb::Descriptor& type, PolicyTable& table) {
  for (int i = 0; i < type.field_count(); ++i) {
    const pb::FieldDescriptor* field = type.field(i);
    const pb::FieldOptions& options = field->options();
    FieldPolicy policy;
    policy.sensitive = options.GetExtension(sluice::sensitive);
    if (options.HasExtension(sluice::refused)) {
      policy.kind = FieldClass::kRefused;
      policy.hint = options.GetExtension(sluice::refused);
    } else if (options.GetExtension(sluice::no_effect)) {
      policy.kind = FieldClass::kNoEffect;
    }
    if (policy.kind != FieldClass::kImplemented || policy.sensitive) table.emplace(field, policy);
  }
  for (int i = 0; i < type.nested_type_count(); ++i) AddPolicies(*type.nested_type(i), table);
}

const PolicyTable& Policies() {
  static const PolicyTable* const table = [] {
    auto* built = new PolicyTable;  // Lives until the end: threads may outlive statics.
    ForEachProtoFile([built](const pb::FileDescriptor& file) {
      for (int i = 0; i < file.message_type_count(); ++i) {
        AddPolicies(*file.message_type(i), *built);
      }
    });
    return built;
  }();
  return *table;
}

class Checker {
 public:
  Checker(base::FieldErrors& errors, FieldReport& report) : errors_(errors), report_(report) {}

  void Visit(const pb::Message& message, int depth) {
    if (depth > kDepthMax) {
      errors_.Add("nested too deeply");
      return;
    }
    const pb::Reflection* reflection = message.GetReflection();
    AddUnknown(reflection->GetUnknownFields(message));
    std::vector<const pb::FieldDescriptor*> fields;
    reflection->ListFields(message, &fields);
    for (const pb::FieldDescriptor* field : fields) {
      const FieldPolicy policy = PolicyOf(*field);
      if (policy.kind == FieldClass::kRefused) {
        errors_.AddAt(field->name(), RefusalText(policy));
      } else if (policy.kind == FieldClass::kNoEffect) {
        // What it holds has no effect either.
        if (seen_.insert(field).second) report_.no_effect.push_back(field->full_name());
      } else {
        VisitField(message, *field, depth);
      }
    }
  }

 private:
  void VisitField(const pb::Message& message, const pb::FieldDescriptor& field, int depth) {
    const pb::Reflection* reflection = message.GetReflection();
    if (field.cpp_type() == pb::FieldDescriptor::CPPTYPE_ENUM) {
      CheckEnum(message, field);
    }
    if (field.cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) return;
    if (!HasPolicies(*field.message_type())) return;
    if (!field.is_repeated()) {
      const base::FieldErrors::Scope scope(errors_, field.name());
      Visit(reflection->GetMessage(message, &field), depth + 1);
      return;
    }
    const int size = reflection->FieldSize(message, &field);
    for (int i = 0; i < size; ++i) {
      const pb::Message& element = reflection->GetRepeatedMessage(message, &field, i);
      if (field.is_map()) {
        VisitMapEntry(field, element, depth);
      } else {
        const base::FieldErrors::Scope scope(errors_, field.name(), static_cast<std::size_t>(i));
        Visit(element, depth + 1);
      }
    }
  }

  void VisitMapEntry(const pb::FieldDescriptor& field, const pb::Message& entry, int depth) {
    const pb::FieldDescriptor* key = field.message_type()->map_key();
    const pb::FieldDescriptor* value = field.message_type()->map_value();
    std::string name = field.name();
    if (key->cpp_type() == pb::FieldDescriptor::CPPTYPE_STRING) {
      name = base::Cat(name, "[\"", base::Printable(entry.GetReflection()->GetString(entry, key)),
                       "\"]");
    }
    const base::FieldErrors::Scope scope(errors_, name);
    Visit(entry.GetReflection()->GetMessage(entry, value), depth + 1);
  }

  // Messages of protobuf itself hold values, not fields of ours; an Any is somebody else's.
  static bool HasPolicies(const pb::Descriptor& type) {
    if (type.options().map_entry()) {
      const pb::Descriptor* value = type.map_value()->message_type();
      return value != nullptr && HasPolicies(*value);
    }
    return type.file()->package() != "google.protobuf";
  }

  void CheckEnum(const pb::Message& message, const pb::FieldDescriptor& field) {
    const pb::Reflection* reflection = message.GetReflection();
    const int size = field.is_repeated() ? reflection->FieldSize(message, &field) : 1;
    for (int i = 0; i < size; ++i) {
      const int value = field.is_repeated() ? reflection->GetRepeatedEnumValue(message, &field, i)
                                            : reflection->GetEnumValue(message, &field);
      if (field.enum_type()->FindValueByNumber(value) != nullptr) continue;
      errors_.AddAt(field.name(), base::Cat("unknown value ", value));
    }
  }

  void AddUnknown(const pb::UnknownFieldSet& set) {
    for (int i = 0; i < set.field_count(); ++i) {
      if (report_.unknown.size() >= FieldReport::kUnknownMax) return;
      UnknownField field{errors_.path(), set.field(i).number()};
      // A repeated field comes as many times as it has values.
      if (!report_.unknown.empty() && report_.unknown.back() == field) continue;
      report_.unknown.push_back(std::move(field));
    }
  }

  base::FieldErrors& errors_;
  FieldReport& report_;
  absl::flat_hash_set<const pb::FieldDescriptor*> seen_;  // Without effect, reported already.
};

}  // namespace

FieldPolicy PolicyOf(const pb::FieldDescriptor& field) {
  const PolicyTable& table = Policies();
  const auto it = table.find(&field);
  return it == table.end() ? FieldPolicy() : it->second;
}

std::string RefusalText(const FieldPolicy& policy) {
  return base::Cat("not supported; ", policy.hint);
}

void CheckFields(const pb::Message& message, base::FieldErrors& errors, FieldReport& report) {
  Checker(errors, report).Visit(message, 0);
  std::sort(report.no_effect.begin(), report.no_effect.end());
  report.no_effect.erase(std::unique(report.no_effect.begin(), report.no_effect.end()),
                         report.no_effect.end());
}

}  // namespace sluice::config
