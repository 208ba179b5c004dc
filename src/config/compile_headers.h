#pragma once
// Header mutations from HeaderValueOption lists, and what names and values of fields may hold.
//
// Config thread. Each reports every bad field below the current scope of `errors`.

#include <string_view>

#include "config/route.h"

namespace google::protobuf {
template <typename T>
class RepeatedPtrField;
}  // namespace google::protobuf
namespace envoy::config::core::v3 {
class HeaderValueOption;
}
namespace envoy::config::common::mutation_rules::v3 {
class HeaderMutation;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

// A token (RFC 9110 section 5.6.2), or one after ':' for the pseudo headers.
bool IsHeaderName(std::string_view name);
// No NUL, CR or LF: the bytes that could end a field.
bool IsHeaderValue(std::string_view value);

// An error at `field` unless `value` may stand in a header.
void CheckHeaderValue(std::string_view value, std::string_view field, base::FieldErrors& errors);

// A HeaderValueOption list on its own, at `field`; at most 1000.
std::vector<HeaderAddition> CompileAdditions(
    const google::protobuf::RepeatedPtrField<envoy::config::core::v3::HeaderValueOption>& add,
    std::string_view field, base::FieldErrors& errors);

// A list of HeaderMutation at `field`; at most 1000.
HeaderSteps CompileHeaderSteps(
    const google::protobuf::RepeatedPtrField<
        envoy::config::common::mutation_rules::v3::HeaderMutation>& steps,
    std::string_view field, base::FieldErrors& errors);

// `direction` is "request" or "response": fields "request_headers_to_add", "..._to_remove".
HeaderMutations CompileMutations(
    const google::protobuf::RepeatedPtrField<envoy::config::core::v3::HeaderValueOption>& add,
    const google::protobuf::RepeatedPtrField<std::string>& remove, std::string_view direction,
    base::FieldErrors& errors);

// Of every message that has the four fields: weighted cluster, route, virtual host, table.
template <typename Proto>
MutationsBothWays CompileMutationsBothWays(const Proto& proto, base::FieldErrors& errors) {
  return {CompileMutations(proto.request_headers_to_add(), proto.request_headers_to_remove(),
                           "request", errors),
          CompileMutations(proto.response_headers_to_add(), proto.response_headers_to_remove(),
                           "response", errors)};
}

}  // namespace sluice::config
