#pragma once
// Discovery messages as text: files and REST. Pure; config thread, or a transport's own.

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "xds/resource_type.h"

namespace sluice::xds {

// What a transport without streams must know of a serialised DiscoveryRequest.
struct RequestView {
  std::vector<std::string> names;
  std::string nonce;
  std::string error;  // Of a NACK, else "".
};
RequestView ReadRequest(std::string_view bytes);

// proto3 JSON of a serialised DiscoveryRequest.
std::string RequestToJson(std::string_view bytes);

enum class TextFormat : std::uint8_t { kText, kBytes };  // YAML or JSON; a serialised message.

// A serialised DiscoveryResponse of `type` with `nonce` from the content of a file or an answer.
// `name` stands in errors, which carry every bad field with its line.
absl::StatusOr<std::string> ResponseFrom(std::string_view content, TextFormat format,
                                         ResourceType type, std::string_view nonce,
                                         std::string_view name);

}  // namespace sluice::xds
