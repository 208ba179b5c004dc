// A real Prometheus server scrapes the real proxy, and promtool judges what it scrapes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "base/strings.h"
#include "harness/client.h"
#include "harness/config_builder.h"
#include "harness/fake_upstream.h"
#include "harness/proxy.h"

namespace sluice::harness {
namespace {

using testing::HasSubstr;

// Binds port 0, says which it got, and lets go.
std::uint16_t FreePort() {
  FakeUpstream holder;
  return holder.port();
}

// Debian's prometheus, scraping one target every second. Killed at the end.
class Prometheus {
 public:
  explicit Prometheus(std::uint16_t target) : port_(FreePort()), directory_(MakeDirectory()) {
    WriteFile(directory_ + "/prometheus.yml",
              base::Cat("global: { scrape_interval: 1s, scrape_timeout: 1s }\n"
                        "scrape_configs:\n"
                        "- job_name: sluice\n"
                        "  metrics_path: /stats/prometheus\n"
                        "  static_configs: [ { targets: [ \"127.0.0.1:",
                        target, "\" ] } ]\n"));
    std::vector<std::string> words = {"prometheus",
                                      base::Cat("--config.file=", directory_, "/prometheus.yml"),
                                      base::Cat("--storage.tsdb.path=", directory_, "/data"),
                                      base::Cat("--web.listen-address=127.0.0.1:", port_)};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const std::string log = directory_ + "/log";
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (std::freopen(log.c_str(), "w", stderr) == nullptr) ::_exit(126);
      ::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
  }
  ~Prometheus() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Prometheus(const Prometheus&) = delete;
  Prometheus& operator=(const Prometheus&) = delete;

  // The JSON answer to an instant query; "" while it does not serve.
  std::string Query(std::string_view expression) {
    Client client(port_);
    if (!client.is_open()) return "";
    const Response response = client.Get(base::Cat("/api/v1/query?query=", expression));
    return response.status == 200 ? response.body : "";
  }
  bool Running() const { return ::waitpid(pid_, nullptr, WNOHANG) == 0; }
  std::string Log() const { return ReadFile(directory_ + "/log"); }

 private:
  std::uint16_t port_;
  std::string directory_;
  pid_t pid_ = -1;
};

class Metrics : public testing::Test {
 protected:
  Metrics() : proxy_(StaticBootstrap(Listener("in").Route("/", Cluster("app", {origin_.port()})))) {
    origin_.On("/teapot", 418, "short");
    Client client(proxy_.Port());
    for (int i = 0; i < 7; ++i) client.Get("/");
    client.Get("/teapot");
    EXPECT_TRUE(proxy_.WaitForStat("cluster.app.upstream_rq_418", 1));
  }

  FakeUpstream origin_;
  Proxy proxy_;
};

TEST_F(Metrics, PrometheusScrapesAndAnswersQueries) {
  Prometheus prometheus(proxy_.admin_port());
  const auto becomes = [&](std::string_view query, std::string_view value) {
    const std::string want = base::Cat(",\"", value, "\"]");
    return Eventually(
        [&] {
          return !prometheus.Running() || prometheus.Query(query).find(want) != std::string::npos;
        },
        base::milliseconds(60'000));
  };
  EXPECT_TRUE(becomes("up", "1"));
  ASSERT_TRUE(prometheus.Running()) << "no program named prometheus, or it failed:\n"
                                    << prometheus.Log();
  EXPECT_TRUE(becomes("envoy_cluster_upstream_rq_total", "8"));
  EXPECT_TRUE(becomes("envoy_cluster_upstream_rq%7Benvoy_response_code%3D%22418%22%7D", "1"));
  EXPECT_TRUE(becomes("envoy_cluster_upstream_rq_time_count", "8"));
  EXPECT_THAT(prometheus.Query("envoy_cluster_upstream_rq_total"),
              HasSubstr("\"envoy_cluster_name\":\"app\""));
  ASSERT_TRUE(prometheus.Running()) << prometheus.Log();
}

// Envoy's names and promtool's taste cannot both hold: these complaints are about names.
bool IsAboutEnvoysNames(std::string_view line) {
  return line.ends_with("should have \"_total\" suffix") ||
         line.ends_with("should not have \"_total\" suffix") ||
         line.find("abbreviated units") != std::string_view::npos;
}

TEST_F(Metrics, PromtoolFindsNothingButEnvoysNames) {
  for (const std::string target : {"/metrics", "/stats/prometheus?usedonly=off"}) {
    const std::string directory = MakeDirectory();
    const Response metrics = proxy_.Admin("GET", target);
    EXPECT_EQ(metrics.Header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    ASSERT_THAT(metrics.body, HasSubstr("envoy_cluster_upstream_rq_total"));
    WriteFile(directory + "/metrics", metrics.body);
    const int status = std::system(
        base::Cat("promtool check metrics <", directory, "/metrics >", directory, "/out 2>&1")
            .c_str());
    ASSERT_TRUE(WIFEXITED(status));
    // 3: complaints of the kind that are told apart below.
    EXPECT_TRUE(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3) << WEXITSTATUS(status);
    const std::string out = ReadFile(directory + "/out");
    for (const std::string_view line : base::Split(out, '\n')) {
      EXPECT_TRUE(line.empty() || IsAboutEnvoysNames(line)) << line;
    }
  }
}

}  // namespace
}  // namespace sluice::harness
