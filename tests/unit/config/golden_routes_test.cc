// tests/golden/routes/<case>.yaml, a RouteConfiguration, against <case>.txt: the compiled table, or
// every error. SLUICE_UPDATE_GOLDEN=1 writes the latter anew.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/strings.h"
#include "tests/unit/config/print_route.h"
#include "tests/unit/config/route_samples.h"

namespace sluice::config {
namespace {

namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string CompileToText(const fs::path& yaml) {
  base::FieldErrors errors;
  envoy::config::route::v3::RouteConfiguration proto;
  YamlToProto(ReadFile(yaml), yaml.filename().string(), {}, &proto, errors);
  std::string out;
  CompileOptions options;
  options.on_no_effect = [&](std::string_view field) {
    base::Append(out, "no effect: ", field, "\n");
  };
  std::shared_ptr<const RouteTable> table;
  if (errors.empty()) table = CompileRouteTable(proto, options, errors);
  if (!errors.empty()) return base::Cat(out, "errors:\n", errors.Text("\n"), "\n");
  // The bytes must mean the same as the message.
  const auto from_bytes =
      CompileRouteTableBytes(proto.SerializeAsString(), table.get(), CompileOptions{}, errors);
  EXPECT_TRUE(from_bytes != nullptr && *from_bytes == *table) << yaml;
  return out + PrintRouteTable(*table);
}

TEST(Golden, Routes) {
  const bool update = std::getenv("SLUICE_UPDATE_GOLDEN") != nullptr;
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(SLUICE_SOURCE_DIR "/tests/golden/routes")) {
    if (entry.path().extension() != ".yaml") continue;
    ++cases;
    fs::path want = entry.path();
    want.replace_extension(".txt");
    const std::string got = CompileToText(entry.path());
    if (update) {
      std::ofstream(want, std::ios::binary) << got;
      continue;
    }
    EXPECT_EQ(got, ReadFile(want)) << want;
  }
  EXPECT_GE(cases, 12);
}

}  // namespace
}  // namespace sluice::config
