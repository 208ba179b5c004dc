#include "watches_response.h"

#include <algorithm>

#include "base/strings.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace sluice::control {
namespace {

namespace discoveryv3 = envoy::service::discovery::v3;

constexpr std::string_view kIdentifier = "sluice-control";

std::string KeyOf(const ResponseContent& content) {
  std::string text(content.version);
  // NUL cannot be in a name that came as a string of ours, so pieces cannot run together.
  for (const Resource* resource : content.include) {
    text += '\0';
    text += resource->name;
    text += '\0';
    text += resource->version;
  }
  text += '\0';
  for (const std::string& name : content.removed) {
    text += '\0';
    text += name;
  }
  return ContentHash(text);
}

std::string SotwBody(const ResponseContent& content) {
  const std::string url(TypeUrl(content.type));
  discoveryv3::DiscoveryResponse response;
  response.set_version_info(std::string(content.version));
  response.set_type_url(url);
  response.mutable_control_plane()->set_identifier(std::string(kIdentifier));
  for (const Resource* resource : content.include) {
    google::protobuf::Any& any = *response.add_resources();
    any.set_type_url(url);
    any.set_value(resource->bytes);
  }
  return response.SerializeAsString();
}

std::string DeltaBody(const ResponseContent& content) {
  const std::string url(TypeUrl(content.type));
  discoveryv3::DeltaDiscoveryResponse response;
  response.set_system_version_info(std::string(content.version));
  response.set_type_url(url);
  response.mutable_control_plane()->set_identifier(std::string(kIdentifier));
  for (const Resource* resource : content.include) {
    discoveryv3::Resource& wrapped = *response.add_resources();
    wrapped.set_name(resource->name);
    wrapped.set_version(resource->version);
    wrapped.mutable_resource()->set_type_url(url);
    wrapped.mutable_resource()->set_value(resource->bytes);
  }
  for (const std::string& name : content.removed) response.add_removed_resources(name);
  return response.SerializeAsString();
}

}  // namespace

SerialisedResponse ResponseCache::Get(const ResponseContent& content, std::string_view nonce) {
  auto& latest = latest_[content.delta ? 1 : 0][static_cast<std::size_t>(content.type)];
  std::string key = KeyOf(content);
  auto found = std::find_if(latest.begin(), latest.end(),
                            [&](const Entry& known) { return known.key == key; });
  if (found == latest.end()) {
    if (latest.size() >= kKept) latest.pop_back();
    latest.insert(latest.begin(), Entry{std::move(key), std::make_shared<const std::string>(
                                                            content.delta ? DeltaBody(content)
                                                                          : SotwBody(content))});
    ++serialised_;
    found = latest.begin();
  }
  const Entry& entry = *found;
  SerialisedResponse response{entry.body, {}};
  if (content.delta) {
    discoveryv3::DeltaDiscoveryResponse tail;
    tail.set_nonce(std::string(nonce));
    response.tail = tail.SerializeAsString();
  } else {
    discoveryv3::DiscoveryResponse tail;
    tail.set_nonce(std::string(nonce));
    response.tail = tail.SerializeAsString();
  }
  return response;
}

}  // namespace sluice::control
