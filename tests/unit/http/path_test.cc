#include "http/path.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"
#include "base/strings.h"

namespace sluice::http {
namespace {

using namespace std::string_view_literals;

constexpr PathVerdict kOk = PathVerdict::kOk;
constexpr PathVerdict kReject = PathVerdict::kReject;
constexpr PathVerdict kRedirect = PathVerdict::kRedirect;

PathOptions With(bool normalize, bool merge, EscapedSlashes slashes) {
  return {.normalize = normalize, .merge_slashes = merge, .escaped_slashes = slashes};
}

struct Case {
  std::string_view path;
  PathVerdict verdict;
  std::string_view want;  // kReject: the path stays as it is, whatever stands here.
};

void Check(const PathOptions& options, std::initializer_list<Case> cases) {
  for (const Case& test : cases) {
    std::string path(test.path);
    EXPECT_EQ(NormalizePath(path, options), test.verdict) << test.path;
    EXPECT_EQ(path, test.verdict == kReject ? test.path : test.want) << test.path;
  }
}

TEST(NormalizePath, ResolvesDotSegmentsAndUnreservedEscapes) {
  Check(With(true, false, EscapedSlashes::kKeep),
        {
            {"/", kOk, "/"},
            {"", kOk, ""},
            {"*", kOk, "*"},
            {"/a/b/", kOk, "/a/b/"},
            {"/public/../admin", kOk, "/admin"},
            {"/public/%2e%2e/admin", kOk, "/admin"},
            {"/public/.%2E/admin", kOk, "/admin"},
            {"/public/%2e./admin?x=/../y", kOk, "/admin?x=/../y"},
            {"/./admin", kOk, "/admin"},
            {"/admin/.", kOk, "/admin/"},
            {"/admin/..", kOk, "/"},
            {"/admin/../", kOk, "/"},
            {"/a/b/../../c", kOk, "/c"},
            {"/../../c", kOk, "/c"},
            {"/..", kOk, "/"},
            {"/.", kOk, "/"},
            {"/a//../b", kOk, "/a/b"},
            {"/a/./b/./c/.", kOk, "/a/b/c/"},
            {"/...", kOk, "/..."},
            {"/.../a", kOk, "/.../a"},
            {"/..a/.b", kOk, "/..a/.b"},
            {"/.well-known/x", kOk, "/.well-known/x"},
            {"//admin", kOk, "//admin"},
            {"/%61dmin", kOk, "/admin"},
            {"/%41%7e%2d%5F", kOk, "/A~-_"},
            {"/ADMIN", kOk, "/ADMIN"},
            {"/a%3fb%3dc", kOk, "/a%3Fb%3Dc"},
            {"/admin%23", kOk, "/admin%23"},
            {"/admin%3fx", kOk, "/admin%3Fx"},
            {"/a%20b", kOk, "/a%20b"},
            {"/admin%2f..", kOk, "/admin%2F.."},
            {"/public%2f..%2fadmin", kOk, "/public%2F..%2Fadmin"},
            {"/a%252e%252e/b", kOk, "/a%252e%252e/b"},
            {"/a/%252e%252e/b", kOk, "/a/%252e%252e/b"},
            {"/public\\..\\admin", kOk, "/admin"},
            {"/public%5c..%5cadmin", kOk, "/public%5C..%5Cadmin"},
            {"/%c3%a4", kOk, "/%C3%A4"},
            {"/\xc3\xa4", kOk, "/\xc3\xa4"},
            {"/a;b=c/d", kOk, "/a;b=c/d"},
            {"/a?%zz%00#", kReject, ""},
            {"/a?%zz%00", kOk, "/a?%zz%00"},
        });
}

TEST(NormalizePath, RefusesWhatServersReadDifferently) {
  Check(With(true, false, EscapedSlashes::kKeep), {
                                                      {"admin", kReject, ""},
                                                      {"?a", kReject, ""},
                                                      {"/admin#x", kReject, ""},
                                                      {"/admin?a#x", kReject, ""},
                                                      {"/admin%00", kReject, ""},
                                                      {"/a%", kReject, ""},
                                                      {"/a%4", kReject, ""},
                                                      {"/a%4?1", kReject, ""},
                                                      {"/a%zz", kReject, ""},
                                                      {"/%%36%31", kReject, ""},
                                                      {"/%c0%ae%c0%ae/", kReject, ""},
                                                      {"/%C1%9C", kReject, ""},
                                                      {"/public/..;/admin", kReject, ""},
                                                      {"/public/..;x=1/admin", kReject, ""},
                                                      {"/public/.;a/..;b/admin", kReject, ""},
                                                      {"/public/..%3b/admin", kReject, ""},
                                                      {"/public/%2e%2e%3Bx/admin", kReject, ""},
                                                      {"/public/..;", kReject, ""},
                                                  });
}

TEST(NormalizePath, MergesSlashes) {
  Check(With(true, true, EscapedSlashes::kKeep), {{"//admin", kOk, "/admin"},
                                                  {"/a///b//?c//d", kOk, "/a/b/?c//d"},
                                                  {"/a//../b", kOk, "/a/b"},
                                                  {"///", kOk, "/"}});
  Check(With(false, true, EscapedSlashes::kKeep),
        {{"//a/..//b", kOk, "/a/../b"}, {"/a%2f/%2e", kOk, "/a%2f/%2e"}});
}

TEST(NormalizePath, OffLeavesPathsAlone) {
  Check(With(false, false, EscapedSlashes::kKeep),
        {{"/a/../%61\\%5c%zz%00%c0%ae/..;/b//", kOk, "/a/../%61\\%5c%zz%00%c0%ae/..;/b//"},
         {"/a#b", kReject, ""},
         {"a", kReject, ""}});
}

TEST(NormalizePath, DoesWithEscapedSlashesAsTold) {
  Check(With(true, false, EscapedSlashes::kReject), {{"/a%2fb", kReject, ""},
                                                     {"/a%2Fb", kReject, ""},
                                                     {"/a%5Cb", kReject, ""},
                                                     {"/a%252fb", kOk, "/a%252fb"},
                                                     {"/a?%2f", kOk, "/a?%2f"}});
  Check(With(true, false, EscapedSlashes::kUnescape), {{"/public%2f..%2Fadmin", kOk, "/admin"},
                                                       {"/public%5c..%5Cadmin", kOk, "/admin"},
                                                       {"/a%252fb", kOk, "/a%252fb"},
                                                       {"/a/b", kOk, "/a/b"}});
  Check(With(true, true, EscapedSlashes::kRedirect),
        {{"/public%2f..%2Fadmin?x=%2f", kRedirect, "/admin?x=%2f"},
         {"/a%2f%2fb", kRedirect, "/a/b"},
         {"/a%61", kOk, "/aa"},
         {"/a%2f%00", kReject, ""}});
  Check(With(false, false, EscapedSlashes::kUnescape),
        {{"/a%2f..%5cb%61", kOk, "/a/..\\b%61"}, {"/%%32f", kOk, "/%%32f"}});
}

std::string RandomPath(base::Random& random) {
  static constexpr std::string_view kPieces[] = {
      "/", "/", "/", ".", "..",  "a", "b",   "%2e", "%2E", "%2f",   "%5C", "\\",   "%61", "%25",
      "%", "2", "e", ";", "%3b", "?", "%C0", "%AE", "%80", "admin", "%7e", "\xc3", "%00", "//"};
  std::string path = "/";
  for (std::uint64_t i = random.Next() % 12; i > 0; --i) {
    path += kPieces[random.Next() % std::size(kPieces)];
  }
  return path;
}

bool HasDotSegment(std::string_view path) {
  for (const std::string_view segment : base::Split(path.substr(0, path.find('?')), '/')) {
    if (segment == "." || segment == "..") return true;
  }
  return false;
}

// Whoever is asked, and how often: one answer. Else what was authorised is not what is fetched.
TEST(NormalizePath, IsIdempotentAndLeavesNoDotSegment) {
  const std::uint64_t seed = base::RandomSeed();
  SCOPED_TRACE(base::Cat("seed ", seed));
  base::FastRandom random(seed);
  int kept = 0;
  int changed = 0;
  for (int i = 0; i < 100000; ++i) {
    const PathOptions options = With(random.Next() % 4 != 0, random.Next() % 2 == 0,
                                     static_cast<EscapedSlashes>(random.Next() % 4));
    const std::string original = RandomPath(random);
    std::string once = original;
    const PathVerdict verdict = NormalizePath(once, options);
    if (verdict == kReject) {
      ASSERT_EQ(once, original);
      continue;
    }
    ++kept;
    changed += once != original ? 1 : 0;
    ASSERT_EQ(once.front(), '/') << original;
    ASSERT_LE(once.size(), original.size());
    std::string twice = once;
    ASSERT_EQ(NormalizePath(twice, options), kOk) << original << " -> " << once;
    ASSERT_EQ(twice, once) << original;
    if (options.normalize) {
      ASSERT_FALSE(HasDotSegment(once)) << original << " -> " << once;
    }
    // The query travels untouched.
    const std::size_t query = original.find('?');
    if (query != std::string::npos) {
      ASSERT_TRUE(once.ends_with(original.substr(query))) << original << " -> " << once;
    }
  }
  EXPECT_GT(kept, 20000);
  EXPECT_GT(changed, 10000);
}

}  // namespace
}  // namespace sluice::http
