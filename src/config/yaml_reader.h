#pragma once
// The walker behind YamlToProto(): tree and descriptor side by side. Internal to the two files that
// implement it; one reader per call, on the caller's stack.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/yaml_to_proto.h"
#include "config/yaml_tree.h"

namespace google::protobuf {
class Descriptor;
class FieldDescriptor;
class Message;
}  // namespace google::protobuf

namespace sluice::config {

// How protobuf's own types are written in JSON; kPlain is an object with a member per field.
enum class Form : std::uint8_t {
  kPlain,
  kAny,
  kDuration,
  kTimestamp,
  kWrapper,
  kStruct,
  kValue,
  kList
};

Form FormOf(const google::protobuf::Descriptor& type);

struct YamlTarget;  // Where a value goes: a field of a message.

// Walks tree and descriptor together. Recursion is bounded by kDepthMax.
class YamlReader {
 public:
  YamlReader(const YamlTree& tree, std::string_view file, const YamlOptions& options,
             base::FieldErrors& errors)
      : tree_(tree), file_(file), options_(options), errors_(errors) {}

  void ReadMessage(const YamlNode& node, google::protobuf::Message& out);

 private:
  using Scope = base::FieldErrors::Scope;

  void Error(const YamlNode& node, std::string_view message) {
    errors_.AddLocated(YamlLocation(file_, node), message);
  }
  void Expected(const YamlNode& node, std::string_view what);
  // Aliases make a small text a large one: everything that is looked at counts.
  bool Count(const YamlNode& node) {
    if (visited_ > YamlTree::kNodesMax) return false;
    if (++visited_ <= YamlTree::kNodesMax) return true;
    Error(node, base::Cat("more than ", YamlTree::kNodesMax, " values; aliases count each time"));
    return false;
  }
  void Locate(const YamlNode& node) {
    if (options_.locations != nullptr) options_.locations->Add(errors_.path(), node.line);
  }

  void ReadFields(const YamlNode& node, google::protobuf::Message& out, bool is_any);
  void ReadField(const YamlNode& node, const google::protobuf::FieldDescriptor& field,
                 google::protobuf::Message& out);
  void ReadRepeated(const YamlNode& node, const google::protobuf::FieldDescriptor& field,
                    google::protobuf::Message& out);
  void ReadMap(const YamlNode& node, const google::protobuf::FieldDescriptor& field,
               google::protobuf::Message& out);
  void ReadOne(const YamlNode& node, const YamlTarget& target);
  void ReadScalar(const YamlNode& node, const YamlTarget& target);
  void ReadString(const YamlNode& node, const YamlTarget& target);
  void ReadEnum(const YamlNode& node, const YamlTarget& target);
  void ReadAny(const YamlNode& node, google::protobuf::Message& out);
  void ReadDuration(const YamlNode& node, google::protobuf::Message& out);
  void ReadTimestamp(const YamlNode& node, google::protobuf::Message& out);
  void ReadStruct(const YamlNode& node, google::protobuf::Message& out);
  void ReadValue(const YamlNode& node, google::protobuf::Message& out);
  void ReadList(const YamlNode& node, google::protobuf::Message& out);
  void UnknownField(const YamlNode& key, const google::protobuf::Descriptor& type);
  void ReadPlaceholder(const YamlNode& node, const google::protobuf::FieldDescriptor& field,
                       google::protobuf::Message& out);

  const YamlTree& tree_;
  const std::string_view file_;
  const YamlOptions& options_;
  base::FieldErrors& errors_;
  std::size_t visited_ = 0;
  int depth_ = 0;
  bool any_may_be_unknown_ = false;  // The message being read says is_optional.
};

}  // namespace sluice::config
