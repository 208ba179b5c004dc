#include "xds/references.h"

#include <gtest/gtest.h>

namespace sluice::xds {
namespace {

constexpr auto kRoutes = ResourceType::kRoutes;
using Names = std::set<std::string>;
using Dropped = std::vector<std::pair<ResourceType, std::string>>;

Reference Ref(std::string name, ResourceType type = kRoutes) { return {type, {std::move(name)}}; }

TEST(References, AreKeptUntilTheLastOwnerLetsGo) {
  References references;
  references.Set("a", {Ref("r"), Ref("s"), Ref("r")});
  references.Set("b", {Ref("r")});
  EXPECT_EQ(references.Names(kRoutes), (Names{"r", "s"}));
  EXPECT_EQ(references.Owners(kRoutes, "r"), (Names{"a", "b"}));
  references.Set("a", {});
  EXPECT_EQ(references.Names(kRoutes), Names{"r"});
  EXPECT_EQ(references.TakeDropped(), (Dropped{{kRoutes, "s"}}));
  references.Set("b", {Ref("r", ResourceType::kSecret)});
  EXPECT_FALSE(references.Contains(kRoutes, "r"));
  EXPECT_TRUE(references.Contains(ResourceType::kSecret, "r"));
  EXPECT_EQ(references.TakeDropped(), (Dropped{{kRoutes, "r"}}));
  EXPECT_TRUE(references.TakeDropped().empty());
}

TEST(References, WhatComesBackWasNotDropped) {
  References references;
  references.Set("a", {Ref("r")});
  references.Set("a", {});
  references.Set("b", {Ref("r")});
  EXPECT_TRUE(references.TakeDropped().empty());
}

TEST(References, TheGenerationMovesOnlyWithTheNames) {
  References references;
  references.Set("a", {Ref("r")});
  const std::uint64_t before = references.generation(kRoutes);
  references.Set("a", {Ref("r")});
  references.Set("b", {Ref("r")});
  references.Set("a", {});
  EXPECT_EQ(references.generation(kRoutes), before);
  references.Set("b", {});
  EXPECT_NE(references.generation(kRoutes), before);
}

TEST(References, AnotherSourceIsNews) {
  References references;
  references.Set("a", {Ref("r")});
  const std::uint64_t before = references.generation(kRoutes);
  Reference moved = Ref("r");
  moved.want.stats = "elsewhere.";
  references.Set("a", {moved});
  EXPECT_NE(references.generation(kRoutes), before);
  EXPECT_EQ(references.Wants(kRoutes), std::vector<Want>{moved.want});
  EXPECT_TRUE(references.TakeDropped().empty());
}

}  // namespace
}  // namespace sluice::xds
