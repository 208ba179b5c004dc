// Values of protobuf's own types, each of which JSON writes in a way of its own.

#include <memory>
#include <optional>
#include <string>

#include "config/type_registry.h"
#include "config/yaml_reader.h"
#include "config/yaml_value.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/message.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/time_util.h"

namespace sluice::config {
namespace {

namespace pb = google::protobuf;
using Kind = YamlNode::Kind;

std::string SerializeInOrder(const pb::Message& message) {
  std::string bytes;
  {
    pb::io::StringOutputStream stream(&bytes);
    pb::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);  // Equal text gives equal bytes.
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

}  // namespace

Form FormOf(const pb::Descriptor& type) {
  if (type.file()->package() != "google.protobuf") return Form::kPlain;
  const std::string& name = type.name();
  if (name == "Any") return Form::kAny;
  if (name == "Duration") return Form::kDuration;
  if (name == "Timestamp") return Form::kTimestamp;
  if (name == "Struct") return Form::kStruct;
  if (name == "Value") return Form::kValue;
  if (name == "ListValue") return Form::kList;
  return name.ends_with("Value") ? Form::kWrapper : Form::kPlain;
}

void YamlReader::ReadAny(const YamlNode& node, pb::Message& out) {
  if (node.kind != Kind::kMapping) return Expected(node, "a mapping with \"@type\"");
  if (node.children.empty()) return;  // An empty Any is written so.
  const YamlNode* url = tree_.Find(node, "@type");
  if (url == nullptr || url->kind != Kind::kScalar) {
    return Error(node, "needs \"@type\": a type URL");
  }
  auto& any = static_cast<pb::Any&>(out);
  any.set_type_url(url->text);
  const pb::Descriptor* type = FindMessageType(url->text);
  if (type == nullptr) {
    if (any_may_be_unknown_) return;  // Kept by its name alone, to be skipped.
    return Error(*url, base::Cat("Didn't find a registered implementation for type URL: '",
                                 base::Printable(url->text), "'"));
  }
  const std::unique_ptr<pb::Message> message = NewMessage(*type);
  if (FormOf(*type) == Form::kPlain) {
    ReadFields(node, *message, true);
  } else {
    const YamlNode* value = tree_.Find(node, "value");
    if (value == nullptr) return Error(node, "needs \"value\"");
    ReadMessage(*value, *message);
  }
  any.set_value(SerializeInOrder(*message));
}

void YamlReader::ReadDuration(const YamlNode& node, pb::Message& out) {
  auto& duration = static_cast<pb::Duration&>(out);
  DurationValue value;
  if (node.kind == Kind::kMapping) {
    ReadFields(node, out, false);
    value = {duration.seconds(), duration.nanos()};
    if (!IsValidDuration(value)) Error(node, "is out of range");
    return;
  }
  if (node.kind != Kind::kScalar) return Expected(node, "a duration such as 1.5s");
  const std::optional<DurationValue> parsed = ParseDuration(node.text);
  if (!parsed) return Expected(node, "a duration in seconds such as 1.5s");
  duration.set_seconds(parsed->seconds);
  duration.set_nanos(parsed->nanos);
}

void YamlReader::ReadTimestamp(const YamlNode& node, pb::Message& out) {
  if (node.kind != Kind::kScalar ||
      !pb::util::TimeUtil::FromString(node.text, &static_cast<pb::Timestamp&>(out))) {
    Expected(node, "a time such as 2024-01-31T12:00:00Z");
  }
}

void YamlReader::ReadStruct(const YamlNode& node, pb::Message& out) {
  if (node.kind != Kind::kMapping) return Expected(node, "a mapping");
  auto& fields = *static_cast<pb::Struct&>(out).mutable_fields();
  for (std::size_t i = 0; i + 1 < node.children.size(); i += 2) {
    const YamlNode& key = tree_.node(node.children[i]);
    const base::FieldErrors::Scope scope(errors_, base::Printable(key.text));
    ReadMessage(tree_.node(node.children[i + 1]), fields[key.text]);
  }
}

void YamlReader::ReadValue(const YamlNode& node, pb::Message& out) {
  auto& value = static_cast<pb::Value&>(out);
  switch (node.kind) {
    case Kind::kNull:
      return value.set_null_value(pb::NULL_VALUE);
    case Kind::kMapping:
      return ReadStruct(node, *value.mutable_struct_value());
    case Kind::kSequence:
      return ReadList(node, *value.mutable_list_value());
    case Kind::kScalar:
      break;
  }
  if (IsPlainBool(node)) return value.set_bool_value(node.text == "true");
  const std::optional<double> number =
      IsPlainNumber(node) ? ParseDouble(node) : std::optional<double>();
  if (number) return value.set_number_value(*number);
  value.set_string_value(node.text);
}

void YamlReader::ReadList(const YamlNode& node, pb::Message& out) {
  if (node.kind != Kind::kSequence) return Expected(node, "a list");
  auto& list = static_cast<pb::ListValue&>(out);
  for (const std::uint32_t child : node.children) {
    ReadMessage(tree_.node(child), *list.add_values());
  }
}

}  // namespace sluice::config
