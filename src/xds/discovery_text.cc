#include "xds/discovery_text.h"

#include "base/field_errors.h"
#include "base/status.h"
#include "base/strings.h"
#include "config/proto_json.h"
#include "config/yaml_to_proto.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "google/rpc/status.pb.h"

namespace sluice::xds {

using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;

RequestView ReadRequest(std::string_view bytes) {
  DiscoveryRequest request;
  RequestView view;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return view;
  view.names.assign(request.resource_names().begin(), request.resource_names().end());
  view.nonce = request.response_nonce();
  view.error = request.error_detail().message();
  return view;
}

std::string RequestToJson(std::string_view bytes) {
  DiscoveryRequest request;
  request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  config::JsonOptions options;
  options.whitespace = false;
  return config::ToJson(request, options);
}

absl::StatusOr<std::string> ResponseFrom(std::string_view content, TextFormat format,
                                         ResourceType type, std::string_view nonce,
                                         std::string_view name) {
  DiscoveryResponse response;
  if (format == TextFormat::kBytes) {
    if (!response.ParseFromArray(content.data(), static_cast<int>(content.size()))) {
      return base::InvalidArgument(base::Cat(name, ": no serialised DiscoveryResponse"));
    }
  } else {
    base::FieldErrors errors;
    config::YamlOptions options;
    options.allow_unknown_fields = true;  // What the compilers do not know, they refuse or count.
    if (!config::YamlToProto(content, name, options, &response, errors)) {
      return errors.ToStatus();
    }
  }
  if (!response.type_url().empty() && TypeName(response.type_url()) != TypeName(TypeUrl(type))) {
    return base::InvalidArgument(base::Cat(
        name, ": has type_url ", base::Printable(response.type_url()), ", not ", TypeUrl(type)));
  }
  response.set_type_url(std::string(TypeUrl(type)));
  response.set_nonce(std::string(nonce));
  return response.SerializeAsString();
}

}  // namespace sluice::xds
