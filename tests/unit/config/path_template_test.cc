#include "config/path_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/field_errors.h"

namespace sluice::config {
namespace {

using testing::HasSubstr;

PathTemplate Compile(std::string_view text) {
  base::FieldErrors errors;
  auto compiled = CompilePathTemplate(text, errors);
  EXPECT_TRUE(compiled.has_value()) << errors.Text();
  return *compiled;
}

TEST(PathTemplate, MatchesAsEnvoyDoes) {
  struct Case {
    std::string_view pattern;
    std::string_view path;
    bool want;
  };
  const Case cases[] = {
      {"/api/*", "/api/x", true},
      {"/api/*", "/api/", false},
      {"/api/*", "/api/x/y", false},
      {"/api/**", "/api/x/y", true},
      {"/api/**", "/api/", true},
      {"/api/**", "/api", false},
      {"/{a}/of/{b}", "/1/of/2", true},
      {"/{a}/of/{b}", "/1/in/2", false},
      {"/{a=x/*}/y", "/x/1/y", true},
      {"/{a=x/*}/y", "/z/1/y", false},
      {"/{rest=**}", "/a/b.c", true},
      {"/a.b", "/axb", false},
      {"/v1/{name}.mp4", "/v1/film.mp4", true},
      {"/a/", "/a/", true},
      {"/a/", "/a", false},
      {"/", "/", true},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Compile(c.pattern).regex.FullMatch(c.path, 0), c.want) << c.pattern << " " << c.path;
  }
}

TEST(PathTemplate, RefusesWhatIsMalformed) {
  struct Case {
    std::string_view pattern;
    std::string_view want;
  };
  const std::string long_template = "/" + std::string(300, 'a');
  const Case cases[] = {
      {"", "does not begin with /"},
      {"a", "does not begin with /"},
      {"/a//b", "an empty segment"},
      {"/**/a*", "an operator behind **"},
      {"/**/{a}", "an operator behind **"},
      {"/{a", "lacks a }"},
      {"/{}", "has a variable ''"},
      {"/{1a}", "has a variable '1a'"},
      {"/{a=}", "stands for nothing"},
      {"/{a}/{a}", "twice"},
      {"/{a}/{b}/{c}/{d}/{e}/{f}", "more than 5"},
      {"/{abcdefghijklmnopq}", "has a variable"},
      {"/a b", "may not hold ' '"},
      {"/a?b", "may not hold '?'"},
      {"/{a=b{c}}", "may not hold"},
      {long_template, "longer than 256"},
  };
  for (const Case& c : cases) {
    base::FieldErrors errors;
    EXPECT_FALSE(CompilePathTemplate(c.pattern, errors).has_value()) << c.pattern;
    EXPECT_THAT(errors.Text(), HasSubstr(c.want)) << c.pattern;
  }
}

TEST(PathTemplate, RewritesWithItsVariables) {
  const PathTemplate from = Compile("/{country}/{lang=**}");
  base::FieldErrors errors;
  const auto to = CompileTemplateRewrite("/x/{lang}/of-{country}", from.variables, errors);
  ASSERT_TRUE(to.has_value()) << errors.Text();
  std::string path = "/de/a/b";
  EXPECT_TRUE(from.regex.ReplaceAll(path, *to, 0));
  EXPECT_EQ(path, "/x/a/b/of-de");

  for (const std::string_view bad : {"x", "/{other}", "/{lang", "/a//b", "/a\\1", "/a b"}) {
    EXPECT_FALSE(CompileTemplateRewrite(bad, from.variables, errors).has_value()) << bad;
  }
}

}  // namespace
}  // namespace sluice::config
