// An apps file: whatever is read without an error prints as something that reads as the same, in
// YAML and in JSON, and compiles to resources that are consistent or to errors.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/field_errors.h"
#include "control-plane/apps.h"
#include "control-plane/snapshot.h"

namespace sluice::control {
namespace {

// Small inputs only: what is slow is no mistake of the reader's.
constexpr std::size_t kBytesMax = 4096;

void CheckPrinted(const AppsConfig& config, const std::string& text) {
  base::FieldErrors errors;
  SLUICE_CHECK(ParseApps(text, "printed", errors) == config);
  SLUICE_CHECK(errors.empty());
}

void Run(std::string_view text) {
  base::FieldErrors errors;
  AppsConfig config = ParseApps(text, "f", errors);
  if (!errors.empty()) {
    SLUICE_CHECK(!errors.Text().empty());
    return;
  }
  CheckPrinted(config, PrintAppsYaml(config));
  CheckPrinted(config, PrintAppsJson(config));
  for (auto& [name, app] : config.apps) app.ca_file.clear();  // No files of this machine.
  for (auto& [name, fleet] : config.fleets) {
    for (auto& [app_name, app] : fleet.parts.apps) app.ca_file.clear();
  }
  const auto snapshot = BuildSnapshot(config, nullptr, errors);
  if (snapshot == nullptr) {
    SLUICE_CHECK(!errors.empty());
    return;
  }
  SLUICE_CHECK(Consistent(*snapshot).ok());
  // Nothing changed, so nothing is new.
  base::FieldErrors none;
  const auto again = BuildSnapshot(config, snapshot.get(), none);
  SLUICE_CHECK(again != nullptr);
  for (std::size_t i = 0; i < snapshot->types.size(); ++i) {
    SLUICE_CHECK(again->types[i].version == snapshot->types[i].version);
  }
}

}  // namespace
}  // namespace sluice::control

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > sluice::control::kBytesMax) return 0;
  sluice::control::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
