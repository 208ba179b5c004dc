// Configuration text: no input breaks the reader, what it reads prints as JSON and reads back the
// same, and any bytes that parse as a message can be printed.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/field_errors.h"
#include "config/field_policy.h"
#include "config/proto_json.h"
#include "config/yaml_to_proto.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/stubs/logging.h"

namespace sluice::config {
namespace {

using envoy::config::bootstrap::v3::Bootstrap;

std::string Bytes(const Bootstrap& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

void CheckText(std::string_view input) {
  Bootstrap message;
  base::FieldErrors errors;
  LocationMap locations;
  YamlOptions options;
  options.locations = &locations;
  const bool ok = YamlToProto(input, "f", options, &message, errors);
  SLUICE_CHECK(ok == errors.empty());
  SLUICE_CHECK(errors.Text().size() < 1'000'000);
  for (const base::FieldError& error : errors.errors()) SLUICE_CHECK(!error.location.empty());
  if (!ok) return;

  // The reader reports what the field policy would.
  FieldReport report;
  CheckFields(message, errors, report);
  SLUICE_CHECK(errors.empty() && report.unknown.empty());

  const std::string json = ToJson(message);
  if (json.find("[redacted]") != std::string::npos) return;
  Bootstrap again;
  SLUICE_CHECK(YamlToProto(json, "f", {}, &again, errors));
  SLUICE_CHECK(Bytes(message) == Bytes(again));
}

void CheckWire(std::string_view input) {
  Bootstrap message;
  if (!message.ParseFromArray(input.data(), static_cast<int>(input.size()))) return;
  SLUICE_CHECK(!ToJson(message).empty());
  base::FieldErrors errors;
  FieldReport report;
  CheckFields(message, errors, report);
  SLUICE_CHECK(report.unknown.size() <= FieldReport::kUnknownMax);
}

}  // namespace
}  // namespace sluice::config

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Protobuf would log every string that is not UTF-8.
  static const bool silent = (google::protobuf::SetLogHandler(nullptr), true);
  static_cast<void>(silent);
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  sluice::config::CheckText(input);
  sluice::config::CheckWire(input);
  return 0;
}
