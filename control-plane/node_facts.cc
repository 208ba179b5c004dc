// What fleets may look at of a node.

#include <cmath>

#include "base/strings.h"
#include "envoy/config/core/v3/base.pb.h"
#include "google/protobuf/struct.pb.h"
#include "snapshot.h"

namespace sluice::control {
namespace {

constexpr std::size_t kTextBytesMax = 256;
constexpr std::size_t kMetadataBytesMax = 4096;

// "" for what is no plain value.
std::string TextOf(const google::protobuf::Value& value) {
  using Value = google::protobuf::Value;
  if (value.kind_case() == Value::kStringValue) return value.string_value();
  if (value.kind_case() == Value::kBoolValue) return value.bool_value() ? "true" : "false";
  if (value.kind_case() != Value::kNumberValue) return "";
  const double number = value.number_value();
  if (std::abs(number) > 1e15 || number != std::trunc(number)) return "";
  return base::Cat(static_cast<std::int64_t>(number));
}

}  // namespace

NodeFacts FactsOf(const envoy::config::core::v3::Node& node) {
  NodeFacts facts;
  if (node.cluster().size() <= kTextBytesMax) facts.cluster = node.cluster();
  std::size_t bytes = 0;
  for (const auto& [key, value] : node.metadata().fields()) {
    std::string text = TextOf(value);
    if (text.empty() || key.size() > kTextBytesMax || text.size() > kTextBytesMax) continue;
    bytes += key.size() + text.size();
    if (bytes > kMetadataBytesMax) break;
    facts.metadata.emplace(key, std::move(text));
  }
  return facts;
}

}  // namespace sluice::control
