#pragma once
// The message types that a google.protobuf.Any may hold: all of proto/, and nothing else.
//
// A generated type is known to protobuf only when its file is linked in; this one names them all.
// Any thread.

#include <functional>
#include <memory>
#include <string_view>

namespace google::protobuf {
class Descriptor;
class FileDescriptor;
class Message;
}  // namespace google::protobuf

namespace sluice::config {

// "envoy.config.route.v3.FilterConfig" of "type.googleapis.com/envoy.config.route.v3.FilterConfig";
// empty when there is no slash.
std::string_view TypeNameOf(std::string_view type_url);

// Null when the URL has no slash or names a type that this build does not have.
const google::protobuf::Descriptor* FindMessageType(std::string_view type_url);

// An empty message of a type found above.
std::unique_ptr<google::protobuf::Message> NewMessage(const google::protobuf::Descriptor& type);

void ForEachProtoFile(const std::function<void(const google::protobuf::FileDescriptor&)>& visit);

}  // namespace sluice::config
