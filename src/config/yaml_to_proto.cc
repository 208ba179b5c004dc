#include "config/yaml_to_proto.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "base/field_errors.h"
#include "config/field_policy.h"
#include "config/yaml_reader.h"
#include "config/yaml_tree.h"
#include "config/yaml_value.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "sluice/annotations.pb.h"

namespace sluice::config {

namespace pb = google::protobuf;

// Sets a singular field or adds to a repeated one.
struct YamlTarget {
  pb::Message& message;
  const pb::FieldDescriptor& field;

  template <typename T>
  void Put(T value, void (pb::Reflection::*set)(pb::Message*, const pb::FieldDescriptor*, T) const,
           void (pb::Reflection::*add)(pb::Message*, const pb::FieldDescriptor*, T) const) const {
    const pb::Reflection* reflection = message.GetReflection();
    (reflection->*(field.is_repeated() ? add : set))(&message, &field, std::move(value));
  }
  pb::Message& Child() const {
    const pb::Reflection* reflection = message.GetReflection();
    return *(field.is_repeated() ? reflection->AddMessage(&message, &field)
                                 : reflection->MutableMessage(&message, &field));
  }
};

namespace {

using Kind = YamlNode::Kind;

constexpr std::size_t kUnknownMax = 100;

std::string Describe(const YamlNode& node) {
  switch (node.kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kSequence:
      return "a list";
    case Kind::kMapping:
      return "a mapping";
    case Kind::kScalar:
      break;
  }
  return base::Cat("\"", base::Printable(node.text, 60), "\"");
}

const pb::FieldDescriptor* FindField(const pb::Descriptor& type, const std::string& name) {
  const pb::FieldDescriptor* field = type.FindFieldByName(name);
  return field != nullptr ? field : type.FindFieldByCamelcaseName(name);
}

bool TakesNull(const pb::FieldDescriptor& field) {
  return field.message_type() != nullptr && FormOf(*field.message_type()) == Form::kValue;
}

// Writing down the value that an absent field has says nothing.
bool IsAbsent(const YamlNode& node, const pb::FieldDescriptor& field) {
  if (node.kind == Kind::kSequence) return node.children.empty() && field.is_repeated();
  if (node.kind != Kind::kScalar || field.is_repeated() || field.has_presence()) return false;
  if (field.enum_type() != nullptr) {
    return node.text == "0" || node.text == field.default_value_enum()->name();
  }
  if (field.cpp_type() == pb::FieldDescriptor::CPPTYPE_STRING) return node.text.empty();
  return node.plain && (node.text == "0" || node.text == "false");
}

}  // namespace

void YamlReader::Expected(const YamlNode& node, std::string_view what) {
  Error(node, base::Cat("must be ", what, ", not ", Describe(node)));
}

void YamlReader::ReadMessage(const YamlNode& node, pb::Message& out) {
  if (!Count(node)) return;
  if (depth_ >= YamlTree::kDepthMax) {
    Error(node, base::Cat("more than ", YamlTree::kDepthMax, " levels"));
    return;
  }
  ++depth_;
  const pb::Descriptor& type = *out.GetDescriptor();
  switch (FormOf(type)) {
    case Form::kPlain:
      ReadFields(node, out, false);
      break;
    case Form::kAny:
      ReadAny(node, out);
      break;
    case Form::kDuration:
      ReadDuration(node, out);
      break;
    case Form::kTimestamp:
      ReadTimestamp(node, out);
      break;
    case Form::kStruct:
      ReadStruct(node, out);
      break;
    case Form::kValue:
      ReadValue(node, out);
      break;
    case Form::kList:
      ReadList(node, out);
      break;
    case Form::kWrapper:
      if (node.kind == Kind::kMapping) {
        ReadFields(node, out, false);
      } else {
        ReadOne(node, YamlTarget{out, *type.FindFieldByName("value")});
      }
      break;
  }
  --depth_;
}

void YamlReader::ReadFields(const YamlNode& node, pb::Message& out, bool is_any) {
  if (node.kind != Kind::kMapping) {
    Expected(node, "a mapping");
    return;
  }
  const pb::Descriptor& type = *out.GetDescriptor();
  const YamlNode* optional =
      FindField(type, "is_optional") == nullptr ? nullptr : tree_.Find(node, "is_optional");
  const bool outer = std::exchange(any_may_be_unknown_,
                                   optional != nullptr && ParseBool(*optional).value_or(false));
  std::vector<const pb::FieldDescriptor*> seen;
  for (std::size_t i = 0; i + 1 < node.children.size(); i += 2) {
    const YamlNode& key = tree_.node(node.children[i]);
    const YamlNode& value = tree_.node(node.children[i + 1]);
    if (is_any && key.text == "@type") continue;
    const pb::FieldDescriptor* field = FindField(type, key.text);
    if (field == nullptr) {
      UnknownField(key, type);
      continue;
    }
    const Scope scope(errors_, field->name());
    Locate(key);
    if (value.kind == Kind::kNull && !TakesNull(*field)) continue;  // The same as absent.
    const auto clash = std::find_if(seen.begin(), seen.end(), [&](const auto* other) {
      return other == field || (field->containing_oneof() != nullptr &&
                                other->containing_oneof() == field->containing_oneof());
    });
    if (clash == seen.end()) {
      seen.push_back(field);
      ReadField(value, *field, out);
    } else if (*clash == field) {
      Error(key, "is set twice");
    } else {
      Error(key,
            base::Cat("only one of ", field->name(), " and ", (*clash)->name(), " may be set"));
    }
  }
  any_may_be_unknown_ = outer;
}

void YamlReader::ReadField(const YamlNode& node, const pb::FieldDescriptor& field,
                           pb::Message& out) {
  const FieldPolicy policy = PolicyOf(field);
  if (policy.kind == FieldClass::kRefused) {
    if (!IsAbsent(node, field)) Error(node, RefusalText(policy));
  } else if (field.message_type() == sluice::Placeholder::descriptor()) {
    ReadPlaceholder(node, field, out);
  } else if (field.is_map()) {
    ReadMap(node, field, out);
  } else if (field.is_repeated()) {
    ReadRepeated(node, field, out);
  } else {
    ReadOne(node, YamlTarget{out, field});
  }
}

// What is inside has no effect, so it may be anything; that it was set is kept.
void YamlReader::ReadPlaceholder(const YamlNode& node, const pb::FieldDescriptor& field,
                                 pb::Message& out) {
  const std::size_t count =
      field.is_repeated() && node.kind == Kind::kSequence ? node.children.size() : 1;
  for (std::size_t i = 0; i < count && Count(node); ++i) YamlTarget{out, field}.Child();
}

void YamlReader::ReadRepeated(const YamlNode& node, const pb::FieldDescriptor& field,
                              pb::Message& out) {
  if (node.kind != Kind::kSequence) {  // A single value where a list is expected.
    const base::FieldErrors::Suffix suffix(errors_, "[0]");
    Locate(node);
    ReadOne(node, YamlTarget{out, field});
    return;
  }
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    const YamlNode& element = tree_.node(node.children[i]);
    const base::FieldErrors::Suffix suffix(errors_, base::Cat("[", i, "]"));
    Locate(element);
    ReadOne(element, YamlTarget{out, field});
  }
}

void YamlReader::ReadMap(const YamlNode& node, const pb::FieldDescriptor& field, pb::Message& out) {
  if (node.kind != Kind::kMapping) {
    Expected(node, "a mapping");
    return;
  }
  const pb::FieldDescriptor& key_field = *field.message_type()->map_key();
  const pb::FieldDescriptor& value_field = *field.message_type()->map_value();
  for (std::size_t i = 0; i + 1 < node.children.size(); i += 2) {
    const YamlNode& key = tree_.node(node.children[i]);
    const YamlNode& value = tree_.node(node.children[i + 1]);
    const base::FieldErrors::Suffix suffix(errors_,
                                           base::Cat("[\"", base::Printable(key.text), "\"]"));
    Locate(key);
    pb::Message& entry = *out.GetReflection()->AddMessage(&out, &field);
    if (key_field.cpp_type() == pb::FieldDescriptor::CPPTYPE_STRING) {
      entry.GetReflection()->SetString(&entry, &key_field, key.text);
    } else {
      ReadOne(key, YamlTarget{entry, key_field});
    }
    ReadOne(value, YamlTarget{entry, value_field});
  }
}

void YamlReader::ReadOne(const YamlNode& node, const YamlTarget& target) {
  const bool is_message = target.field.cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE;
  if (node.kind == Kind::kNull && !TakesNull(target.field)) {
    Error(node, "must not be null here");
  } else if (is_message) {
    ReadMessage(node, target.Child());
  } else if (Count(node)) {
    ReadScalar(node, target);
  }
}

void YamlReader::ReadScalar(const YamlNode& node, const YamlTarget& target) {
  using Field = pb::FieldDescriptor;
  using R = pb::Reflection;
  constexpr auto kInt32Max = std::numeric_limits<std::int32_t>::max();
  constexpr auto kInt32Min = std::numeric_limits<std::int32_t>::min();
  constexpr auto kInt64Max = std::numeric_limits<std::int64_t>::max();
  constexpr auto kInt64Min = std::numeric_limits<std::int64_t>::min();
  switch (target.field.cpp_type()) {
    case Field::CPPTYPE_INT32: {
      const auto value = ParseSigned(node, kInt32Min, kInt32Max);
      if (!value) return Expected(node, "a 32-bit integer");
      return target.Put(static_cast<std::int32_t>(*value), &R::SetInt32, &R::AddInt32);
    }
    case Field::CPPTYPE_INT64: {
      const auto value = ParseSigned(node, kInt64Min, kInt64Max);
      if (!value) return Expected(node, "a 64-bit integer");
      return target.Put(*value, &R::SetInt64, &R::AddInt64);
    }
    case Field::CPPTYPE_UINT32: {
      const auto value = ParseUnsigned(node, std::numeric_limits<std::uint32_t>::max());
      if (!value) return Expected(node, "an integer from 0 to 4294967295");
      return target.Put(static_cast<std::uint32_t>(*value), &R::SetUInt32, &R::AddUInt32);
    }
    case Field::CPPTYPE_UINT64: {
      const auto value = ParseUnsigned(node, std::numeric_limits<std::uint64_t>::max());
      if (!value) return Expected(node, "an integer from 0 to 18446744073709551615");
      return target.Put(*value, &R::SetUInt64, &R::AddUInt64);
    }
    case Field::CPPTYPE_DOUBLE: {
      const auto value = ParseDouble(node);
      if (!value) return Expected(node, "a number");
      return target.Put(*value, &R::SetDouble, &R::AddDouble);
    }
    case Field::CPPTYPE_FLOAT: {
      const auto value = ParseDouble(node);
      if (!value ||
          (std::isfinite(*value) && std::abs(*value) > std::numeric_limits<float>::max())) {
        return Expected(node, "a number");
      }
      return target.Put(static_cast<float>(*value), &R::SetFloat, &R::AddFloat);
    }
    case Field::CPPTYPE_BOOL: {
      const auto value = ParseBool(node);
      if (!value) return Expected(node, "true or false");
      return target.Put(*value, &R::SetBool, &R::AddBool);
    }
    case Field::CPPTYPE_ENUM:
      return ReadEnum(node, target);
    case Field::CPPTYPE_STRING:
      return ReadString(node, target);
    case Field::CPPTYPE_MESSAGE:
      return;  // Not a scalar: ReadOne() sees to it.
  }
}

void YamlReader::ReadString(const YamlNode& node, const YamlTarget& target) {
  if (node.kind != Kind::kScalar) return Expected(node, "a string");
  std::string text = node.text;
  if (target.field.type() == pb::FieldDescriptor::TYPE_BYTES) {
    std::optional<std::string> bytes = base::Base64Decode(text);
    if (!bytes) return Expected(node, "bytes in base64");
    text = *std::move(bytes);
  } else if (IsPlainBool(node) || IsPlainNumber(node)) {
    return Error(node, base::Cat("must be a string; write \"", text, "\" with the quotes"));
  }
  const pb::Reflection* reflection = target.message.GetReflection();
  if (target.field.is_repeated()) {
    reflection->AddString(&target.message, &target.field, std::move(text));
  } else {
    reflection->SetString(&target.message, &target.field, std::move(text));
  }
}

void YamlReader::ReadEnum(const YamlNode& node, const YamlTarget& target) {
  if (node.kind != Kind::kScalar) return Expected(node, "a name");
  const pb::EnumDescriptor& type = *target.field.enum_type();
  const pb::EnumValueDescriptor* value = type.FindValueByName(node.text);
  if (value == nullptr) {
    const auto number = ParseSigned(node, std::numeric_limits<std::int32_t>::min(),
                                    std::numeric_limits<std::int32_t>::max());
    if (number) value = type.FindValueByNumber(static_cast<int>(*number));
  }
  if (value != nullptr) {
    using R = pb::Reflection;
    return target.Put(value->number(), &R::SetEnumValue, &R::AddEnumValue);
  }
  std::string names;
  for (int i = 0; i < type.value_count() && i < 20; ++i) {
    base::Append(names, i == 0 ? "" : ", ", type.value(i)->name());
  }
  Error(node, base::Cat(Describe(node), " is none of ", names));
}

void YamlReader::UnknownField(const YamlNode& key, const pb::Descriptor& type) {
  const std::string name = base::Printable(key.text, 100);
  const Scope scope(errors_, name);
  if (options_.allow_unknown_fields) {
    if (options_.unknown != nullptr && options_.unknown->size() < kUnknownMax) {
      options_.unknown->push_back(errors_.path());
    }
    return;
  }
  if (key.text == "<<") return Error(key, "merge keys are not supported; write the fields out");
  NearestWord nearest(key.text);
  for (int i = 0; i < type.field_count(); ++i) nearest.Offer(type.field(i)->name());
  Error(key, nearest.best().empty()
                 ? std::string("unknown field")
                 : base::Cat("unknown field; did you mean \"", nearest.best(), "\"?"));
}

std::uint32_t LocationMap::Find(std::string_view path) const {
  while (true) {
    const auto it = lines_.find(path);
    if (it != lines_.end()) return it->second;
    if (path.empty()) return 0;
    const std::size_t cut = path.find_last_of(".[");
    path = cut == std::string_view::npos ? std::string_view() : path.substr(0, cut);
  }
}

bool YamlTreeToProto(const YamlTree& tree, std::string_view file, const YamlOptions& options,
                     pb::Message* out, base::FieldErrors& errors) {
  const std::size_t before = errors.size();
  if (options.locations != nullptr) options.locations->Add(errors.path(), tree.root().line);
  if (tree.root().kind == Kind::kNull) return true;
  YamlReader(tree, file, options, errors).ReadMessage(tree.root(), *out);
  return errors.size() == before;
}

bool YamlToProto(std::string_view text, std::string_view file, const YamlOptions& options,
                 pb::Message* out, base::FieldErrors& errors) {
  YamlTree tree;
  const bool parsed = tree.Parse(text, file, errors);
  if (tree.root().kind == Kind::kNull) return parsed;
  return YamlTreeToProto(tree, file, options, out, errors) && parsed;
}

void AddWithLocations(const base::FieldErrors& from, std::string_view file,
                      const LocationMap& locations, base::FieldErrors& to) {
  for (const base::FieldError& error : from.errors()) {
    std::string location = error.location;
    const std::uint32_t line = location.empty() ? locations.Find(error.path) : 0;
    if (line != 0) location = base::Cat(file, ":", line);
    if (error.path.empty()) {
      to.AddLocated(location, error.message);
    } else {
      const base::FieldErrors::Scope scope(to, error.path);
      to.AddLocated(location, error.message);
    }
  }
}

}  // namespace sluice::config
