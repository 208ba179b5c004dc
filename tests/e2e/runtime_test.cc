// Layers of the runtime in a process: the admin port sets keys, a directory is swapped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/strings.h"
#include "harness/config_builder.h"
#include "harness/eventually.h"
#include "harness/proxy.h"

namespace sluice::harness {
namespace {

std::string Tight(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
  return text;
}

// Whether `key` ends up as `value`.
bool Shows(Proxy& proxy, std::string_view key, std::string_view value) {
  const std::string want = base::Cat("\"", key, "\":{\"final_value\":\"", value, "\"");
  return Tight(proxy.Admin("GET", "/runtime").body).find(want) != std::string::npos;
}

TEST(Runtime, AdminOverridesAndForgets) {
  Proxy proxy(base::Cat(StaticBootstrap(Listener("in").Add(DirectRoute("/", 200, "ok")))));
  EXPECT_EQ(*proxy.Stat("runtime.num_layers"), 1U);
  EXPECT_EQ(*proxy.Stat("runtime.num_keys"), 0U);
  EXPECT_EQ(proxy.Admin("POST", "/runtime_modify?a.b=5&c=true").body, "OK\n");
  EXPECT_TRUE(Eventually([&] { return Shows(proxy, "a.b", "5") && Shows(proxy, "c", "true"); }));
  EXPECT_EQ(*proxy.Stat("runtime.num_keys"), 2U);
  EXPECT_EQ(*proxy.Stat("runtime.admin_overrides_active"), 1U);
  EXPECT_EQ(proxy.Admin("POST", "/runtime_modify?a.b=&c=").status, 200U);
  EXPECT_TRUE(Eventually([&] { return *proxy.Stat("runtime.num_keys") == 0; }));
  EXPECT_EQ(*proxy.Stat("runtime.admin_overrides_active"), 0U);
  EXPECT_GE(*proxy.Stat("runtime.load_success"), 3U);
  EXPECT_EQ(proxy.Admin("GET", "/runtime_modify?a=1").status, 405U);
}

TEST(Runtime, ADirectoryIsReadAndReadAgainWhenItsLinkIsSwapped) {
  const std::string root = MakeDirectory();
  namespace fs = std::filesystem;
  fs::create_directories(root + "/v1/app/nested");
  fs::create_directories(root + "/v2/app");
  WriteFile(root + "/v1/app/limit", "# of requests\n5\n");
  WriteFile(root + "/v1/app/nested/on", "true");
  WriteFile(root + "/v2/app/limit", "6");
  fs::create_directory_symlink(root + "/v1", root + "/current");
  const std::string layers = base::Cat(
      "layered_runtime:\n  layers:\n"
      "  - { name: fixed, static_layer: { limit: 1, other: 2 } }\n"
      "  - { name: gone, disk_layer: { symlink_root: ",
      root,
      "/current, subdirectory: none } }\n  - { name: disk, disk_layer: { symlink_root: ", root,
      "/current, subdirectory: app } }\n");
  Proxy proxy(
      base::Cat(YamlBootstrap({.virtual_hosts = "- { name: all, domains: [\"*\"], routes: [ "
                                                "{ match: { prefix: / }, direct_response: { "
                                                "status: 200 } } ] }\n",
                               .clusters = {},
                               .manager = "",
                               .filters = "",
                               .table = ""}),
                layers));
  EXPECT_TRUE(Shows(proxy, "limit", "5"));
  EXPECT_TRUE(Shows(proxy, "nested.on", "true"));
  EXPECT_TRUE(Shows(proxy, "other", "2"));
  EXPECT_EQ(*proxy.Stat("runtime.num_layers"), 3U);
  EXPECT_EQ(proxy.Admin("POST", "/runtime_modify?a=1").status, 503U) << "no admin layer";
  fs::create_directory_symlink(root + "/v2", root + "/next");
  fs::rename(root + "/next", root + "/current");
  EXPECT_TRUE(Eventually([&] { return Shows(proxy, "limit", "6"); }));
  EXPECT_FALSE(Shows(proxy, "nested.on", "true"));
  EXPECT_GE(*proxy.Stat("runtime.override_dir_not_exists"), 2U);
}

TEST(Runtime, TwoDirectoriesCountAndAnUnreadableOneKeepsWhatItHad) {
  const std::string root = MakeDirectory();
  namespace fs = std::filesystem;
  fs::create_directories(root + "/v1/app");
  fs::create_directories(root + "/v1/more");
  fs::create_directories(root + "/v2/app");
  fs::create_directories(root + "/v2/more");
  WriteFile(root + "/v1/app/key", "1");
  WriteFile(root + "/v2/app/key", std::string(100'000, 'x'));  // Too much for a value.
  fs::create_directory_symlink(root + "/v1", root + "/current");
  const std::string layers = base::Cat(
      "layered_runtime:\n  layers:\n  - { name: a, disk_layer: { symlink_root: ", root,
      "/current, subdirectory: app } }\n  - { name: b, disk_layer: { symlink_root: ", root,
      "/current, subdirectory: more } }\n");
  Proxy proxy(
      base::Cat(YamlBootstrap({.virtual_hosts = "- { name: all, domains: [\"*\"], routes: [ "
                                                "{ match: { prefix: / }, direct_response: { "
                                                "status: 200 } } ] }\n",
                               .clusters = {},
                               .manager = "",
                               .filters = "",
                               .table = ""}),
                layers));
  EXPECT_GE(*proxy.Stat("runtime.override_dir_exists"), 1U);
  fs::create_directory_symlink(root + "/v2", root + "/next");
  fs::rename(root + "/next", root + "/current");
  EXPECT_TRUE(proxy.WaitForStat("runtime.load_error", 1));
  EXPECT_TRUE(Shows(proxy, "key", "1"));
}

}  // namespace
}  // namespace sluice::harness
