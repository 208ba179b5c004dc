#include "control-plane/rest_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include "base/field_errors.h"
#include "base/strings.h"

namespace sluice::control {
namespace {

using ::testing::HasSubstr;

constexpr const char* kConfig = R"(
listeners:
  web: { address: 127.0.0.1, port: 8000 }
apps:
  python: { url: http://127.0.0.1:9000 }
  node: { url: http://127.0.0.1:9100 }
hosts:
  "*":
    routes:
      - { id: n, prefix: /node, app: node }
      - { id: all, path: /, app: python }
)";

class RestApiTest : public testing::Test {
 protected:
  RestApiTest() : store_("", nullptr), api_(store_, Sources()) {
    base::FieldErrors errors;
    AppsConfig config = ParseApps(kConfig, "apps.yaml", errors);
    EXPECT_TRUE(errors.empty()) << errors.Text();
    EXPECT_TRUE(store_.Replace(std::move(config), "").ok());
  }
  RestApiSources Sources() {
    return {[this] { return proxies_; }, [this] { return counters_; }};
  }

  // "PUT /v1/apps/x?y=1"
  web::WebResponse Ask(std::string_view line, std::string body = "",
                       std::vector<web::WebHeader> headers = {}) {
    web::WebRequest request;
    const std::size_t space = line.find(' ');
    request.method = line.substr(0, space);
    std::string_view target = line.substr(space + 1);
    if (const std::size_t mark = target.find('?'); mark != target.npos) {
      for (const auto pair : base::Split(target.substr(mark + 1), '&')) {
        const std::size_t equals = pair.find('=');
        request.query.emplace_back(pair.substr(0, equals), equals == pair.npos
                                                               ? std::string_view()
                                                               : pair.substr(equals + 1));
      }
      target = target.substr(0, mark);
    }
    request.raw_path = target;
    request.path = web::PercentDecode(target, false).value_or("");
    request.body = std::move(body);
    request.headers = std::move(headers);
    return api_.Handle(request);
  }
  std::string Order(const std::string& host = "*") {
    std::string ids;
    for (const auto& route : store_.current().config.hosts.at(host).routes) ids += route.id + " ";
    return ids;
  }

  std::vector<ProxyStatus> proxies_;
  AdsCounters counters_;
  Store store_;
  RestApi api_;
};

std::string HeaderOf(const web::WebResponse& response, std::string_view name) {
  return std::string(web::FindHeader(response.headers, name).value_or(""));
}

struct ApiCase {
  const char* line;
  const char* body;
  unsigned status;
  const char* contains;
};

TEST_F(RestApiTest, EveryCallAndItsMistakes) {
  const ApiCase cases[] = {
      {"GET /", "", 200, "/v1/hosts/{host}/routes"},
      {"GET /healthz", "", 200, "ok"},
      {"GET /readyz", "", 200, "ready"},
      {"GET /v2", "", 404, "\"error\""},
      {"GET /v1/", "", 404, "\"error\""},
      {"GET /v1/apps//", "", 404, "\"error\""},
      {"GET /v1/hosts/%zz", "", 404, "\"error\""},
      {"POST /v1/config", "{}", 405, "GET, PUT"},
      {"PUT /v1/config", "apps: [", 400, "body:"},
      {"PUT /v1/config",
       "apps: {x: {url: http://h:1}}\nhosts: {\"*\": {routes: [{path: /, app: y}]}}", 400,
       "\"location\":\"body:2"},
      {"GET /v1/apps", "", 200, "http://127.0.0.1:9100"},
      {"DELETE /v1/apps", "", 405, "GET"},
      {"GET /v1/apps/node", "", 200, "9100"},
      {"GET /v1/apps/nope", "", 404, "there is no app 'nope'"},
      {"PUT /v1/apps/new", R"({"url":"http://127.0.0.1:1"})", 201, "127.0.0.1:1"},
      {"PUT /v1/apps/new", R"({"url":"http://127.0.0.1:2"})", 200, "127.0.0.1:2"},
      {"PUT /v1/apps/new", R"({"url":"ftp://x"})", 400, "url"},
      {"PUT /v1/apps/new", R"({"url":)", 400, "\"errors\":[{"},
      {"PATCH /v1/apps/new", "{}", 405, "PUT"},
      {"DELETE /v1/apps/new", "", 204, ""},
      {"DELETE /v1/apps/new", "", 404, "there is no app"},
      {"DELETE /v1/apps/node", "", 409, "node"},  // In use.
      {"GET /v1/hosts", "", 200, "\"*\""},
      {"GET /v1/hosts/*", "", 200, "/node"},
      {"GET /v1/hosts/%2A", "", 200, "/node"},
      {"GET /v1/hosts/b.example.com", "", 404, "there is no host"},
      {"POST /v1/hosts/b.example.com", R"({"routes":[{"path":"/","app":"node"}]})", 201, "node"},
      {"POST /v1/hosts/b.example.com", R"({"routes":[{"path":"/","app":"node"}]})", 409, "PUT"},
      {"PUT /v1/hosts/b.example.com", R"({"routes":[{"path":"/","app":"python"}]})", 200, "python"},
      {"PUT /v1/hosts/b.example.com", R"({"routes":[{"path":"/","app":"gone"}]})", 400, "gone"},
      {"PUT /v1/hosts/b.example.com", R"({"rutes":[]})", 400, "rutes"},
      {"GET /v1/hosts/b.example.com/routes", "", 200, "["},
      {"DELETE /v1/hosts/b.example.com", "", 204, ""},
      {"DELETE /v1/hosts/b.example.com", "", 404, "there is no host"},
      {"GET /v1/hosts/*/routes/n", "", 200, "/node"},
      {"GET /v1/hosts/*/routes/x", "", 404, "has no route 'x'"},
      {"GET /v1/hosts/nope/routes/x", "", 404, "there is no host"},
      {"GET /v1/hosts/nope/routes", "", 404, "there is no host"},
      {"POST /v1/hosts/nope/routes", R"({"path":"/x","app":"node"})", 404, "there is no host"},
      {"POST /v1/hosts/*/routes", R"({"path":"x","app":"node"})", 400, "path"},
      {"POST /v1/hosts/*/routes", R"({"id":"n","path":"/x","app":"node"})", 409, "PUT"},
      {"POST /v1/hosts/*/routes?before=x", R"({"path":"/x","app":"node"})", 404, "no route 'x'"},
      {"PUT /v1/hosts/*/routes/x", R"({"path":"/x","app":"node"})", 404, "no route 'x'"},
      {"PUT /v1/hosts/*/routes/n", R"({"id":"m","path":"/x","app":"node"})", 400, "id"},
      {"PUT /v1/hosts/*/routes/n", R"({"path":"/x","app":"python"})", 200, "python"},
      {"PATCH /v1/hosts/*/routes/n", "", 405, "PUT"},
      {"DELETE /v1/hosts/*/routes/n", "", 204, ""},
      {"DELETE /v1/hosts/*/routes/n", "", 404, "no route 'n'"},
      {"GET /v1/proxies", "", 200, "\"proxies\":["},
      {"POST /v1/proxies", "", 405, "GET"},
  };
  for (const ApiCase& test : cases) {
    const auto response = Ask(test.line, test.body);
    EXPECT_EQ(response.status, test.status) << test.line << "\n" << response.body;
    EXPECT_THAT(response.body, HasSubstr(test.contains)) << test.line;
    if (response.content_type == "application/json") {
      EXPECT_NO_THROW(YAML::Load(response.body)) << test.line << "\n" << response.body;
    }
  }
}

TEST_F(RestApiTest, ConfigInTwoFormats) {
  const auto json = Ask("GET /v1/config");
  EXPECT_EQ(json.content_type, "application/json");
  const auto yaml = Ask("GET /v1/config", "", {{"Accept", "application/yaml"}});
  EXPECT_EQ(yaml.content_type, "application/yaml");
  const std::string etag = HeaderOf(json, "ETag");
  EXPECT_EQ(etag, HeaderOf(yaml, "ETag"));
  EXPECT_EQ(etag, store_.current().etag);
  EXPECT_EQ(Ask("GET /v1/config", "", {{"If-None-Match", etag}}).status, 304U);
  // Either may come back, and changes nothing.
  for (const auto& [body, type] : {std::pair(json.body, "application/json"),
                                   std::pair(yaml.body, "application/yaml; charset=utf-8")}) {
    const auto put = Ask("PUT /v1/config", body, {{"Content-Type", type}});
    EXPECT_EQ(put.status, 200U) << put.body;
    EXPECT_EQ(HeaderOf(put, "ETag"), etag);
  }
  EXPECT_EQ(Ask("PUT /v1/config", "{}", {{"Content-Type", "text/html"}}).status, 415U);
  EXPECT_EQ(Ask("PUT /v1/apps/a", "{}", {{"Content-Type", "application/yaml"}}).status, 415U);
}

TEST_F(RestApiTest, LostRacesAreTold) {
  const std::string before = store_.current().etag;
  const std::vector<web::WebHeader> match = {{"If-Match", before}};
  ASSERT_EQ(Ask("PUT /v1/apps/a", R"({"url":"http://127.0.0.1:1"})", match).status, 201U);
  const std::string after = store_.current().etag;
  EXPECT_NE(before, after);
  EXPECT_EQ(Ask("PUT /v1/apps/a", R"({"url":"http://127.0.0.1:2"})", match).status, 412U);
  EXPECT_EQ(Ask("DELETE /v1/apps/a", "", match).status, 412U);
  EXPECT_EQ(Ask("POST /v1/hosts/*/routes", R"({"path":"/x","app":"a"})", match).status, 412U);
  EXPECT_EQ(Ask("PUT /v1/config", kConfig, match).status, 412U);
  EXPECT_EQ(store_.current().etag, after);
  EXPECT_EQ(Ask("PUT /v1/config", kConfig, {{"If-Match", after}}).status, 200U);
  EXPECT_EQ(store_.current().etag, before);  // A hash of the content.
}

TEST_F(RestApiTest, RoutesAreAddedWhereTheyCanMatch) {
  auto response = Ask("POST /v1/hosts/*/routes", R"({"id":"a","path":"/a","app":"node"})");
  ASSERT_EQ(response.status, 201U) << response.body;
  EXPECT_EQ(Order(), "n a all ");
  EXPECT_EQ(HeaderOf(response, "Location"), "/v1/hosts/%2A/routes/a");
  ASSERT_EQ(
      Ask("POST /v1/hosts/*/routes?before=n", R"({"id":"b","path":"/b","app":"node"})").status,
      201U);
  EXPECT_EQ(Order(), "b n a all ");
  response = Ask("POST /v1/hosts/*/routes", R"({"path":"/c/d","app":"node"})");
  ASSERT_EQ(response.status, 201U);
  const std::string location = HeaderOf(response, "Location");
  EXPECT_EQ(Ask(base::Cat("GET ", location)).status, 200U) << location;
  EXPECT_EQ(Ask(base::Cat("DELETE ", location)).status, 204U);
  ASSERT_EQ(Ask("PUT /v1/hosts/*/routes/n", R"({"path":"/z","app":"python"})").status, 200U);
  EXPECT_EQ(Order(), "b n a all ");
  ASSERT_EQ(Ask("DELETE /v1/hosts/*/routes/all").status, 204U);
  ASSERT_EQ(Ask("POST /v1/hosts/*/routes", R"({"id":"e","path":"/e","app":"node"})").status, 201U);
  EXPECT_EQ(Order(), "b n a e ");
}

TEST_F(RestApiTest, ProxiesShowWhatTheyRefused) {
  ProxyStatus proxy;
  proxy.node_id = "p\"1";
  proxy.peer = "ipv4:127.0.0.1:5";
  proxy.since = base::WallTime(base::milliseconds(1'700'000'000'007));
  proxy.types[0] = {.subscribed = true, .sent_version = "1", .acked_version = "1"};
  proxy.types[3] = {
      .subscribed = true, .sent_version = "2", .acked_version = "1", .error = "routes[0]: bad"};
  ProxyStatus good;
  good.types[0] = {.subscribed = true, .sent_version = "1", .acked_version = "1"};
  ProxyStatus late;
  late.types[0] = {.subscribed = true, .sent_version = "2", .acked_version = "1"};
  proxies_ = {proxy, good, late};
  const auto parsed = YAML::Load(Ask("GET /v1/proxies").body)["proxies"];
  ASSERT_EQ(parsed.size(), 3U);
  EXPECT_EQ(parsed[0]["node"].as<std::string>(), "p\"1");
  EXPECT_EQ(parsed[0]["since"].as<std::string>(), "2023-11-14T22:13:20.007Z");
  EXPECT_EQ(parsed[0]["state"].as<std::string>(), "refused");
  EXPECT_EQ(parsed[0]["types"]["rds"]["error"].as<std::string>(), "routes[0]: bad");
  EXPECT_EQ(parsed[0]["types"]["rds"]["acknowledged"].as<std::string>(), "1");
  EXPECT_EQ(parsed[0]["types"]["rds"]["sent"].as<std::string>(), "2");
  EXPECT_FALSE(parsed[0]["types"]["eds"]);
  EXPECT_EQ(parsed[1]["state"].as<std::string>(), "current");
  EXPECT_EQ(parsed[2]["state"].as<std::string>(), "pending");
  EXPECT_THAT(Ask("GET /readyz?verbose").body, HasSubstr("proxies: 3, refusing: 1"));
  EXPECT_THAT(Ask("GET /metrics").body, HasSubstr("sluice_control_streams{state=\"refused\"} 1\n"));
}

TEST_F(RestApiTest, FileThatWasRefusedIsVisible) {
  api_.file().path = "apps.yaml";
  EXPECT_THAT(Ask("GET /readyz?verbose").body, HasSubstr("file: apps.yaml ok"));
  EXPECT_EQ(HeaderOf(Ask("GET /v1/config"), "X-Sluice-File-Error"), "");
  api_.file().error = "apps.yaml:3: hosts: no\napps.yaml:4: more";
  EXPECT_THAT(Ask("GET /readyz?verbose").body, HasSubstr("REFUSED: apps.yaml:3: hosts: no"));
  const std::string header = HeaderOf(Ask("GET /v1/config"), "X-Sluice-File-Error");
  EXPECT_THAT(header, HasSubstr("apps.yaml:3"));
  EXPECT_EQ(header.find('\n'), std::string::npos);
  EXPECT_THAT(Ask("GET /metrics").body, HasSubstr("sluice_control_file_in_use 0\n"));
}

TEST_F(RestApiTest, MetricsMoveAndHaveHelp) {
  EXPECT_THAT(Ask("GET /metrics").body, HasSubstr("config_changes_total{source=\"api\"} 0\n"));
  Ask("PUT /v1/apps/a", R"({"url":"http://127.0.0.1:1"})");
  Ask("DELETE /v1/apps/node");
  counters_.watches.pushes[1] = 7;
  counters_.watches.nacks[4] = 3;
  const std::string text = Ask("GET /metrics").body;
  EXPECT_THAT(text, HasSubstr("config_changes_total{source=\"api\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("config_refusals_total{source=\"api\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("pushes_total{type=\"eds\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("nacks_total{type=\"vhds\"} 3\n"));
  for (const auto line : base::Split(text, '\n')) {
    if (line.empty() || line.starts_with('#')) continue;
    const std::string name(line.substr(0, line.find_first_of(" {")));
    EXPECT_THAT(text, HasSubstr(base::Cat("# HELP ", name, " "))) << line;
    EXPECT_THAT(text, HasSubstr(base::Cat("# TYPE ", name, " "))) << line;
  }
}

}  // namespace
}  // namespace sluice::control
