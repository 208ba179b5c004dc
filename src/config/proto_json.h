#pragma once
// A message as JSON, in the look of Envoy's /config_dump: snake_case names, one space of indent per
// level, unset fields left out, an Any's content in line after its "@type".
//
// Never fails: an Any whose type or bytes we cannot read prints as {"@type", "value": base64}, and
// what nests deeper than a bound prints so too. Fields marked sensitive print as "[redacted]".
// Appends to a string that a caller may send and clear between resources. Any thread.

#include <string>
#include <string_view>

namespace google::protobuf {
class Message;
}

namespace sluice::config {

struct JsonOptions {
  bool whitespace = true;  // False: all on one line, without spaces.
  int level = 0;           // Indent of the lines after the first: the value stands inside others.
};

void AppendJson(const google::protobuf::Message& message, const JsonOptions& options,
                std::string& out);
// The same from the parts of an Any, without building one.
void AppendAnyJson(std::string_view type_url, std::string_view bytes, const JsonOptions& options,
                   std::string& out);
// The same without "@type". `type_url` names a message of proto/; else this is AppendAnyJson.
void AppendBytesJson(std::string_view type_url, std::string_view bytes, const JsonOptions& options,
                     std::string& out);

// With a newline at the end when there is whitespace.
std::string ToJson(const google::protobuf::Message& message, const JsonOptions& options = {});

}  // namespace sluice::config
