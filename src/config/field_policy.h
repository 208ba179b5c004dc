#pragma once
// What a field of proto/ does here: implemented, without effect, or refused (proto/sluice).
//
// Reads the options of proto/sluice/annotations.proto by reflection, so a compiler of one resource
// only looks at what is implemented. Any thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace google::protobuf {
class FieldDescriptor;
class Message;
}  // namespace google::protobuf
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

enum class FieldClass : std::uint8_t { kImplemented, kNoEffect, kRefused };

struct FieldPolicy {
  FieldClass kind = FieldClass::kImplemented;
  bool sensitive = false;  // Never printed.
  std::string_view hint;   // kRefused: what to write instead. Lives as long as the process.
};

// REQUIRES: `field` belongs to a generated file.
FieldPolicy PolicyOf(const google::protobuf::FieldDescriptor& field);

// "not supported; use routes".
std::string RefusalText(const FieldPolicy& policy);

// A field that the sender's protos have and ours do not.
struct UnknownField {
  std::string path;  // Of the message that holds it; empty: the resource itself.
  int number = 0;

  bool operator==(const UnknownField&) const = default;
};

struct FieldReport {
  static constexpr std::size_t kUnknownMax = 100;  // The rest is not listed.

  std::vector<std::string> no_effect;  // Full names, sorted, each once.
  std::vector<UnknownField> unknown;
};

// Visits every set field below `message`, but not inside Any: whoever unpacks one checks it. Adds
// an error for each refused field and each enum value that our enum does not have; adds to
// `report` what has no effect and what is unknown.
void CheckFields(const google::protobuf::Message& message, base::FieldErrors& errors,
                 FieldReport& report);

}  // namespace sluice::config
