#include "control-plane/snapshot.h"

#include <set>

#include "apps_testing.h"

namespace sluice::control {
namespace {

TEST(TypeUrl, FindsEachTypeBack) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(Type::kCount); ++i) {
    const Type type = static_cast<Type>(i);
    Type found = Type::kCount;
    EXPECT_TRUE(FindType(TypeUrl(type), found));
    EXPECT_EQ(found, type);
  }
  Type found = Type::kCount;
  EXPECT_FALSE(FindType("type.googleapis.com/envoy.service.runtime.v3.Runtime", found));
  EXPECT_FALSE(FindType("", found));
  EXPECT_EQ(found, Type::kCount);
}

TEST(ContentHash, TellsNearTextsApart) {
  std::set<std::string> seen;
  std::string text;
  for (int i = 0; i < 300; ++i) {
    EXPECT_TRUE(seen.insert(ContentHash(text)).second);
    for (std::size_t bit = 0; bit < 8 && !text.empty(); ++bit) {
      std::string flipped = text;
      flipped[text.size() / 2] = static_cast<char>(flipped[text.size() / 2] ^ (1 << bit));
      EXPECT_TRUE(seen.insert(ContentHash(flipped)).second);
    }
    text += '\0';
  }
}

TEST(ContentHash, IsTheSameInEveryProcess) {
  EXPECT_EQ(ContentHash("sluice").size(), 32U);
  EXPECT_EQ(ContentHash("sluice"), ContentHash(std::string("slu") + "ice"));
}

TEST(Consistent, HoldsForTheSample) {
  const auto snapshot = Built(Parsed(SampleText()));
  ASSERT_NE(snapshot, nullptr);
  EXPECT_TRUE(Consistent(*snapshot).ok()) << Consistent(*snapshot);
}

TEST(Consistent, NoticesWhateverIsMissing) {
  const auto snapshot = Built(Parsed(SampleText()));
  ASSERT_NE(snapshot, nullptr);
  const auto without = [&](Type type, std::string_view name) {
    Snapshot copy = *snapshot;
    auto& resources = copy.Of(type).resources;
    const auto found = resources.find(name);
    EXPECT_NE(found, resources.end());
    if (found != resources.end()) resources.erase(found);
    return std::string(Consistent(copy).message());
  };
  EXPECT_EQ(without(Type::kEndpoints, "python"), "cluster 'python' has no endpoints");
  EXPECT_EQ(without(Type::kRoutes, "web"), "listener 'web' has no route table 'web'");
  EXPECT_EQ(without(Type::kClusters, "google"),
            "route 'google' of host '*' names a cluster that is not there: 'google'");
}

TEST(Consistent, LooksIntoSplits) {
  Snapshot copy =
      *Built(Parsed("listeners: {web: {port: 1}}\n"
                    "apps: {a: {url: http://a}, b: {url: http://b}}\n"
                    "hosts: {\"*\": {routes: [{path: /, split: {a: 1, b: 1}}]}}\n"));
  EXPECT_TRUE(Consistent(copy).ok());
  copy.Of(Type::kClusters).resources.erase("b");
  EXPECT_EQ(std::string(Consistent(copy).message()),
            "route 'root' of host '*' names a cluster that is not there: 'b'");
}

TEST(Consistent, NoticesBytesThatAreNone) {
  for (const Type type : {Type::kClusters, Type::kListeners, Type::kRoutes}) {
    Snapshot copy = *Built(Parsed(SampleText()));
    auto& resource = copy.Of(type).resources.begin()->second;
    resource = std::make_shared<Resource>(Resource{resource->name, "v", "\xff\xff"});
    EXPECT_FALSE(Consistent(copy).ok());
  }
}

}  // namespace
}  // namespace sluice::control
