// Apps to xDS: goldens of what is sent, and what proxies make of it.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <variant>

#include "apps_testing.h"
#include "base/strings.h"
#include "config/compile.h"
#include "config/proto_json.h"
#include "control-plane/build_resources.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "gmock/gmock.h"
#include "http/head.h"
#include "tests/harness/certificates.h"

namespace sluice::control {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// ---- goldens: tests/golden/apps/<case>.yaml against <case>.txt; SLUICE_UPDATE_GOLDEN=1 writes
// ------

std::string Describe(const Snapshot& snapshot) {
  std::string out;
  for (const Type type : {Type::kClusters, Type::kEndpoints, Type::kListeners, Type::kRoutes}) {
    for (const auto& [name, resource] : snapshot.Of(type).resources) {
      base::Append(out, "# ", TypeUrl(type), " ", name, "\n");
      config::AppendAnyJson(TypeUrl(type), resource->bytes, {}, out);
      out += "\n";
    }
  }
  for (const auto& [name, resource] : snapshot.Of(Type::kVirtualHosts).resources) {
    base::Append(out, "# ", TypeUrl(Type::kVirtualHosts), " ", name, "\n");
  }
  return out;
}

TEST(BuildSnapshot, AgreesWithTheGoldens) {
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(SLUICE_SOURCE_DIR "/tests/golden/apps")) {
    if (entry.path().extension() != ".yaml") continue;
    ++cases;
    base::FieldErrors errors;
    const AppsConfig config =
        ParseApps(ReadText(entry.path()), entry.path().filename().string(), errors);
    std::string got;
    if (errors.empty()) {
      const auto snapshot = BuildSnapshot(config, nullptr, errors);
      if (snapshot != nullptr) got = Describe(*snapshot);
    }
    if (!errors.empty()) got = base::Cat("errors:\n", errors.Text("\n"), "\n");
    fs::path want = entry.path();
    want.replace_extension(".txt");
    if (std::getenv("SLUICE_UPDATE_GOLDEN") != nullptr) {
      std::ofstream(want, std::ios::binary) << got;
    }
    EXPECT_EQ(got, ReadText(want)) << entry.path();
  }
  EXPECT_GE(cases, 4);
}

TEST(BuildSnapshot, TakesTheExample) {
  const auto snapshot = Built(Parsed(ReadText(SLUICE_SOURCE_DIR "/examples/apps.yaml")));
  ASSERT_NE(snapshot, nullptr);
  EXPECT_TRUE(Consistent(*snapshot).ok());
}

// ---- what a proxy makes of it
// --------------------------------------------------------------------

struct Answer {
  std::string route;  // "" when none matches.
  std::string cluster;
  std::string path;  // As it goes upstream.
  std::string host;  // Rewritten, or "".
  std::string location;
  int status = 0;
};

class Proxy {
 public:
  explicit Proxy(std::string_view routes) {
    const auto snapshot =
        Built(Parsed(base::Cat("listeners: {web: {port: 80}}\n"
                               "apps: {a: {url: http://127.0.0.1:1}, b: {url: http://127.0.0.1:2},"
                               " s: {url: https://s.example.com}}\nhosts:\n",
                               routes)));
    if (snapshot == nullptr) return;
    EXPECT_TRUE(Consistent(*snapshot).ok());
    base::FieldErrors errors;
    config::CompileOptions options;
    table_ = config::CompileRouteTableBytes(snapshot->Of(Type::kRoutes).resources.at("web")->bytes,
                                            nullptr, options, errors);
    EXPECT_EQ(errors.Text(), "");
  }

  Answer Get(std::string_view path, std::string_view authority = "x.example.com",
             std::string_view method = "GET") const {
    http::RequestHead head;
    head.path = path;
    head.authority = authority;
    head.method_text = method;
    head.method = http::FindMethod(method);
    head.scheme = "http";
    Answer answer;
    if (table_ == nullptr) return answer;
    const auto found = config::FindRoute(*table_, head, config::Regex::kNoWorker);
    if (found.route == nullptr) return answer;
    answer.route = found.route->name;
    if (const auto* forward = std::get_if<config::ForwardAction>(&found.route->action)) {
      answer.cluster = forward->cluster;
      answer.host = forward->host_rewrite;
      config::RewritePath(*found.route, head, config::Regex::kNoWorker);
      answer.path = head.path;
    } else if (const auto* direct = std::get_if<config::DirectResponse>(&found.route->action)) {
      answer.status = direct->status;
    } else {
      answer.status = std::get<config::RedirectAction>(found.route->action).status;
      answer.location = config::RedirectLocation(*found.route, head, config::Regex::kNoWorker);
    }
    return answer;
  }

  const config::RouteTable& table() const { return *table_; }

 private:
  std::shared_ptr<const config::RouteTable> table_;
};

TEST(Routes, MatchPathsAsTheFileSays) {
  const Proxy proxy(
      "  \"*\":\n"
      "    routes:\n"
      "      - {path: /health, app: a}\n"
      "      - {prefix: /node, app: a}\n"
      "      - {exact: /old, app: a}\n"
      "      - {regex: \"/v[0-9]+/.*\", app: a}\n"
      "      - {path: /m, methods: [PUT, M-SEARCH], app: a}\n"
      "      - {path: /m, method: POST, app: a, id: post}\n");
  struct Case {
    std::string_view path, route;
  };
  for (const Case& c : {Case{"/health", "health"},
                        {"/health/x", "health"},
                        {"/healthy", ""},
                        {"/health?x", "health"},
                        {"/node", "prefix-node"},
                        {"/nodes/x", "prefix-node"},
                        {"/old", "exact-old"},
                        {"/old/x", ""},
                        {"/v12/x", "regex-"},
                        {"/v/x", ""},
                        {"/", ""},
                        {"/m", ""}}) {
    EXPECT_TRUE(proxy.Get(c.path).route.starts_with(c.route)) << c.path;
    EXPECT_EQ(proxy.Get(c.path).route.empty(), c.route.empty()) << c.path;
  }
  EXPECT_EQ(proxy.Get("/m", "x", "PUT").route, "m");
  EXPECT_EQ(proxy.Get("/m", "x", "M-SEARCH").route, "m");
  EXPECT_EQ(proxy.Get("/m", "x", "MXSEARCH").route, "");
  EXPECT_EQ(proxy.Get("/m", "x", "POST").route, "post");
}

TEST(Routes, ServeTheMostSpecificHostOnAnyPort) {
  const Proxy proxy(
      "  \"*\": {routes: {path: /, app: a, id: any}}\n"
      "  \"*.example.com\": {routes: {path: /, app: a, id: suffix}}\n"
      "  b.example.com: {routes: {path: /, app: a, id: name}}\n"
      "  \"[::1]\": {routes: {path: /, app: a, id: v6}}\n");
  EXPECT_EQ(proxy.Get("/", "b.example.com").route, "name");
  EXPECT_EQ(proxy.Get("/", "B.Example.com:8000").route, "name");
  EXPECT_EQ(proxy.Get("/", "c.example.com:1").route, "suffix");
  EXPECT_EQ(proxy.Get("/", "example.com").route, "any");
  EXPECT_EQ(proxy.Get("/", "[::1]:80").route, "v6");
}

TEST(Routes, RewritePathsWithoutDoubleSlashes) {
  struct Case {
    std::string_view route, in, out;
  };
  for (const Case& c : {
           Case{"path: /google, strip_prefix: true", "/google", "/"},
           {"path: /google, strip_prefix: true", "/google/", "/"},
           {"path: /google, strip_prefix: true", "/google/a", "/a"},
           {"path: /google, strip_prefix: true", "/google?q=1", "/?q=1"},
           {"path: /google, strip_prefix: true", "/google/a/?q=/google", "/a/?q=/google"},
           {"path: /google, strip_prefix: true", "/google/google/a", "/google/a"},
           {"path: /a.b, strip_prefix: true", "/a.b/c", "/c"},
           {"path: \"/a+(b\", strip_prefix: true", "/a+(b/c", "/c"},
           {"path: /a/b, strip_prefix: true", "/a/b/c", "/c"},
           {"prefix: /n, strip_prefix: true", "/n", "/"},
           {"prefix: /n, strip_prefix: true", "/n/x", "/x"},
           {"prefix: /n, strip_prefix: true", "/nx?y", "/x?y"},
           {"prefix: /n/, strip_prefix: true", "/n/x", "/x"},
           {"exact: /e, strip_prefix: true", "/e?q", "/?q"},
           {"path: /x, rewrite: /y", "/x", "/y"},
           {"path: /x, rewrite: /y", "/x/z?q", "/y/z?q"},
           {"path: /x, rewrite: /y/", "/x", "/y/"},
           {"path: /x, rewrite: /y/", "/x/z", "/y/z"},
           {"path: /x, rewrite: /", "/x/z", "/z"},
           {"path: /x, rewrite: \"/y\\\\1/\"", "/x/z", "/y\\1/z"},
           {"path: /, rewrite: /y", "/", "/y/"},
           {"path: /, rewrite: /y", "/z?q", "/y/z?q"},
           {"path: /, rewrite: /y/", "/z", "/y/z"},
           {"prefix: /x, rewrite: /y", "/xz", "/yz"},
           {"prefix: /x, rewrite: /y/", "/x/z", "/y/z"},
           {"exact: /x, rewrite: /y/z", "/x?q", "/y/z?q"},
           {"path: /x", "/x/z", "/x/z"},
       }) {
    const Proxy proxy(base::Cat("  \"*\": {routes: {", c.route, ", app: a}}\n"));
    EXPECT_EQ(proxy.Get(c.in).path, c.out) << c.route << " " << c.in;
  }
}

TEST(Routes, RedirectKeepsWhatIsNotWritten) {
  struct Case {
    std::string_view to, in, location;
  };
  for (const Case& c : {
           Case{"/new", "/x/y?q=1", "http://x.example.com:81/new?q=1"},
           {"/new?a=b", "/x?q=1", "http://x.example.com:81/new?a=b"},
           {"https://n.example.com", "/x/y?q=1", "https://n.example.com/x/y?q=1"},
           {"https://n.example.com/", "/x/y", "https://n.example.com/"},
           {"http://n.example.com:8080/z", "/x", "http://n.example.com:8080/z"},
           {"https://[::1]/z", "/x", "https://[::1]/z"},
       }) {
    const Proxy proxy(
        base::Cat("  \"*\": {routes: {path: /x, redirect: {to: \"", c.to, "\", status: 307}}}\n"));
    const Answer answer = proxy.Get(c.in, "x.example.com:81");
    EXPECT_EQ(answer.location, c.location) << c.to << " " << c.in;
    EXPECT_EQ(answer.status, 307);
  }
}

TEST(Routes, HostFollowsHttpsUrlsUnlessSaid) {
  const Proxy proxy(
      "  \"*\":\n"
      "    routes:\n"
      "      - {path: /s, app: s}\n"
      "      - {path: /h, app: s, host_header: h.example.com}\n"
      "      - {path: /a, app: a}\n"
      "      - {path: /split, split: {a: 1, s: 1}}\n");
  EXPECT_EQ(proxy.Get("/s").host, "s.example.com");
  EXPECT_EQ(proxy.Get("/h").host, "h.example.com");
  EXPECT_EQ(proxy.Get("/a").host, "");
  const auto& routes = proxy.table().virtual_hosts.at(0)->routes;
  const auto& split = std::get<config::ForwardAction>(routes.at(3).action);
  ASSERT_EQ(split.weighted.size(), 2U);
  EXPECT_EQ(split.weighted[0].host_rewrite, "");
  EXPECT_EQ(split.weighted[1].host_rewrite, "s.example.com");
  EXPECT_EQ(split.weight_total, 2U);
}

TEST(Routes, HaveNoTotalTimeoutUnlessSaid) {
  const Proxy proxy("  \"*\": {routes: [{path: /t, app: a, timeout: 30s}, {path: /, app: a}]}\n");
  const auto& routes = proxy.table().virtual_hosts.at(0)->routes;
  EXPECT_EQ(std::get<config::ForwardAction>(routes.at(0).action).timeout_ms, 30'000U);
  EXPECT_EQ(std::get<config::ForwardAction>(routes.at(1).action).timeout_ms, 0U);
}

TEST(Cors, StarStandsForLabelsOnly) {
  const Proxy proxy(
      "  \"*\": {cors: {allow_origins: [\"https://*.example.com\"]}, routes: {path: /, app: a}}\n");
  const auto& per_filter = proxy.table().virtual_hosts.at(0)->per_filter;
  ASSERT_EQ(per_filter.size(), 1U);
  EXPECT_EQ(per_filter[0].filter, "envoy.filters.http.cors");
  const auto& origin = std::get<config::CorsPolicy>(per_filter[0].config).allow_origins.at(0);
  const auto matches = [&](std::string_view text) {
    return origin.Matches(text, config::Regex::kNoWorker);
  };
  EXPECT_TRUE(matches("https://a.example.com"));
  EXPECT_TRUE(matches("https://a.b.example.com"));
  EXPECT_FALSE(matches("https://example.com"));
  EXPECT_FALSE(matches("https://.example.com"));
  EXPECT_FALSE(matches("https://evil.com/.example.com"));
  EXPECT_FALSE(matches("https://evil.com#.example.com"));
  EXPECT_FALSE(matches("https://a.example.com.evil.com"));
  EXPECT_FALSE(matches("https://aXexampleXcom"));
  EXPECT_FALSE(matches("http://a.example.com"));
}

// ---- sharing
// -------------------------------------------------------------------------------------

// The names of the resources of `b` that are not the very ones of `a`.
std::vector<std::string> Changed(const Snapshot& a, const Snapshot& b) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < static_cast<std::size_t>(Type::kCount); ++i) {
    const Type type = static_cast<Type>(i);
    for (const auto& [name, resource] : b.Of(type).resources) {
      const auto found = a.Of(type).resources.find(name);
      if (found == a.Of(type).resources.end() || found->second != resource) {
        out.push_back(base::Cat(i, " ", name));
      }
    }
    EXPECT_EQ(a.Of(type).version == b.Of(type).version,
              a.Of(type).resources == b.Of(type).resources);
  }
  return out;
}

TEST(BuildSnapshot, SharesWhatDidNotChange) {
  AppsConfig config = Parsed(SampleText());
  const auto first = Built(config);
  EXPECT_THAT(Changed(*first, *Built(config, first.get())), testing::IsEmpty());

  config.apps["python"].urls = {"http://127.0.0.1:9001"};  // A redeploy.
  const auto second = Built(config, first.get());
  EXPECT_THAT(Changed(*first, *second), testing::ElementsAre("1 python"));

  config.hosts["backend.example.com"].routes[0].timeout_ms = 1000;
  const auto third = Built(config, second.get());
  EXPECT_THAT(Changed(*second, *third), testing::ElementsAre("3 web", "4 web/backend.example.com"));

  // The Host of an https app is written into its routes.
  config.apps["google"].urls = {"https://www.google.com"};
  const auto fourth = Built(config, third.get());
  EXPECT_THAT(Changed(*third, *fourth), testing::ElementsAre("0 google", "3 web", "4 web/*"));

  config.listeners["more"] = {"127.0.0.1", 8001};
  const auto fifth = Built(config, fourth.get());
  EXPECT_THAT(Changed(*fourth, *fifth),
              testing::ElementsAre("2 more", "3 more", "4 more/*", "4 more/*.shop.example.com"));
  EXPECT_EQ(fifth->Of(Type::kVirtualHosts).resources.count("more/backend.example.com"), 0U);
}

TEST(BuildSnapshot, IsTheSameWithAndWithoutAPrevious) {
  AppsConfig config = Parsed(SampleText());
  const auto first = Built(config);
  config.apps.erase("api");
  config.apps["new"] = {.urls = {"http://new.example.com"}};
  config.hosts["*"].routes.pop_back();
  config.hosts.erase("*.shop.example.com");
  const auto warm = Built(config, first.get());
  const auto cold = Built(config);
  for (std::size_t i = 0; i < static_cast<std::size_t>(Type::kCount); ++i) {
    const Type type = static_cast<Type>(i);
    EXPECT_EQ(warm->Of(type).version, cold->Of(type).version);
    EXPECT_EQ(warm->Of(type).resources.size(), cold->Of(type).resources.size());
  }
  EXPECT_TRUE(Consistent(*warm).ok());
}

TEST(BuildSnapshot, TablesAreTheirVirtualHostsConcatenated) {
  const auto snapshot = Built(Parsed(SampleText()));
  const std::string& table = snapshot->Of(Type::kRoutes).resources.at("web")->bytes;
  std::size_t hosts = 0;
  for (const auto& [name, resource] : snapshot->Of(Type::kVirtualHosts).resources) {
    EXPECT_THAT(table, HasSubstr(resource->bytes));
    hosts += resource->bytes.size();
  }
  EXPECT_GT(hosts, 0U);
  EXPECT_LT(table.size() - hosts, 64U);
}

// ---- TLS
// -----------------------------------------------------------------------------------------

TEST(BuildSnapshot, SendsTheCaFileAndRefusesABadOne) {
  const std::string path =
      base::Cat(testing::TempDir(), "sluice-ca-", static_cast<int>(::getpid()), ".pem");
  AppsConfig config =
      Parsed(base::Cat("apps: {s: {url: https://s.example.com, ca_file: \"", path, "\"}}"));
  base::FieldErrors absent;
  EXPECT_EQ(BuildSnapshot(config, nullptr, absent), nullptr);
  EXPECT_THAT(absent.Text(), HasSubstr("apps.s.ca_file.filename: cannot read"));

  std::ofstream(path) << "no certificate";
  base::FieldErrors bad;
  EXPECT_EQ(BuildSnapshot(config, nullptr, bad), nullptr);
  EXPECT_THAT(bad.Text(), HasSubstr("apps.s.transport_socket"));
  EXPECT_THAT(bad.Text(), HasSubstr("no PEM certificate"));

  const harness::CertificateAuthority authority;
  std::ofstream(path, std::ios::trunc) << authority.pem();
  const auto snapshot = Built(config);
  ASSERT_NE(snapshot, nullptr);
  EXPECT_THAT(snapshot->Of(Type::kClusters).resources.at("s")->bytes, HasSubstr(authority.pem()));
  ::unlink(path.c_str());
}

TEST(BuildSnapshot, SendsCertificatesOfListeners) {
  const std::string base =
      base::Cat(testing::TempDir(), "sluice-tls-", static_cast<int>(::getpid()));
  const std::string cert = base + ".cert", key = base + ".key";
  const AppsConfig config = Parsed(
      base::Cat("listeners: {w: {port: 443, tls: {cert: \"", cert, "\", key: \"", key, "\"}}}\n"));
  EXPECT_EQ(Parsed(PrintAppsYaml(config)), config);
  base::FieldErrors absent;
  EXPECT_EQ(BuildSnapshot(config, nullptr, absent), nullptr);
  EXPECT_THAT(absent.Text(), HasSubstr("listeners.w.tls[0].cert.filename: cannot read"));
  const harness::CertificateAuthority authority;
  const harness::Identity one = authority.Issue({"DNS:a.example"});
  const harness::Identity other = authority.Issue({"DNS:a.example"});
  std::ofstream(cert) << one.certificate_pem;
  std::ofstream(key) << other.private_key_pem;
  base::FieldErrors wrong;
  EXPECT_EQ(BuildSnapshot(config, nullptr, wrong), nullptr);
  EXPECT_FALSE(wrong.empty());
  std::ofstream(key, std::ios::trunc) << one.private_key_pem;
  const auto snapshot = Built(config);
  ASSERT_NE(snapshot, nullptr);
  EXPECT_THAT(snapshot->Of(Type::kListeners).resources.at("w")->bytes,
              HasSubstr(one.certificate_pem));
  // Gone, they stay what they were.
  ::unlink(cert.c_str());
  ::unlink(key.c_str());
  const auto kept = Built(config, snapshot.get());
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(kept->ca_files.gone.size(), 2U);
  EXPECT_EQ(kept->Of(Type::kListeners).version, snapshot->Of(Type::kListeners).version);
}

TEST(BuildSnapshot, VerifiesHttpsAppsByDefault) {
  AppsConfig config;
  config.apps["n"] = {.urls = {"https://n.example.com:8443"}};
  config.apps["i"] = {.urls = {"https://127.0.0.1:8443"}};
  base::FieldErrors errors;
  CaFiles files;
  const auto name = BuildCluster("n", config.apps["n"], files, errors);
  const auto ip = BuildCluster("i", config.apps["i"], files, errors);
  config::CompileOptions options;
  const auto named = config::CompileCluster(name, options, errors);
  const auto numbered = config::CompileCluster(ip, options, errors);
  ASSERT_TRUE(errors.empty()) << errors.Text();
  ASSERT_TRUE(named->tls.has_value());
  EXPECT_TRUE(named->tls->verify);
  EXPECT_EQ(named->tls->sni, "n.example.com");
  EXPECT_EQ(named->type, config::Cluster::Type::kStrictDns);
  ASSERT_TRUE(numbered->tls.has_value());
  EXPECT_TRUE(numbered->tls->verify);
  EXPECT_EQ(numbered->tls->sni, "");
  ASSERT_EQ(numbered->tls->subject_alt_names.size(), 1U);
  EXPECT_EQ(numbered->tls->subject_alt_names[0].text, "127.0.0.1");
  EXPECT_EQ(numbered->type, config::Cluster::Type::kEds);
}

}  // namespace
}  // namespace sluice::control
