#include "config/proto_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "config/field_policy.h"
#include "config/type_registry.h"
#include "config/yaml_reader.h"
#include "config/yaml_value.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/message.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/time_util.h"

namespace sluice::config {
namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;

// Values of values: an Any in an Any in an Any parses anew at each step, so protobuf's own limit
// does not hold over all of them.
constexpr int kDepthMax = 100;
constexpr std::string_view kRedacted = "\"[redacted]\"";

std::string NumberText(double value, bool is_float) {
  if (std::isnan(value)) return "\"NaN\"";
  if (std::isinf(value)) return value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  if (value == 0 && std::signbit(value)) return "-0.0";
  if (std::trunc(value) == value && std::abs(value) < 1e15) {
    return base::Cat(static_cast<std::int64_t>(value));
  }
  char text[64];
  const auto end = is_float ? std::to_chars(text, text + sizeof(text), static_cast<float>(value))
                            : std::to_chars(text, text + sizeof(text), value);
  return std::string(text, end.ptr);
}

class Writer {
 public:
  Writer(const JsonOptions& options, std::string& out)
      : whitespace_(options.whitespace), level_(options.level), out_(out) {}

  void Message(const pb::Message& message, bool secret);
  void AnyParts(std::string_view type_url, std::string_view bytes, bool secret);

 private:
  // An object or list being written: where commas and lines go.
  void Open(char bracket) {
    out_ += bracket;
    ++level_;
    first_ = true;
  }
  void Close(char bracket) {
    --level_;
    if (!first_) NewLine();
    first_ = false;
    out_ += bracket;
  }
  void Next() {
    if (!first_) out_ += ',';
    first_ = false;
    NewLine();
  }
  void NewLine() {
    if (!whitespace_) return;
    out_ += '\n';
    out_.append(static_cast<std::size_t>(level_), ' ');
  }
  void Key(std::string_view name) {
    Next();
    base::AppendJsonString(out_, name);
    out_ += whitespace_ ? ": " : ":";
  }

  void Fields(const pb::Message& message, bool secret);
  void List(const pb::Message& message, const Field& field, bool secret);
  void Map(const pb::Message& message, const Field& field, bool secret);
  void Struct(const pb::Struct& value, bool secret);
  void Value(const pb::Value& value, bool secret);
  void ListValue(const pb::ListValue& value, bool secret);
  // `index` < 0: the field is singular.
  void One(const pb::Message& message, const Field& field, int index, bool secret);
  void Text(std::string_view text, bool secret) {
    if (secret) {
      out_ += kRedacted;
    } else {
      base::AppendJsonString(out_, text);
    }
  }

  const bool whitespace_;
  int level_;
  int depth_ = 0;
  bool first_ = true;
  std::string& out_;
};

void Writer::Message(const pb::Message& message, bool secret) {
  if (depth_ >= kDepthMax) {
    out_ += "null";
    return;
  }
  ++depth_;
  const pb::Descriptor& type = *message.GetDescriptor();
  switch (FormOf(type)) {
    case Form::kAny: {
      const auto& any = static_cast<const pb::Any&>(message);
      AnyParts(any.type_url(), any.value(), secret);
      break;
    }
    case Form::kDuration: {
      const auto& duration = static_cast<const pb::Duration&>(message);
      if (!IsValidDuration({duration.seconds(), duration.nanos()})) {
        Open('{');  // No text stands for it; a reader that checks will refuse it.
        Fields(message, secret);
        Close('}');
        break;
      }
      base::Append(out_, "\"", pb::util::TimeUtil::ToString(duration), "\"");
      break;
    }
    case Form::kTimestamp:
      base::Append(out_, "\"",
                   pb::util::TimeUtil::ToString(static_cast<const pb::Timestamp&>(message)), "\"");
      break;
    case Form::kWrapper:
      One(message, *type.FindFieldByName("value"), -1, secret);
      break;
    case Form::kStruct:
      Struct(static_cast<const pb::Struct&>(message), secret);
      break;
    case Form::kValue:
      Value(static_cast<const pb::Value&>(message), secret);
      break;
    case Form::kList:
      ListValue(static_cast<const pb::ListValue&>(message), secret);
      break;
    case Form::kPlain:
      Open('{');
      Fields(message, secret);
      Close('}');
      break;
  }
  --depth_;
}

void Writer::Fields(const pb::Message& message, bool secret) {
  std::vector<const Field*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const Field* field : fields) {
    Key(field->name());
    const bool inner = secret || PolicyOf(*field).sensitive;
    if (field->is_map()) {
      Map(message, *field, inner);
    } else if (field->is_repeated()) {
      List(message, *field, inner);
    } else {
      One(message, *field, -1, inner);
    }
  }
}

void Writer::List(const pb::Message& message, const Field& field, bool secret) {
  Open('[');
  const int size = message.GetReflection()->FieldSize(message, &field);
  for (int i = 0; i < size; ++i) {
    Next();
    One(message, field, i, secret);
  }
  Close(']');
}

void Writer::Map(const pb::Message& message, const Field& field, bool secret) {
  const pb::Reflection* reflection = message.GetReflection();
  const Field& key_field = *field.message_type()->map_key();
  const Field& value_field = *field.message_type()->map_value();
  std::vector<std::pair<std::string, const pb::Message*>> entries;  // Sorted: a map has no order.
  const int size = reflection->FieldSize(message, &field);
  for (int i = 0; i < size; ++i) {
    const pb::Message& entry = reflection->GetRepeatedMessage(message, &field, i);
    std::string key;
    if (key_field.cpp_type() == Field::CPPTYPE_STRING) {
      key = entry.GetReflection()->GetString(entry, &key_field);
    } else {
      Writer({.whitespace = false}, key).One(entry, key_field, -1, false);
      std::erase(key, '"');
    }
    entries.emplace_back(std::move(key), &entry);
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  Open('{');
  for (const auto& [key, entry] : entries) {
    Key(key);
    One(*entry, value_field, -1, secret);
  }
  Close('}');
}

void Writer::One(const pb::Message& message, const Field& field, int index, bool secret) {
  const pb::Reflection& r = *message.GetReflection();
  const bool many = index >= 0;
  switch (field.cpp_type()) {
    case Field::CPPTYPE_INT32:
      base::Append(out_,
                   many ? r.GetRepeatedInt32(message, &field, index) : r.GetInt32(message, &field));
      break;
    case Field::CPPTYPE_UINT32:
      base::Append(
          out_, many ? r.GetRepeatedUInt32(message, &field, index) : r.GetUInt32(message, &field));
      break;
    case Field::CPPTYPE_INT64:
      base::Append(out_, "\"",
                   many ? r.GetRepeatedInt64(message, &field, index) : r.GetInt64(message, &field),
                   "\"");
      break;
    case Field::CPPTYPE_UINT64:
      base::Append(
          out_, "\"",
          many ? r.GetRepeatedUInt64(message, &field, index) : r.GetUInt64(message, &field), "\"");
      break;
    case Field::CPPTYPE_DOUBLE:
      out_ += NumberText(
          many ? r.GetRepeatedDouble(message, &field, index) : r.GetDouble(message, &field), false);
      break;
    case Field::CPPTYPE_FLOAT:
      out_ += NumberText(static_cast<double>(many ? r.GetRepeatedFloat(message, &field, index)
                                                  : r.GetFloat(message, &field)),
                         true);
      break;
    case Field::CPPTYPE_BOOL:
      out_ += (many ? r.GetRepeatedBool(message, &field, index) : r.GetBool(message, &field))
                  ? "true"
                  : "false";
      break;
    case Field::CPPTYPE_ENUM: {
      const int number =
          many ? r.GetRepeatedEnumValue(message, &field, index) : r.GetEnumValue(message, &field);
      const auto* value = field.enum_type()->FindValueByNumber(number);
      if (value == nullptr) {
        base::Append(out_, number);
      } else {
        base::AppendJsonString(out_, value->name());
      }
      break;
    }
    case Field::CPPTYPE_STRING: {
      const std::string text =
          many ? r.GetRepeatedString(message, &field, index) : r.GetString(message, &field);
      Text(field.type() == Field::TYPE_BYTES ? base::Base64Encode(text) : text, secret);
      break;
    }
    case Field::CPPTYPE_MESSAGE:
      Message(many ? r.GetRepeatedMessage(message, &field, index) : r.GetMessage(message, &field),
              secret);
      break;
  }
}

void Writer::AnyParts(std::string_view type_url, std::string_view bytes, bool secret) {
  Open('{');
  if (type_url.empty() && bytes.empty()) return Close('}');
  Key("@type");
  base::AppendJsonString(out_, type_url);
  const pb::Descriptor* type = FindMessageType(type_url);
  std::unique_ptr<pb::Message> message;
  // Two more levels at least: the message and what it holds.
  if (type != nullptr && depth_ + 2 < kDepthMax) {
    message = NewMessage(*type);
    if (!message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) message = nullptr;
  }
  if (message == nullptr) {
    Key("value");
    Text(base::Base64Encode(bytes), secret);
  } else if (FormOf(*type) == Form::kPlain) {
    ++depth_;
    Fields(*message, secret);
    --depth_;
  } else {
    Key("value");
    Message(*message, secret);
  }
  Close('}');
}

void Writer::Struct(const pb::Struct& value, bool secret) {
  std::vector<std::pair<std::string_view, const pb::Value*>> members;
  for (const auto& [key, member] : value.fields()) members.emplace_back(key, &member);
  std::sort(members.begin(), members.end());
  Open('{');
  for (const auto& [key, member] : members) {
    Key(key);
    Message(*member, secret);
  }
  Close('}');
}

void Writer::Value(const pb::Value& value, bool secret) {
  switch (value.kind_case()) {
    case pb::Value::kNumberValue:
      out_ += secret ? std::string(kRedacted) : NumberText(value.number_value(), false);
      break;
    case pb::Value::kStringValue:
      Text(value.string_value(), secret);
      break;
    case pb::Value::kBoolValue:
      out_ += value.bool_value() ? "true" : "false";
      break;
    case pb::Value::kStructValue:
      Message(value.struct_value(), secret);
      break;
    case pb::Value::kListValue:
      Message(value.list_value(), secret);
      break;
    case pb::Value::kNullValue:
    case pb::Value::KIND_NOT_SET:
      out_ += "null";
      break;
  }
}

void Writer::ListValue(const pb::ListValue& value, bool secret) {
  Open('[');
  for (const pb::Value& element : value.values()) {
    Next();
    Message(element, secret);
  }
  Close(']');
}

}  // namespace

void AppendJson(const pb::Message& message, const JsonOptions& options, std::string& out) {
  Writer(options, out).Message(message, false);
}

void AppendAnyJson(std::string_view type_url, std::string_view bytes, const JsonOptions& options,
                   std::string& out) {
  Writer(options, out).AnyParts(type_url, bytes, false);
}

void AppendBytesJson(std::string_view type_url, std::string_view bytes, const JsonOptions& options,
                     std::string& out) {
  if (const pb::Descriptor* type = FindMessageType(type_url)) {
    const std::unique_ptr<pb::Message> message = NewMessage(*type);
    if (message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return Writer(options, out).Message(*message, false);
    }
  }
  AppendAnyJson(type_url, bytes, options, out);
}

std::string ToJson(const pb::Message& message, const JsonOptions& options) {
  std::string out;
  AppendJson(message, options, out);
  if (options.whitespace) out += '\n';
  return out;
}

}  // namespace sluice::config
