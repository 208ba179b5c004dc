#include "fetch.h"

#include <set>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "watches_response.h"
#include "watches_types.h"

namespace sluice::control {
namespace {

namespace discoveryv3 = envoy::service::discovery::v3;
namespace json = google::protobuf::util;

struct Answer {
  std::string version;
  std::string bytes;
};

absl::StatusOr<Answer> AnswerTo(const std::shared_ptr<const Snapshot>& root, Type type,
                                const discoveryv3::DiscoveryRequest& request) {
  if (!request.type_url().empty() && request.type_url() != TypeUrl(type)) {
    return base::InvalidArgument(base::Cat("type_url: '", base::Printable(request.type_url(), 256),
                                           "' is not of this path"));
  }
  std::string fleet;
  const auto snapshot = PickFleet(root, FactsOf(request.node()), fleet);
  if (snapshot == nullptr) return base::Unavailable("there is no configuration yet");
  const std::set<std::string_view> names(request.resource_names().begin(),
                                         request.resource_names().end());
  const bool all = IsFullState(type) && (names.empty() || names.contains("*"));
  std::vector<const Resource*> include;
  std::string versions;
  for (const auto& [name, resource] : snapshot->Of(type).resources) {
    if (!names.contains(name) && (!all || resource->named_only)) continue;
    include.push_back(resource.get());
    base::Append(versions, name, "=", resource->version, "\n");
  }
  Answer answer;
  answer.version = ContentHash(versions);
  const std::vector<std::string> removed;
  ResponseCache once;
  const SerialisedResponse response = once.Get({false, type, answer.version, include, removed}, "");
  answer.bytes = base::Cat(*response.body, response.tail);
  return answer;
}

}  // namespace

absl::StatusOr<std::string> FetchAnswer(const std::shared_ptr<const Snapshot>& root, Type type,
                                        std::string_view request) {
  discoveryv3::DiscoveryRequest message;
  if (!message.ParseFromString(std::string(request))) {
    return base::InvalidArgument("not a DiscoveryRequest");
  }
  auto answer = AnswerTo(root, type, message);
  if (!answer.ok()) return answer.status();
  return std::move(answer->bytes);
}

absl::StatusOr<std::optional<std::string>> FetchJson(const std::shared_ptr<const Snapshot>& root,
                                                     Type type, std::string_view request) {
  discoveryv3::DiscoveryRequest message;
  json::JsonParseOptions lenient;
  lenient.ignore_unknown_fields = true;  // Nodes tell more than we know, and that is no mistake.
  const auto parsed = json::JsonStringToMessage(std::string(request), &message, lenient);
  if (!parsed.ok()) {
    return base::InvalidArgument(
        base::Cat("not a DiscoveryRequest: ", base::Printable(parsed.ToString(), 512)));
  }
  const auto answer = AnswerTo(root, type, message);
  if (!answer.ok()) return answer.status();
  if (answer->version == message.version_info()) return std::optional<std::string>();
  discoveryv3::DiscoveryResponse response;
  std::string text;
  json::JsonPrintOptions names;
  names.preserve_proto_field_names = true;
  if (!response.ParseFromString(answer->bytes) ||
      !json::MessageToJsonString(response, &text, names).ok()) {
    return base::Internal("a resource has no JSON form");
  }
  return std::optional(std::move(text));
}

}  // namespace sluice::control
