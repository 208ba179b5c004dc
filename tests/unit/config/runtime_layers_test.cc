// Layers of the runtime: what the bootstrap says, what a value's text means, which layer wins.
#include "config/runtime_layers.h"

#include "config/compile.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/service/runtime/v3/rtds.pb.h"
#include "tests/unit/config/compile_testing.h"
#include "tests/unit/config/yaml_testing.h"

namespace sluice::config {
namespace {

using envoy::config::bootstrap::v3::LayeredRuntime;
using Kind = RuntimeLayerConfig::Kind;

std::vector<RuntimeLayerConfig> Layers(std::string_view yaml, base::FieldErrors& errors) {
  return CompileLayeredRuntime(Read<LayeredRuntime>(yaml), "edge", {}, errors);
}

TEST(CompileRuntime, EveryKindOfLayer) {
  base::FieldErrors errors;
  const auto layers = Layers(R"(layers:
- name: one
  static_layer:
    a: { b: 5, c: true }
    fraction: { numerator: 7, denominator: TEN_THOUSAND }
    text: hello
    digits: "12"
    big: 4294967295
- name: two
  disk_layer: { symlink_root: /srv/current, subdirectory: runtime, append_service_cluster: true }
- name: three
  rtds_layer: { name: remote, rtds_config: { ads: {}, initial_fetch_timeout: 3s } }
- name: four
  admin_layer: {}
)",
                             errors);
  EXPECT_EQ(errors.Text(), "");
  ASSERT_EQ(layers.size(), 4U);
  const Runtime::Values& values = layers[0].values;
  ASSERT_EQ(values.size(), 6U);
  EXPECT_EQ(values.at("a.b").number, 5);
  EXPECT_TRUE(values.at("a.c").boolean);
  EXPECT_TRUE(values.at("fraction").is_fraction);
  EXPECT_EQ(values.at("fraction").numerator, 7U);
  EXPECT_EQ(values.at("fraction").denominator, 10'000U);
  EXPECT_EQ(values.at("text").text, "hello");
  EXPECT_EQ(values.at("digits").number, 12);
  EXPECT_EQ(values.at("big").text, "4294967295");
  EXPECT_EQ(layers[1].kind, Kind::kDisk);
  EXPECT_EQ(layers[1].directory, "/srv/current/runtime/edge");
  EXPECT_EQ(layers[2].kind, Kind::kRtds);
  EXPECT_EQ(layers[2].rtds_name, "remote");
  EXPECT_EQ(layers[2].fetch_timeout_ms, 3000U);
  EXPECT_EQ(layers[3].kind, Kind::kAdmin);
}

TEST(CompileRuntime, WhatIsWrongIsNamed) {
  const BadCase cases[] = {
      {"no kind", "layers: [{name: a}]", {"layers[0]: says no kind"}},
      {"no name", "layers: [{admin_layer: {}}]", {"layers[0].name: needed"}},
      {"two admin layers",
       "layers: [{name: a, admin_layer: {}}, {name: b, admin_layer: {}}]",
       {"layers[1].admin_layer: Too many admin layers"}},
      {"a list",
       "layers: [{name: a, static_layer: {k: [1]}}]",
       {"layers[0].static_layer[\"k\"]: is no runtime value; write"}},
      {"a bad fraction",
       "layers: [{name: a, static_layer: {k: {numerator: many}}}]",
       {"layers[0].static_layer[\"k\"]: is no fraction; write"}},
      {"no root", "layers: [{name: a, disk_layer: {}}]", {"layers[0].disk_layer.symlink_root: "}},
      {"no resource",
       "layers: [{name: a, rtds_layer: {rtds_config: {ads: {}}}}]",
       {"layers[0].rtds_layer.name: needed; write"}},
  };
  for (const BadCase& bad : cases) {
    base::FieldErrors errors;
    Layers(bad.input, errors);
    ExpectErrors(bad, errors);
  }
  base::FieldErrors errors;
  Layers("layers: [{name: a, admin_layer: {}}, {name: a, static_layer: {}}]", errors);
  EXPECT_EQ(errors.Text(), "layers[1].name: Duplicate layer name: a");
}

TEST(CompileRuntime, ATextIsWhatItLooksLike) {
  EXPECT_TRUE(ParseRuntimeText("5").is_number);
  EXPECT_EQ(ParseRuntimeText("-2.5").number, -2.5);
  EXPECT_TRUE(ParseRuntimeText("TRUE").boolean);
  EXPECT_TRUE(ParseRuntimeText("false").is_boolean);
  EXPECT_FALSE(ParseRuntimeText("false").boolean);
  const RuntimeValue fraction = ParseRuntimeText("{numerator: 3, denominator: MILLION}");
  EXPECT_TRUE(fraction.is_fraction);
  EXPECT_EQ(fraction.denominator, 1'000'000U);
  for (const std::string_view text : {"", "5x", "nan", "inf", "numerator", "hello world"}) {
    const RuntimeValue value = ParseRuntimeText(text);
    EXPECT_FALSE(value.is_number || value.is_boolean || value.is_fraction) << text;
    EXPECT_EQ(value.text, text);
  }
}

TEST(CompileRuntime, FilesMayHaveCommentsAndEndInALine) {
  EXPECT_EQ(RuntimeFileText("# why\n5\n\n"), "5");
  EXPECT_EQ(RuntimeFileText("a\nb \n"), "a\nb");
  EXPECT_EQ(RuntimeFileText("#"), "");
}

TEST(CompileRuntime, ALaterLayerWins) {
  const auto layer = [](std::string_view text) {
    return std::make_shared<const Runtime::Values>(
        Runtime::Values{{"both", ParseRuntimeText(text)}, {std::string(text), {}}});
  };
  const std::shared_ptr<const Runtime::Values> layers[] = {layer("1"), nullptr, layer("2")};
  const Runtime::Values merged = MergeRuntime(layers);
  EXPECT_EQ(merged.at("both").number, 2);
  EXPECT_EQ(merged.size(), 3U);
}

TEST(CompileRuntime, AResourceIsALayer) {
  base::FieldErrors errors;
  const auto layer = CompileRuntimeLayer(
      Read<envoy::service::runtime::v3::Runtime>("{name: r, layer: {a: {b: 1}}}"), {}, errors);
  EXPECT_EQ(errors.Text(), "");
  EXPECT_EQ(layer->name, "r");
  EXPECT_EQ(layer->values.at("a.b").number, 1);
}

}  // namespace
}  // namespace sluice::config
