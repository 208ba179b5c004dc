// The table of extensions, and the table of defaults.

#include "config/extensions.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/strings.h"
#include "config/defaults.h"
#include "config/type_registry.h"
#include "google/protobuf/any.pb.h"
#include "tests/unit/config/compile_testing.h"

namespace sluice::config {
namespace {

google::protobuf::Any AnyOf(std::string_view type) {
  google::protobuf::Any any;
  any.set_type_url(base::Cat("type.googleapis.com/", type));
  return any;
}

// Which alternative of Extension::compile a category's callers take out.
std::size_t CompileIndex(ExtensionCategory category) {
  switch (category) {
    case ExtensionCategory::kNetworkFilter:
    case ExtensionCategory::kDownstreamTransportSocket:
      return 0;
    case ExtensionCategory::kListenerFilter:
      return 4;
    case ExtensionCategory::kHttpFilter:
      return 1;
    case ExtensionCategory::kPerRoute:
      return 2;
    case ExtensionCategory::kAccessLogger:
      return 3;
    case ExtensionCategory::kUpstreamTransportSocket:
    case ExtensionCategory::kProtocolOptions:
    case ExtensionCategory::kLoadBalancer:
      return 5;
  }
  return 99;
}

TEST(Extensions, EveryRowIsOfADeclaredTypeAndItsCategorysKind) {
  ASSERT_GE(Extensions().size(), 11U);
  for (const Extension& extension : Extensions()) {
    EXPECT_NE(FindMessageType(AnyOf(extension.type).type_url()), nullptr) << extension.type;
    EXPECT_EQ(extension.compile.index(), CompileIndex(extension.category)) << extension.type;
    EXPECT_EQ(FindExtension(extension.category, AnyOf(extension.type)), &extension)
        << extension.type << " twice in " << CategoryName(extension.category);
    EXPECT_FALSE(extension.name.empty());
  }
}

TEST(Extensions, AreFoundInTheirCategoryOnly) {
  const std::string_view router = "envoy.extensions.filters.http.router.v3.Router";
  EXPECT_NE(FindExtension(ExtensionCategory::kHttpFilter, AnyOf(router)), nullptr);
  EXPECT_EQ(FindExtension(ExtensionCategory::kNetworkFilter, AnyOf(router)), nullptr);
  EXPECT_EQ(FindExtension(ExtensionCategory::kPerRoute, AnyOf(router)), nullptr);
  EXPECT_EQ(FindExtension(ExtensionCategory::kHttpFilter, {}), nullptr);
  EXPECT_EQ(FindExtension(ExtensionCategory::kHttpFilter, AnyOf("")), nullptr);
  EXPECT_EQ(FindExtension(ExtensionCategory::kHttpFilter, AnyOf(base::Cat(router, "x"))), nullptr);
  // Without a slash it is no type URL.
  google::protobuf::Any bare;
  bare.set_type_url(std::string(router));
  EXPECT_EQ(FindExtension(ExtensionCategory::kHttpFilter, bare), nullptr);
}

TEST(Extensions, UnknownOnesAreNamedWithWhatIsSupported) {
  base::FieldErrors errors;
  AddUnknownExtension(ExtensionCategory::kHttpFilter, "my.rbac", AnyOf("x.RBAC"), errors);
  AddUnknownExtension(ExtensionCategory::kListenerFilter, "a\nb", AnyOf("x.Y"), errors);
  EXPECT_THAT(
      Lines(errors),
      testing::ElementsAre(
          ": Didn't find a registered implementation for 'my.rbac' with type URL: "
          "'type.googleapis.com/x.RBAC'; use an @type that is supported here: "
          "envoy.extensions.filters.http.cors.v3.Cors, "
          "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation, "
          "envoy.extensions.filters.http.router.v3.Router",
          testing::AllOf(testing::HasSubstr("supported here: envoy.extensions.filters.listener."),
                         testing::Not(testing::HasSubstr("\n")))));
}

// SLUICE_UPDATE_GOLDEN=1 rewrites the file.
TEST(Defaults, DocumentIsPrintedFromTheCode) {
  const std::string path = SLUICE_SOURCE_DIR "/docs/defaults.md";
  const std::string want = DefaultsDocument();
  if (std::getenv("SLUICE_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << want;
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), want) << "run this test with SLUICE_UPDATE_GOLDEN=1";
}

TEST(Defaults, EveryDifferenceHasAReasonAndNothingElse) {
  int differences = 0;
  const std::string document = DefaultsDocument();
  for (const std::string_view line : base::Split(document, '\n')) {
    if (!line.starts_with("| `")) continue;
    const auto cells = base::Split(line, '|');
    ASSERT_EQ(cells.size(), 6U) << line;
    const bool same = base::TrimOws(cells[3]) == "same";
    EXPECT_EQ(same, base::TrimOws(cells[4]).empty()) << line;
    if (!same) ++differences;
  }
  EXPECT_EQ(differences, 12);
}

// What decisions promise.
TEST(Defaults, SafeOnes) {
  const HttpConnectionManager hcm = DefaultHttpConnectionManager(Defaults::kSafe);
  EXPECT_TRUE(hcm.path.normalize);
  EXPECT_EQ(hcm.request_headers_timeout_ms, 10'000U);
  EXPECT_EQ(hcm.underscores, HttpConnectionManager::Underscores::kReject);
  EXPECT_TRUE(hcm.h1.accept_http_10);
  EXPECT_EQ(hcm.tunnel_idle_timeout_ms, 3'600'000U);
  EXPECT_TRUE(DefaultUpstreamTls(Defaults::kSafe).verify);
  const HttpConnectionManager envoy = DefaultHttpConnectionManager(Defaults::kEnvoy);
  EXPECT_FALSE(envoy.path.normalize);
  EXPECT_EQ(envoy.request_headers_timeout_ms, 0U);
  EXPECT_EQ(envoy.underscores, HttpConnectionManager::Underscores::kAllow);
  EXPECT_FALSE(envoy.h1.accept_http_10);
  EXPECT_EQ(envoy.tunnel_idle_timeout_ms, 300'000U);
  EXPECT_FALSE(DefaultUpstreamTls(Defaults::kEnvoy).verify);
  EXPECT_EQ(DefaultListener(Defaults::kEnvoy).connection_buffer_limit_bytes, 1U << 20);
}

}  // namespace
}  // namespace sluice::config
