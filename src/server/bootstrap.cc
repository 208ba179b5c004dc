// The one file of this room that knows protobuf: what the server says about itself on the wire.
#include <google/protobuf/stubs/logging.h>

#include "base/log.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/type/v3/semantic_version.pb.h"
#include "server/node_proto.h"
#include "server/version.h"

namespace sluice::server {

void TakeProtobufLog() {
  google::protobuf::SetLogHandler(
      [](google::protobuf::LogLevel level, const char*, int, const std::string& message) {
        // What a hostile control plane can provoke is worth a debug line each, not a flood.
        if (level >= google::protobuf::LOGLEVEL_FATAL) {
          SLUICE_LOG(kCritical, kConfig, "protobuf: ", message);
        } else {
          SLUICE_LOG(kDebug, kConfig, "protobuf: ", message);
        }
      });
}

std::string NodeBytes(const config::Node& node) {
  envoy::config::core::v3::Node proto;
  proto.set_id(node.id);
  proto.set_cluster(node.cluster);
  if (!node.region.empty() || !node.zone.empty() || !node.sub_zone.empty()) {
    proto.mutable_locality()->set_region(node.region);
    proto.mutable_locality()->set_zone(node.zone);
    proto.mutable_locality()->set_sub_zone(node.sub_zone);
  }
  if (!node.metadata_bytes.empty()) proto.mutable_metadata()->ParseFromString(node.metadata_bytes);
  proto.set_user_agent_name("sluice");
  auto& version = *proto.mutable_user_agent_build_version()->mutable_version();
  version.set_major_number(kVersionMajor);
  version.set_minor_number(kVersionMinor);
  version.set_patch(kVersionPatch);
  proto.add_client_features("xds.config.supports-resource-ttl");
  proto.add_client_features("xds.config.supports-resource-in-sotw");
  return proto.SerializeAsString();
}

}  // namespace sluice::server
