#pragma once
// YAML or JSON text to a message of proto/, with file:line for every error.
//
// Follows proto3 JSON (durations "5s", wrappers as bare values, Any by "@type", Struct, enums by
// name or number, bytes in base64, field names in snake_case or camelCase) and Envoy's leniencies:
// a single value where a list is expected, durations as {seconds, nanos}, numbers as strings.
// Stricter than both: duplicate keys, unknown and refused fields, unknown enum numbers, and what
// is deeper or larger than the limits of YamlTree are errors. Reads no file; any thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"

namespace google::protobuf {
class Message;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

class YamlTree;

// Lines of field paths, for errors found after reading: "static_resources.listeners[0].address".
class LocationMap {
 public:
  void Add(std::string_view path, std::uint32_t line) { lines_.try_emplace(path, line); }
  // The line of `path`, or of the nearest path above it; 0 when the map is empty.
  std::uint32_t Find(std::string_view path) const;
  std::size_t size() const { return lines_.size(); }

 private:
  base::StringMap<std::uint32_t> lines_;
};

struct YamlOptions {
  bool allow_unknown_fields = false;            // --allow-unknown-static-fields.
  std::vector<std::string>* unknown = nullptr;  // Then their paths go here (at most 100).
  LocationMap* locations = nullptr;             // Filled when set.
};

// False after adding at least one error; `out` then holds what could be read. Paths of errors are
// below the current scope of `errors`.
bool YamlToProto(std::string_view text, std::string_view file, const YamlOptions& options,
                 google::protobuf::Message* out, base::FieldErrors& errors);
// The same from a tree that was parsed before.
bool YamlTreeToProto(const YamlTree& tree, std::string_view file, const YamlOptions& options,
                     google::protobuf::Message* out, base::FieldErrors& errors);

// Copies errors that have a path but no location, with "file:line" of their path.
void AddWithLocations(const base::FieldErrors& from, std::string_view file,
                      const LocationMap& locations, base::FieldErrors& to);

}  // namespace sluice::config
