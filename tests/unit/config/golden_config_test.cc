// tests/golden/{listeners,clusters,bootstrap}/<case>.yaml against <case>.txt: the compiled value,
// or every error with its line. A first line "# defaults: envoy" compiles with Envoy's defaults.
// SLUICE_UPDATE_GOLDEN=1 writes the texts anew.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/bootstrap.h"
#include "config/compile.h"
#include "config/yaml_to_proto.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "tests/unit/config/print_config.h"

namespace sluice::config {
namespace {

namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Source {
  std::string text;
  std::string file;
  CompileOptions options;
};

using ToText = std::function<std::string(const Source& source, base::FieldErrors& errors)>;

void RunGolden(std::string_view folder, const ToText& to_text, int least) {
  const bool update = std::getenv("SLUICE_UPDATE_GOLDEN") != nullptr;
  int cases = 0;
  const fs::path root = SLUICE_SOURCE_DIR "/tests/golden";
  for (const auto& entry : fs::directory_iterator(root / folder)) {
    if (entry.path().extension() != ".yaml") continue;
    ++cases;
    Source source{ReadFile(entry.path()), entry.path().filename().string(), {}};
    if (source.text.starts_with("# defaults: envoy\n")) source.options.defaults = Defaults::kEnvoy;
    std::string told;
    source.options.on_no_effect = [&told](std::string_view field) {
      base::Append(told, "no effect: ", field, "\n");
    };
    base::FieldErrors errors;
    std::string got = to_text(source, errors);
    if (!errors.empty()) got = base::Cat("errors:\n", errors.Text("\n"), "\n");
    got = told + got;
    fs::path want = entry.path();
    want.replace_extension(".txt");
    if (update) std::ofstream(want, std::ios::binary) << got;
    EXPECT_EQ(got, ReadFile(want)) << want;
  }
  EXPECT_GE(cases, least);
}

// A resource by itself, as from a control plane.
template <typename Proto, typename Compile, typename Print>
ToText Resource(Compile compile, Print print) {
  return [compile, print](const Source& source, base::FieldErrors& errors) -> std::string {
    Proto proto;
    LocationMap locations;
    YamlOptions yaml;
    yaml.locations = &locations;
    if (!YamlToProto(source.text, source.file, yaml, &proto, errors)) return "";
    base::FieldErrors compiling;
    const auto value = compile(proto, source.options, compiling);
    AddWithLocations(compiling, source.file, locations, errors);
    return compiling.empty() ? print(*value) : "";
  };
}

TEST(Golden, Listeners) {
  RunGolden("listeners",
            Resource<envoy::config::listener::v3::Listener>(&CompileListener, &PrintListener), 8);
}

TEST(Golden, Clusters) {
  RunGolden("clusters",
            Resource<envoy::config::cluster::v3::Cluster>(&CompileCluster, &PrintCluster), 8);
}

TEST(Golden, Bootstrap) {
  RunGolden(
      "bootstrap",
      [](const Source& source, base::FieldErrors& errors) -> std::string {
        const auto bootstrap = LoadBootstrap(source.text, source.file, {}, source.options, errors);
        return bootstrap == nullptr ? "" : PrintBootstrap(*bootstrap);
      },
      5);
}

}  // namespace
}  // namespace sluice::config
