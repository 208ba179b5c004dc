// The admin port's access log: what is in a record, when it is written, what stays out.
#include "server/admin_access_log.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/strings.h"
#include "tests/unit/server/admin_fixture.h"

namespace sluice::server {
namespace {

class AdminAccessLogTest : public AdminFixture {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + base::Cat("admin_access_log_", getpid());
    Load(base::Cat(R"(
admin:
  address: {socket_address: {address: 127.0.0.1, port_value: 0}}
  access_log:
  - name: file
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
      path: )",
                   path_, R"(
      log_format: {text_format: "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %BYTES_SENT% %REQ(AUTHORIZATION)% %REQ(:AUTHORITY)%\n"}
)"));
    log_writer.Start();
    log_ = std::make_unique<AdminAccessLog>(sources);
  }
  void TearDown() override { std::filesystem::remove(path_); }

  web::WebRequest Request(std::string_view method, std::string_view path) {
    web::WebRequest request;
    request.method = method;
    request.path = request.raw_path = path;
    request.headers = {{"Host", "localhost"}, {"Authorization", "Bearer secret"}};
    request.remote = *base::Address::ParseIp("127.0.0.1", 5);
    return request;
  }
  std::string Lines() {
    log_writer.Flush();
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::string path_;
  std::unique_ptr<AdminAccessLog> log_;
};

TEST_F(AdminAccessLogTest, OneLinePerRequestWithoutTheToken) {
  web::WebRequest request = Request("GET", "/ready");
  request.query = {{"a", "b c"}, {"d", ""}};
  log_->Logged(request, &HandleAdmin);
  log_->Logged(Request("DELETE", "/ready"), &HandleAdmin);
  EXPECT_EQ(Lines(),
            "GET /ready?a=b%20c&d 200 5 - localhost\n"
            "DELETE /ready 405 26 - localhost\n");
}

TEST_F(AdminAccessLogTest, AStreamedAnswerIsLoggedWhenItIsOver) {
  registry.Get<observe::ClusterStats>(observe::Scope::kCluster, "web", 0);
  std::size_t bytes = 0;
  {
    web::WebResponse response = log_->Logged(Request("GET", "/stats"), &HandleAdmin);
    ASSERT_TRUE(response.chunks);
    for (bool more = true; more;) {
      std::string chunk;
      more = response.chunks(chunk);
      bytes += chunk.size();
    }
    EXPECT_EQ(Lines(), "");
  }
  EXPECT_EQ(Lines(), base::Cat("GET /stats 200 ", bytes, " - localhost\n"));
}

}  // namespace
}  // namespace sluice::server
