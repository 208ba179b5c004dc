// The program itself against the API itself: what it prints and which code it exits with.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apps_testing.h"
#include "base/strings.h"
#include "control-plane/rest_api.h"
#include "control-plane/store.h"
#include "gmock/gmock.h"
#include "web/client.h"
#include "web/server.h"

namespace sluice::control {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

struct Ran {
  int code = -1;
  std::string out, err;
};

class SluicectlTest : public testing::Test {
 protected:
  SluicectlTest() {
    std::string pattern = testing::TempDir() + "sluicectl-XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  ~SluicectlTest() override {
    if (server_ != nullptr) server_->Stop();
    std::filesystem::remove_all(directory_);
  }

  // The real API on a port of its own; `token` "" for none.
  void Serve(std::string token = "") {
    store_ = std::make_unique<Store>("", nullptr);
    ASSERT_TRUE(store_->Replace(Parsed(SampleText()), "").ok());
    RestApiSources sources;
    sources.proxies = [this] { return proxies_; };
    sources.counters = [] { return AdsCounters(); };
    api_ = std::make_unique<RestApi>(*store_, std::move(sources));
    web::WebServerOptions options;
    options.address = *base::Address::ParseIp("127.0.0.1", 0);
    options.token = std::move(token);
    server_ = std::make_unique<web::WebServer>(
        std::move(options),
        [this](const web::WebRequest& request) { return api_->Handle(request); });
    const auto address = server_->Start();
    ASSERT_TRUE(address.ok()) << address.status();
    url_ = base::Cat("http://", address->ToString());
  }

  std::string Write(const std::string& name, std::string_view text) const {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  Ran Run(std::vector<std::string> words) const {
    const std::string out = directory_ + "/stdout", err = directory_ + "/stderr";
    words.insert(words.begin(), SLUICE_BIN_DIR "/sluicectl");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      const int out_fd = ::open(out.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
      const int err_fd = ::open(err.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
      ::dup2(::open("/dev/null", O_RDONLY), 0);
      ::dup2(out_fd, 1);
      ::dup2(err_fd, 2);
      if (url_.empty()) {
        ::unsetenv("SLUICE_API");
      } else {
        ::setenv("SLUICE_API", url_.c_str(), 1);
      }
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, ReadText(out), ReadText(err)};
  }

  std::string directory_, url_;
  std::vector<ProxyStatus> proxies_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<RestApi> api_;
  std::unique_ptr<web::WebServer> server_;
};

TEST_F(SluicectlTest, TeachesInItsHelp) {
  const Ran top = Run({"--help"});
  EXPECT_EQ(top.code, 0);
  EXPECT_THAT(top.out, AllOf(HasSubstr("sluicectl apply -f apps.yaml"), HasSubstr("Exit codes:")));
  for (const std::string command :
       {"apply", "get", "validate", "explain", "status", "completion", "proxies"}) {
    const Ran help = Run({command, "--help"});
    EXPECT_EQ(help.code, 0) << command;
    EXPECT_THAT(help.out, HasSubstr("Usage:")) << command;
  }
  EXPECT_THAT(Run({"route", "add", "--help"}).out, HasSubstr("--strip-prefix"));
  EXPECT_THAT(Run({"--version"}).out, HasSubstr("sluicectl "));
}

TEST_F(SluicectlTest, ExitsWithTwoOnWrongUsage) {
  EXPECT_EQ(Run({}).code, 2);
  EXPECT_EQ(Run({"nonsense"}).code, 2);
  EXPECT_EQ(Run({"apply"}).code, 2);
  EXPECT_EQ(Run({"get", "nothing"}).code, 2);
  EXPECT_EQ(Run({"get", "-o", "xml"}).code, 2);
  EXPECT_EQ(Run({"route", "add", "*", "--path", "/x"}).code, 2);
  EXPECT_EQ(Run({"route", "add", "*", "--path", "/x", "--exact", "/x", "--app", "a"}).code, 2);
  EXPECT_EQ(Run({"route", "add", "*", "--path", "/x", "--split", "a"}).code, 2);
  EXPECT_EQ(Run({"route", "add", "*", "--path", "/x", "--app", "a", "--set-header", "x"}).code, 2);
  EXPECT_EQ(Run({"route", "add", "*", "--path", "/x", "--respond", "99"}).code, 2);
  EXPECT_EQ(Run({"explain", "ftp://x"}).code, 2);
  EXPECT_EQ(Run({"completion", "csh"}).code, 2);
}

TEST_F(SluicectlTest, ExitsWithThreeWithoutAServer) {
  // A port that was free a moment ago.
  Serve();
  server_->Stop();
  const Ran ran = Run({"get", "apps"});
  EXPECT_EQ(ran.code, 3);
  EXPECT_THAT(ran.err, HasSubstr("SLUICE_API"));
  EXPECT_EQ(Run({"status", "--admin", url_.substr(7)}).code, 3);
}

TEST_F(SluicectlTest, ValidatesOffline) {
  const std::string good = Write("good.yaml", SampleText());
  const Ran ok = Run({"validate", "-f", good});
  EXPECT_EQ(ok.code, 0) << ok.err;
  EXPECT_EQ(ok.out, good + ": ok (1 listeners, 5 apps, 3 hosts, 8 routes)\n");
  const std::string bad = Write("bad.yaml", "apps:\n  a: {ulr: x}\n");
  const Ran refused = Run({"validate", "-f", bad});
  EXPECT_EQ(refused.code, 4);
  EXPECT_EQ(refused.err, bad + ":2: apps.a: unknown key 'ulr'; did you mean 'url'?\n");
  const std::string ca = Write(
      "ca.yaml", "apps:\n  a:\n    url: https://a.example.com\n    ca_file: /does/not/exist\n");
  const Ran missing = Run({"validate", "-f", ca});
  EXPECT_EQ(missing.code, 4);
  EXPECT_THAT(missing.err, HasSubstr(ca + ":4: apps.a.ca_file"));
  EXPECT_EQ(Run({"validate", "-f", directory_ + "/absent"}).code, 1);
}

TEST_F(SluicectlTest, AppliesAFileAndPrintsItBack) {
  Serve();
  const std::string text = "listeners: {web: {port: 1}}\napps: {a: {url: http://a}}\n";
  const Ran ran = Run({"apply", "-f", Write("a.yaml", text)});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("applied \""));
  const Ran yaml = Run({"get", "config"});
  EXPECT_EQ(Parsed(yaml.out), Parsed(text));
  EXPECT_EQ(Parsed(Run({"get", "config", "-o", "json"}).out), Parsed(text));
}

TEST_F(SluicectlTest, RefusesABadFileBeforeTheServerDoes) {
  Serve();
  const std::string bad = Write("bad.yaml", "hosts: {\"*\": {routes: []}}\n");
  const Ran ran = Run({"apply", "-f", bad});
  EXPECT_EQ(ran.code, 4);
  EXPECT_THAT(ran.err, HasSubstr(bad + ":1: listeners: there are hosts"));
  EXPECT_THAT(Run({"get", "apps"}).out, HasSubstr("python"));
}

TEST_F(SluicectlTest, ExitsWithFiveOnALostRace) {
  Serve();
  const std::string file = Write("a.yaml", "listeners: {web: {port: 1}}\n");
  EXPECT_EQ(Run({"apply", "-f", file, "--if-match", "\"old\""}).code, 5);
  EXPECT_THAT(Run({"get", "apps"}).out, HasSubstr("python"));
}

TEST_F(SluicectlTest, PrintsTables) {
  Serve();
  EXPECT_THAT(Run({"get", "apps"}).out,
              AllOf(HasSubstr("APP     URLS\n"),
                    HasSubstr("api     http://10.0.0.1:80 http://10.0.0.2:80\n")));
  EXPECT_THAT(Run({"get", "hosts"}).out,
              HasSubstr("backend.example.com  web        1       yes\n"));
  EXPECT_THAT(Run({"get"}).out, AllOf(HasSubstr("health"), HasSubstr("split node=90 python=10"),
                                      HasSubstr("redirect 301 to /new")));
  EXPECT_THAT(Run({"get", "apps", "-o", "yaml"}).out,
              AllOf(HasSubstr("apps:\n"), Not(HasSubstr("hosts")), Not(HasSubstr("listeners"))));
  base::FieldErrors errors;
  EXPECT_THAT(Run({"get", "apps", "-o", "json"}).out, HasSubstr("\"python\": {"));
}

TEST_F(SluicectlTest, MovesAndRemovesApps) {
  Serve();
  EXPECT_EQ(Run({"app", "set", "api", "--connect-timeout", "2s"}).code, 0);
  EXPECT_EQ(Run({"app", "set", "api", "--url", "http://10.0.0.3:80", "http://10.0.0.4:80"}).code,
            0);
  const AppsConfig config = Parsed(Run({"get", "config"}).out);
  EXPECT_EQ(config.apps.at("api").connect_timeout_ms, 2000U);
  EXPECT_EQ(config.apps.at("api").urls.size(), 2U);
  const Ran bad = Run({"app", "set", "api", "--url", "ftp://x"});
  EXPECT_EQ(bad.code, 4);
  EXPECT_THAT(bad.err, HasSubstr("apps.api.url: 'ftp://x': begins with neither"));
  EXPECT_EQ(Run({"app", "set", "api", "--connect-timeout", "2"}).code, 4);
  EXPECT_EQ(Run({"app", "rm", "api"}).code, 0);
  EXPECT_EQ(Run({"app", "rm", "api"}).code, 1);
  const Ran used = Run({"app", "rm", "python"});
  EXPECT_EQ(used.code, 4);
  EXPECT_THAT(used.err, HasSubstr("there is no app 'python'"));
}

TEST_F(SluicectlTest, AddsRoutesBeforeTheCatchAllAndRemovesThem) {
  Serve();
  const Ran ran = Run({"route", "add", "*", "--path", "/v2", "--split", "python=9", "--split",
                       "node=1", "--method", "GET", "--timeout", "5s", "--strip-prefix",
                       "--set-header", "x-a: b: c", "--set-response-header", "x-d: e"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "added route v2 to *\nno proxy is connected\n");
  AppsConfig config = Parsed(Run({"get", "config"}).out);
  const auto& routes = config.hosts.at("*").routes;
  ASSERT_EQ(routes.size(), 7U);
  EXPECT_EQ(routes[5].id, "v2");
  EXPECT_EQ(routes[5].timeout_ms, 5000U);
  EXPECT_TRUE(routes[5].strip_prefix);
  EXPECT_EQ(routes[5].methods, std::vector<std::string>{"GET"});
  EXPECT_EQ(routes[5].split.size(), 2U);
  EXPECT_EQ(routes[5].request_headers.set.at(0).second, "b: c");
  EXPECT_EQ(routes[5].response_headers.set.at(0).first, "x-d");
  EXPECT_EQ(Run({"route", "add", "*", "--exact", "/r", "--redirect", "/s", "--status", "308",
                 "--before", "health", "--id", "mine"})
                .code,
            0);
  EXPECT_EQ(Run({"route", "add", "*", "--prefix", "/p", "--respond", "503", "--body", "no"}).code,
            0);
  config = Parsed(Run({"get", "config"}).out);
  EXPECT_EQ(config.hosts.at("*").routes[0].id, "mine");
  EXPECT_EQ(config.hosts.at("*").routes[0].redirect, (RouteSpec::Redirect{"/s", 308}));
  EXPECT_EQ(config.hosts.at("*").routes[7].respond, (RouteSpec::Respond{503, "no"}));
  EXPECT_EQ(Run({"route", "add", "*", "--path", "/q", "--app", "nope"}).code, 4);
  EXPECT_EQ(Run({"route", "add", "absent", "--path", "/q", "--app", "node"}).code, 1);
  EXPECT_EQ(Run({"route", "rm", "*", "mine"}).code, 0);
  EXPECT_EQ(Run({"route", "rm", "*", "mine"}).code, 1);
  EXPECT_EQ(Run({"route", "rm", "*.shop.example.com", "root"}).code, 0);
}

TEST_F(SluicectlTest, ExplainsAgainstServerAndFile) {
  Serve();
  const Ran ran = Run({"explain", "http://any.example.com:8000/google/a?b"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("listener web (0.0.0.0:8000)"),
                             HasSubstr("'google': path /google and below matches -> to cluster"),
                             HasSubstr("path sent to the app: /a?b"),
                             HasSubstr("app google: https://google.com with Host: google.com")));
  EXPECT_THAT(Run({"explain", "/old"}).out, HasSubstr("location: http://localhost/new"));
  EXPECT_THAT(Run({"explain", "/", "--header", "Host: x.shop.example.com"}).out,
              HasSubstr("virtual host '*.shop.example.com'"));
  const std::string file = Write("f.yaml",
                                 "listeners: {web: {port: 1}}\nhosts: {\"*\": {routes: [{path: /, "
                                 "method: PUT, respond: {}}]}}\n");
  EXPECT_THAT(Run({"explain", "/x", "-f", file}).out, HasSubstr("no route matches -> 404"));
  EXPECT_THAT(Run({"explain", "/x", "-f", file, "--method", "PUT"}).out, HasSubstr("answer 200"));
  EXPECT_EQ(Run({"explain", "/x", "-f", Write("g.yaml", "x: 1")}).code, 4);
}

TEST_F(SluicectlTest, PrintsProxies) {
  ProxyStatus proxy;
  proxy.node_id = "edge-1";
  proxy.node_cluster = "edge";
  proxy.peer = "127.0.0.1:5";
  proxy.types[0].subscribed = true;
  proxy.types[0].error = "cluster a: no";
  proxies_.push_back(proxy);
  Serve();
  const Ran ran = Run({"proxies"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("NODE"), HasSubstr("edge-1"), HasSubstr("refused"),
                             HasSubstr("cluster a: no")));
  EXPECT_THAT(Run({"proxies", "-o", "json"}).out, HasSubstr("\"edge-1\""));
}

TEST_F(SluicectlTest, TellsWhoAcknowledgedAChange) {
  Serve();
  const std::vector<std::string> change = {"app", "set", "fresh", "--url", "http://127.0.0.1:1"};
  const auto with = [&](const char* flag) {
    std::vector<std::string> words = change;
    words.push_back(flag);
    return words;
  };
  EXPECT_THAT(Run(change).out, HasSubstr("no proxy is connected"));
  ProxyStatus proxy;
  proxy.node_id = "p1";
  proxy.types[0].subscribed = true;
  proxies_ = {proxy, proxy};
  EXPECT_THAT(Run(with("--wait")).out, HasSubstr("acknowledged by all proxies: 2"));
  proxies_[1].node_id = "p2";
  proxies_[1].types[0].sent_version = "new";
  proxies_[1].types[0].acked_version = "old";
  Ran ran = Run(with("--wait=0"));
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, HasSubstr("acknowledged by 1 of 2 proxies; not by: p2 (pending)"));
  proxies_[1].types[0].error = "bad cluster";
  ran = Run(with("--wait=5"));
  EXPECT_EQ(ran.code, 4);
  EXPECT_THAT(ran.err, HasSubstr("p2 refuses cds: bad cluster"));
  EXPECT_EQ(Run(change).code, 0);  // Told, but the change itself was done.
}

TEST_F(SluicectlTest, SendsTheToken) {
  Serve("secret");
  const Ran without = Run({"get", "apps"});
  EXPECT_EQ(without.code, 1);
  EXPECT_THAT(without.err, HasSubstr("--token-file"));
  const std::string file = Write("token", "secret\n");
  EXPECT_EQ(Run({"--token-file", file, "get", "apps"}).code, 0);
  EXPECT_EQ(Run({"get", "apps", "--token-file", file}).code, 0);
  EXPECT_EQ(Run({"--token-file", file + "x", "get", "apps"}).code, 1);
}

TEST_F(SluicectlTest, AsksAProxyWhetherItIsReady) {
  std::atomic<bool> draining = false;
  web::WebServerOptions options;
  options.address = *base::Address::ParseIp("127.0.0.1", 0);
  web::WebServer admin(std::move(options), [&](const web::WebRequest& request) {
    web::WebResponse response;
    const bool ready = request.path == "/ready";
    if (ready && draining) response.status = 503;
    response.body = !ready ? "{\"version\": \"x\"}\n" : draining ? "DRAINING\n" : "LIVE\n";
    return response;
  });
  const auto address = admin.Start();
  ASSERT_TRUE(address.ok());
  const Ran live = Run({"status", "--admin", address->ToString()});
  EXPECT_EQ(live.code, 0) << live.err;
  EXPECT_EQ(live.out, "LIVE\n{\"version\": \"x\"}\n");
  draining = true;
  const Ran late = Run({"status", "--admin", address->ToString()});
  EXPECT_EQ(late.code, 1);
  EXPECT_THAT(late.out, HasSubstr("DRAINING"));
  admin.Stop();
}

TEST_F(SluicectlTest, CompletionsAreScriptsThatShellsTake) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const Ran ran = Run({"completion", shell});
    EXPECT_EQ(ran.code, 0);
    EXPECT_THAT(ran.out, AllOf(HasSubstr("validate"), HasSubstr("strip-prefix"))) << shell;
  }
  const std::string script = Write("c.bash", Run({"completion", "bash"}).out);
  const std::string check =
      Write("check.bash", base::Cat("source ", script, "\n",
                                    "COMP_WORDS=(sluicectl route a); COMP_CWORD=2; _sluicectl\n"
                                    "[ \"${COMPREPLY[*]}\" = add ] || exit 1\n"
                                    "COMP_WORDS=(sluicectl va); COMP_CWORD=1; _sluicectl\n"
                                    "[ \"${COMPREPLY[*]}\" = validate ] || exit 2\n"
                                    "COMP_WORDS=(sluicectl get -o y); COMP_CWORD=3; _sluicectl\n"
                                    "[ \"${COMPREPLY[*]}\" = yaml ] || exit 3\n"));
  const int status = std::system(base::Cat("bash ", check).c_str());
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace sluice::control
