#include <string>

#include "absl/container/flat_hash_set.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "config/http2.h"
#include "config/proto_values.h"
#include "envoy/config/core/v3/protocol.pb.h"
#include "http/h2_session.h"

namespace sluice::config {
namespace {

namespace corev3 = envoy::config::core::v3;
using Proto = corev3::Http2ProtocolOptions;

struct Range {
  std::string_view field;
  std::uint32_t least;
  std::uint32_t most;
};

void Read(const google::protobuf::UInt32Value& value, const Range& range, std::uint32_t& out,
          base::FieldErrors& errors) {
  if (value.value() < range.least || value.value() > range.most) {
    errors.AddAt(range.field, base::Cat(value.value(), " is out of range; write ", range.least,
                                        " to ", range.most));
    return;
  }
  out = value.value();
}

constexpr std::uint32_t kAnyMax = 0xffffffff;
constexpr std::uint32_t kSignedMax = 0x7fffffff;
constexpr std::uint32_t kWindowLeast = 65535;

void ReadSizes(const Proto& proto, http::H2Options& out, base::FieldErrors& errors) {
  if (proto.has_hpack_table_size()) {
    // What a peer may keep here for every connection.
    Read(proto.hpack_table_size(), {"hpack_table_size", 0, 1024 * 1024}, out.hpack_table_bytes,
         errors);
  }
  if (proto.has_max_concurrent_streams()) {
    Read(proto.max_concurrent_streams(), {"max_concurrent_streams", 1, kSignedMax}, out.streams_max,
         errors);
  }
  if (proto.has_initial_stream_window_size()) {
    Read(proto.initial_stream_window_size(),
         {"initial_stream_window_size", kWindowLeast, kSignedMax}, out.stream_window_bytes, errors);
  }
  if (proto.has_initial_connection_window_size()) {
    Read(proto.initial_connection_window_size(),
         {"initial_connection_window_size", kWindowLeast, kSignedMax}, out.connection_window_bytes,
         errors);
  }
}

void ReadGuards(const Proto& proto, http::H2Options& out, base::FieldErrors& errors) {
  if (proto.has_max_outbound_frames()) {
    Read(proto.max_outbound_frames(), {"max_outbound_frames", 1, kAnyMax}, out.outbound_frames_max,
         errors);
  }
  if (proto.has_max_outbound_control_frames()) {
    Read(proto.max_outbound_control_frames(), {"max_outbound_control_frames", 1, kAnyMax},
         out.outbound_control_frames_max, errors);
  }
  if (proto.has_max_consecutive_inbound_frames_with_empty_payload()) {
    out.empty_frames_max = proto.max_consecutive_inbound_frames_with_empty_payload().value();
  }
  if (proto.has_max_inbound_priority_frames_per_stream()) {
    out.priority_frames_per_stream_max = proto.max_inbound_priority_frames_per_stream().value();
  }
  if (proto.has_max_inbound_window_update_frames_per_data_frame_sent()) {
    Read(proto.max_inbound_window_update_frames_per_data_frame_sent(),
         {"max_inbound_window_update_frames_per_data_frame_sent", 1, kAnyMax},
         out.window_updates_per_data_frame_max, errors);
  }
}

// Settings that fields of their own set, or that would undo what the codec relies on.
void ReadCustomSettings(const Proto& proto, http::H2Options& out, base::FieldErrors& errors) {
  absl::flat_hash_set<std::uint32_t> seen;
  for (int i = 0; i < proto.custom_settings_parameters_size(); ++i) {
    const base::FieldErrors::Scope scope(errors, "custom_settings_parameters",
                                         static_cast<std::size_t>(i));
    const auto& parameter = proto.custom_settings_parameters(i);
    if (!parameter.has_identifier() || !parameter.has_value()) {
      errors.Add("identifier and value are needed");
      continue;
    }
    const std::uint32_t id = parameter.identifier().value();
    if (id > 0xffff) {
      errors.AddAt("identifier", base::Cat(id, " is out of range; write 0 to 65535"));
    } else if (id <= 6 || id == 8) {
      errors.AddAt("identifier",
                   base::Cat("setting ", id, " is not custom; use the field that is named for it"));
    } else if (!seen.insert(id).second) {
      errors.AddAt("identifier", base::Cat("setting ", id, " is given twice; keep one"));
    } else {
      out.custom_settings.emplace_back(static_cast<std::uint16_t>(id), parameter.value().value());
    }
  }
}

void ReadKeepalive(const corev3::KeepaliveSettings& proto, H2Keepalive& out,
                   base::FieldErrors& errors) {
  const base::FieldErrors::Scope scope(errors, "connection_keepalive");
  if (proto.has_interval()) {
    out.interval_ms = DurationMsAtLeast(proto.interval(), "interval", 1, errors);
  }
  if (proto.has_connection_idle_interval()) {
    out.idle_interval_ms =
        DurationMsAtLeast(proto.connection_idle_interval(), "connection_idle_interval", 1, errors);
  }
  if (proto.has_interval_jitter()) {
    const double percent = proto.interval_jitter().value();
    if (!(percent >= 0 && percent <= 100)) {
      errors.AddAt("interval_jitter", "no percentage; write {value: 15}");
    } else {
      out.jitter_percent = static_cast<std::uint32_t>(percent);
    }
  }
  if (!proto.has_timeout()) {
    errors.AddAt("timeout", "needed; write a duration, as 5s");
    return;
  }
  out.timeout_ms = DurationMsAtLeast(proto.timeout(), "timeout", 1, errors);
}

}  // namespace

void CompileHttp2Options(const Proto& proto, http::H2Options& options, H2Keepalive& keepalive,
                         base::FieldErrors& errors) {
  const base::FieldErrors::Scope scope(errors, "http2_protocol_options");
  ReadSizes(proto, options, errors);
  ReadGuards(proto, options, errors);
  ReadCustomSettings(proto, options, errors);
  options.allow_connect = proto.allow_connect();
  options.stream_error_on_invalid_message =
      proto.has_override_stream_error_on_invalid_http_message()
          ? proto.override_stream_error_on_invalid_http_message().value()
          : proto.stream_error_on_invalid_http_messaging();
  if (proto.has_connection_keepalive()) {
    ReadKeepalive(proto.connection_keepalive(), keepalive, errors);
  }
}

}  // namespace sluice::config
