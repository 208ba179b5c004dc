#pragma once
// YAML and JSON text as a tree that knows its lines, for readers that must say where an error is.
//
// Built from yaml-cpp's events rather than its nodes, since those forget duplicate keys' meaning,
// expand aliases without limit and nest without limit. JSON is read as the YAML that it is.
// Values; the thread that parses owns the tree.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct YamlNode {
  enum class Kind : std::uint8_t { kNull, kScalar, kSequence, kMapping };

  Kind kind = Kind::kNull;
  bool plain = false;                   // kScalar: written without quotes, so 80 is a number.
  std::uint32_t line = 0;               // From 1.
  std::uint32_t column = 0;             // From 1.
  std::string text;                     // kScalar, in UTF-8.
  std::vector<std::uint32_t> children;  // Indices; kMapping: key, value, key, value...
};

class YamlTree {
 public:
  // Limits of what is read; beyond them is an error with its line.
  static constexpr std::size_t kBytesMax = 64 << 20;
  static constexpr std::size_t kNodesMax = 1'000'000;  // Written, and visited through aliases.
  static constexpr int kDepthMax = 64;

  // Reads one document; `file` goes into the locations of errors ("file:line"). False after adding
  // at least one error. Empty text is a null root.
  bool Parse(std::string_view text, std::string_view file, base::FieldErrors& errors);

  const YamlNode& root() const { return nodes_[root_]; }
  const YamlNode& node(std::uint32_t index) const { return nodes_[index]; }
  // The value of a key, null when the mapping has no such key.
  const YamlNode* Find(const YamlNode& mapping, std::string_view key) const;

 private:
  friend class YamlTreeBuilder;
  std::vector<YamlNode> nodes_;
  std::uint32_t root_ = 0;
};

// "file:line".
std::string YamlLocation(std::string_view file, const YamlNode& node);

// The plain spellings that YAML's core schema and JSON share: true, false, 12, -1.5e3.
bool IsPlainBool(const YamlNode& node);
bool IsPlainNumber(const YamlNode& node);

}  // namespace sluice::config
