#include "xds/take_response.h"

#include <algorithm>

#include "base/strings.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace sluice::xds {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryResponse;
using google::protobuf::internal::WireFormatLite;
using Wrapper = envoy::service::discovery::v3::Resource;

constexpr std::string_view kWrapper = "envoy.service.discovery.v3.Resource";
constexpr std::string_view kCollections = "xdstp://";
constexpr int kGrpcInternal = 13;  // What Envoy puts into a NACK's code.
// A NACK must fit any server's limits; its details are a convenience beside the text.
constexpr std::size_t kErrorBytesMax = 16 * 1024;
constexpr std::size_t kDetailBytesMax = 32 * 1024;
constexpr std::size_t kDetailTextMax = 1024;
constexpr std::uint64_t kTtlMsMax = 365ULL * 24 * 3600 * 1000;

void Reject(Incoming& out, std::string_view name, std::string_view why) {
  out.rejected.push_back({std::string(name), {{"", std::string(why), ""}}});
}

std::uint64_t TtlMs(const Wrapper& wrapper) {
  const auto& ttl = wrapper.ttl();
  if (ttl.seconds() < 0 || ttl.nanos() < 0) return 1;
  const std::uint64_t seconds = static_cast<std::uint64_t>(ttl.seconds());
  if (seconds >= kTtlMsMax / 1000) return kTtlMsMax;
  return std::max<std::uint64_t>(
      seconds * 1000 + static_cast<std::uint64_t>(ttl.nanos()) / 1'000'000, 1);
}

// The text that refuses a response with an Any of another type, or "".
std::string WrongType(const google::protobuf::Any& any, ResourceType type, bool delta) {
  if (TypeName(any.type_url()) == TypeName(TypeUrl(type))) return "";
  return base::Cat(base::Printable(any.type_url()), " does not match the message-wide type URL ",
                   TypeUrl(type), " in ", delta ? "DeltaDiscoveryResponse" : "DiscoveryResponse");
}

void TakeWrapped(const Wrapper& wrapper, bool delta, Incoming& out) {
  Response& response = out.response;
  std::string_view name = wrapper.name().empty() ? wrapper.resource_name().name() : wrapper.name();
  if (wrapper.resource_name().has_dynamic_parameter_constraints()) {
    return Reject(out, name, "dynamic parameters are not supported; use the name alone");
  }
  if (!wrapper.has_resource()) {
    out.heartbeats.push_back({name, wrapper.version()});
    if (wrapper.has_ttl()) out.ttls.emplace_back(name, TtlMs(wrapper));
    return;
  }
  out.refused = WrongType(wrapper.resource(), response.type, delta);
  if (!out.refused.empty()) return;
  const std::string_view bytes = wrapper.resource().value();
  const std::string_view own = PeekName(bytes);
  if (name.empty()) name = own;
  if (!IsNamespaced(response.type) && !own.empty() && own != name) {
    return Reject(out, name,
                  base::Cat("the resource inside is called ", base::Printable(own),
                            "; give both the same name"));
  }
  const std::string_view version =
      wrapper.version().empty() ? response.version : std::string_view(wrapper.version());
  response.resources.push_back({name, version, bytes});
  out.ttls.emplace_back(name, wrapper.has_ttl() ? TtlMs(wrapper) : 0);
}

// A name with a scheme stands for resources we would have to ask other servers for.
void RefuseCollections(Incoming& out) {
  auto& resources = out.response.resources;
  std::erase_if(resources, [&](const RawResource& resource) {
    if (!resource.name.starts_with(kCollections)) return false;
    Reject(out, resource.name, "xdstp:// names are not supported; use a plain name");
    return true;
  });
}

// A name that is both there and gone, or there twice: which is meant? Neither. Duplicates within a
// state of the world are the store's to refuse, which knows what the last good one is.
void RefuseContradictions(Incoming& out) {
  base::StringSet removed, seen, twice;
  for (const std::string_view name : out.response.removed) removed.emplace(name);
  for (const RawResource& resource : out.response.resources) {
    if (!seen.emplace(resource.name).second) twice.emplace(resource.name);
  }
  base::StringSet bad;
  for (const std::string& name : twice) {
    Reject(out, name,
           base::Cat("duplicate name ", base::Printable(name),
                     " found among added/updated resources; send it once"));
    bad.insert(name);
  }
  for (const std::string& name : seen) {
    if (!removed.contains(name) || bad.contains(name)) continue;
    Reject(out, name,
           base::Cat("duplicate name ", base::Printable(name),
                     " found in the union of added+removed resources; send it once"));
    bad.insert(name);
  }
  if (bad.empty()) return;
  std::erase_if(out.response.resources, [&](const auto& each) { return bad.contains(each.name); });
  std::erase_if(out.response.removed, [&](const auto& each) { return bad.contains(each); });
}

}  // namespace

struct Incoming::Messages {
  DiscoveryResponse sotw;
  DeltaDiscoveryResponse delta;
  std::vector<Wrapper> wrappers;
};

Incoming::Incoming() : messages(std::make_unique<Messages>()) {}
Incoming::~Incoming() = default;

namespace {

Parsed TakeSotw(std::string_view bytes, Incoming& out) {
  DiscoveryResponse& proto = out.messages->sotw;
  if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return Parsed::kGarbage;
  const std::optional<ResourceType> type = FindResourceType(proto.type_url());
  if (!type) return Parsed::kUnknownType;
  Response& response = out.response;
  response.type = *type;
  response.version = proto.version_info();
  response.control_plane = proto.control_plane().identifier();
  out.nonce = proto.nonce();
  auto& wrappers = out.messages->wrappers;
  wrappers.reserve(static_cast<std::size_t>(proto.resources_size()));
  response.resources.reserve(wrappers.capacity());
  for (const google::protobuf::Any& any : proto.resources()) {
    if (TypeName(any.type_url()) == kWrapper) {
      Wrapper& wrapper = wrappers.emplace_back();
      if (!wrapper.ParseFromString(any.value())) {
        out.refused = "a Resource wrapper cannot be parsed";
      } else {
        TakeWrapped(wrapper, false, out);
      }
    } else {
      out.refused = WrongType(any, *type, false);
      response.resources.push_back({PeekName(any.value()), response.version, any.value()});
      out.ttls.emplace_back(response.resources.back().name, 0);
    }
    if (!out.refused.empty()) break;
  }
  // Heartbeats alone renew what they name; they are no list of all there is.
  response.whole = !response.resources.empty() || out.heartbeats.empty();
  return Parsed::kOk;
}

Parsed TakeDelta(std::string_view bytes, Incoming& out) {
  DeltaDiscoveryResponse& proto = out.messages->delta;
  if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return Parsed::kGarbage;
  const std::optional<ResourceType> type = FindResourceType(proto.type_url());
  if (!type) return Parsed::kUnknownType;
  Response& response = out.response;
  response.type = *type;
  response.version = proto.system_version_info();
  response.control_plane = proto.control_plane().identifier();
  response.whole = false;
  out.nonce = proto.nonce();
  for (const Wrapper& wrapper : proto.resources()) {
    TakeWrapped(wrapper, true, out);
    if (!out.refused.empty()) break;
  }
  for (const std::string& name : proto.removed_resources()) response.removed.push_back(name);
  for (const auto& each : proto.removed_resource_names()) response.removed.push_back(each.name());
  return Parsed::kOk;
}

// Bounded, and never in the middle of a character.
std::string Cut(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return base::Cat(text.substr(0, end), "...");
}

// "what is wrong; what to write instead", as our field errors are.
void SetViolation(const RejectedResource& resource, const base::FieldError& field,
                  google::rpc::BadRequest::FieldViolation& out) {
  out.set_field(Cut(base::Cat("[\"", base::Printable(resource.name), "\"]",
                              field.path.empty() ? "" : ".", field.path),
                    kDetailTextMax));
  out.set_reason("INVALID_ARGUMENT");
  const std::size_t hint = field.message.rfind("; ");
  out.set_description(Cut(field.message.substr(0, hint), kDetailTextMax));
  if (hint == std::string::npos) return;
  out.mutable_localized_message()->set_locale("en");
  out.mutable_localized_message()->set_message(
      Cut(std::string_view(field.message).substr(hint + 2), kDetailTextMax));
}

}  // namespace

Parsed TakeResponse(std::string_view bytes, bool delta, Incoming& out) {
  const Parsed parsed = delta ? TakeDelta(bytes, out) : TakeSotw(bytes, out);
  if (parsed != Parsed::kOk || !out.refused.empty()) return parsed;
  RefuseCollections(out);
  if (delta) RefuseContradictions(out);
  return parsed;
}

std::string_view PeekName(std::string_view bytes) {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                            static_cast<int>(bytes.size()));
  std::string_view name;
  while (const std::uint32_t tag = in.ReadTag()) {
    if (WireFormatLite::GetTagFieldNumber(tag) == 1 &&
        WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      std::uint32_t length = 0;
      if (!in.ReadVarint32(&length)) return "";
      const auto position = static_cast<std::size_t>(in.CurrentPosition());
      if (length > bytes.size() - position || !in.Skip(static_cast<int>(length))) return "";
      name = bytes.substr(position, length);
    } else if (!WireFormatLite::SkipField(&in, tag)) {
      break;
    }
  }
  return name;
}

std::string NackBytes(const Verdict& verdict) {
  google::rpc::Status status;
  status.set_code(kGrpcInternal);
  std::string text = Cut(verdict.error, kErrorBytesMax);
  if (text.size() < verdict.error.size()) {
    base::Append(text, " (", verdict.rejected.size(), " resources refused in all)");
  }
  status.set_message(std::move(text));
  std::size_t bytes = 0;
  for (const RejectedResource& resource : verdict.rejected) {
    google::rpc::BadRequest bad;
    for (const base::FieldError& field : resource.fields) {
      SetViolation(resource, field, *bad.add_field_violations());
      if (bytes + bad.ByteSizeLong() > kDetailBytesMax) {
        bad.mutable_field_violations()->RemoveLast();
        break;
      }
    }
    if (bad.field_violations_size() == 0) break;  // The text names what did not fit.
    bytes += bad.ByteSizeLong();
    auto& any = *status.add_details();
    any.set_type_url("type.googleapis.com/google.rpc.BadRequest");
    any.set_value(bad.SerializeAsString());
  }
  return status.SerializeAsString();
}

}  // namespace sluice::xds
