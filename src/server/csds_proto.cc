// The messages of CSDS, made from what the config thread shows.
#include <algorithm>

#include "base/status.h"
#include "config/field_policy.h"
#include "config/type_registry.h"
#include "envoy/service/status/v3/csds.pb.h"
#include "google/protobuf/descriptor.h"
#include "server/csds.h"
#include "server/node_proto.h"

namespace sluice::server {
namespace {

namespace pb = google::protobuf;
using envoy::service::status::v3::ClientConfig;
using GenericConfig = ClientConfig::GenericXdsConfig;
using xds::ResourceRecord;
using xds::ResourceType;

constexpr std::string_view kRedacted = "[redacted]";
constexpr int kDepthMax = 64;

void Redact(pb::Message& message, bool secret, int depth);

void RedactAny(pb::Message& any, int depth) {
  const pb::Descriptor& type = *any.GetDescriptor();
  const pb::Reflection& reflection = *any.GetReflection();
  const pb::FieldDescriptor* url = type.FindFieldByNumber(1);
  const pb::FieldDescriptor* value = type.FindFieldByNumber(2);
  const pb::Descriptor* inner = config::FindMessageType(reflection.GetString(any, url));
  if (inner == nullptr) return;
  const std::unique_ptr<pb::Message> message = config::NewMessage(*inner);
  if (!message->ParseFromString(reflection.GetString(any, value))) return;
  Redact(*message, false, depth + 1);
  reflection.SetString(&any, value, message->SerializeAsString());
}

void RedactText(pb::Message& message, const pb::FieldDescriptor& field) {
  const pb::Reflection& reflection = *message.GetReflection();
  if (!field.is_repeated()) {
    return reflection.SetString(&message, &field, std::string(kRedacted));
  }
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    reflection.SetRepeatedString(&message, &field, i, std::string(kRedacted));
  }
}

// What /config_dump redacts is redacted here too.
void Redact(pb::Message& message, bool secret, int depth) {
  if (depth > kDepthMax) return message.Clear();
  if (!secret && message.GetDescriptor()->full_name() == "google.protobuf.Any") {
    return RedactAny(message, depth);
  }
  const pb::Reflection& reflection = *message.GetReflection();
  std::vector<const pb::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const pb::FieldDescriptor* field : fields) {
    const bool hidden = secret || config::PolicyOf(*field).sensitive;
    const auto type = field->cpp_type();
    if (type == pb::FieldDescriptor::CPPTYPE_STRING) {
      if (hidden) RedactText(message, *field);
    } else if (type == pb::FieldDescriptor::CPPTYPE_MESSAGE && field->is_repeated()) {
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        Redact(*reflection.MutableRepeatedMessage(&message, field, i), hidden, depth + 1);
      }
    } else if (type == pb::FieldDescriptor::CPPTYPE_MESSAGE) {
      Redact(*reflection.MutableMessage(&message, field), hidden, depth + 1);
    }
  }
}

void SetTime(base::WallTime time, pb::Timestamp& out) {
  const auto ms = std::chrono::duration_cast<base::milliseconds>(time.time_since_epoch()).count();
  out.set_seconds(ms / 1000);
  out.set_nanos(static_cast<std::int32_t>(ms % 1000) * 1'000'000);
}

void SetResource(ResourceType type, const std::string& bytes, pb::Any& out) {
  out.set_type_url(std::string(xds::TypeUrl(type)));
  out.set_value(bytes);
  RedactAny(out, 0);
}

struct Answer {
  ClientConfig& out;
  bool contents;

  void AddStatic(ResourceType type, const std::string& name, const std::string& bytes,
                 base::WallTime started) const {
    GenericConfig& each = *out.add_generic_xds_configs();
    each.set_type_url(std::string(xds::TypeUrl(type)));
    each.set_name(name);
    each.set_is_static_resource(true);
    each.set_client_status(envoy::admin::v3::ACKED);
    SetTime(started, *each.mutable_last_updated());
    if (contents) SetResource(type, bytes, *each.mutable_xds_config());
  }

  void Add(ResourceType type, const ResourceRecord& record) const {
    GenericConfig& each = *out.add_generic_xds_configs();
    each.set_type_url(std::string(xds::TypeUrl(type)));
    each.set_name(record.name);
    each.set_client_status(record.error ? envoy::admin::v3::NACKED : envoy::admin::v3::ACKED);
    if (record.bytes != nullptr) {
      each.set_version_info(record.version);
      SetTime(record.updated, *each.mutable_last_updated());
      if (contents) SetResource(type, *record.bytes, *each.mutable_xds_config());
    }
    if (!record.error) return;
    auto& error = *each.mutable_error_state();
    error.set_details(record.error->details);
    error.set_version_info(record.error->version);
    SetTime(record.error->when, *error.mutable_last_update_attempt());
    if (contents && record.error->bytes != nullptr) {
      SetResource(type, *record.error->bytes, *error.mutable_failed_configuration());
    }
  }

  void AddRequested(ResourceType type, const std::string& name) const {
    GenericConfig& each = *out.add_generic_xds_configs();
    each.set_type_url(std::string(xds::TypeUrl(type)));
    each.set_name(name);
    each.set_client_status(envoy::admin::v3::REQUESTED);
  }
};

}  // namespace

absl::StatusOr<std::string> AnswerClientStatus(std::string_view request, const XdsView& view,
                                               const config::Bootstrap& bootstrap,
                                               base::WallTime started) {
  envoy::service::status::v3::ClientStatusRequest proto;
  if (!proto.ParseFromArray(request.data(), static_cast<int>(request.size()))) {
    return base::InvalidArgument("the bytes are no ClientStatusRequest");
  }
  if (proto.node_matchers_size() > 0) {
    return base::InvalidArgument(
        "node_matchers is not supported; leave it out: the only client here is this process");
  }
  envoy::service::status::v3::ClientStatusResponse response;
  ClientConfig& config = *response.add_config();
  config.mutable_node()->ParseFromString(NodeBytes(bootstrap.node));
  const Answer answer{config, !proto.exclude_resource_contents()};
  for (const auto& each : bootstrap.listeners) {
    answer.AddStatic(ResourceType::kListener, each.value->name, each.proto_bytes, started);
  }
  for (const auto& each : bootstrap.clusters) {
    answer.AddStatic(ResourceType::kCluster, each.value->name, each.proto_bytes, started);
  }
  for (const ResourceType type : xds::kResourceTypes) {
    std::vector<std::shared_ptr<const ResourceRecord>> records;
    view.store.Of(type).ForEach(
        [&](std::string_view, const auto& record) { records.push_back(record); });
    std::ranges::sort(records, {},
                      [](const auto& record) -> const std::string& { return record->name; });
    for (const auto& record : records) answer.Add(type, *record);
    const auto& wanted = view.wanted[xds::IndexOf(type)];
    if (wanted == nullptr || xds::IsWildcard(type) || xds::IsNamespaced(type)) continue;
    for (const std::string& name : *wanted) {
      if (view.store.Of(type).Find(name) == nullptr) answer.AddRequested(type, name);
    }
  }
  return response.SerializeAsString();
}

}  // namespace sluice::server
