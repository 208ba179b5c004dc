#include "control-plane/store.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "apps_testing.h"
#include "base/status.h"
#include "base/strings.h"
#include "gmock/gmock.h"
#include "harness/certificates.h"

namespace sluice::control {
namespace {

using testing::HasSubstr;

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    std::string pattern = testing::TempDir() + "sluice-store-XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  ~StoreTest() override { std::filesystem::remove_all(directory_); }

  std::string File() const { return directory_ + "/apps.yaml"; }
  void Write(std::string_view text) const { std::ofstream(File(), std::ios::binary) << text; }

  std::string directory_;
};

AppsConfig Numbered(int n) {
  return Parsed(
      base::Cat("listeners: {web: {port: 8000}}\n"
                "apps: {a: {url: http://127.0.0.1:",
                1 + n % 60'000,
                "}}\n"
                "hosts: {\"*\": {routes: [{path: /n",
                n, ", app: a}, {path: /, app: a}]}}"));
}

TEST_F(StoreTest, StartsEmptyWithATagAndASnapshot) {
  Store store("", nullptr);
  EXPECT_EQ(store.current().config, AppsConfig{});
  EXPECT_EQ(store.current().etag.size(), 34U);
  ASSERT_NE(store.current().snapshot, nullptr);
  EXPECT_EQ(store.Load().code(), absl::StatusCode::kNotFound);
}

TEST_F(StoreTest, KeepsWhatWasReplaced) {
  int changes = 0;
  Store store(directory_, [&](const StoredConfig&) { ++changes; });
  EXPECT_EQ(store.Load().code(), absl::StatusCode::kNotFound);
  const std::string before = store.current().etag;
  ASSERT_TRUE(store.Replace(Parsed(SampleText()), "").ok());
  EXPECT_EQ(changes, 1);
  EXPECT_NE(store.current().etag, before);

  Store other(directory_, [&](const StoredConfig&) { ++changes; });
  ASSERT_TRUE(other.Load().ok());
  EXPECT_EQ(changes, 2);
  EXPECT_EQ(other.current().config, store.current().config);
  EXPECT_EQ(other.current().etag, store.current().etag);
  for (std::size_t i = 0; i < static_cast<std::size_t>(Type::kCount); ++i) {
    const Type type = static_cast<Type>(i);
    EXPECT_EQ(other.current().snapshot->Of(type).version,
              store.current().snapshot->Of(type).version);
  }
}

TEST_F(StoreTest, RefusesALostRace) {
  Store store(directory_, nullptr);
  ASSERT_TRUE(store.Replace(Numbered(1), "*").ok());
  const std::string tag = store.current().etag;
  ASSERT_TRUE(store.Replace(Numbered(2), tag).ok());
  EXPECT_EQ(store.Replace(Numbered(3), tag).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(store.current().config, Numbered(2));
  // Back to the first content is the first tag: it is of the content, not of the count.
  ASSERT_TRUE(store.Replace(Numbered(1), "").ok());
  EXPECT_EQ(store.current().etag, tag);
}

TEST_F(StoreTest, ChangesNothingOnABadConfiguration) {
  int changes = 0;
  Store store(directory_, [&](const StoredConfig&) { ++changes; });
  ASSERT_TRUE(store.Replace(Numbered(1), "").ok());
  const StoredConfig before = store.current();
  const std::string file = ReadText(File());
  AppsConfig bad = Numbered(2);
  bad.apps.clear();
  const absl::Status status = store.Replace(bad, "");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("there is no app 'a'"));
  ASSERT_EQ(store.refusal().size(), 2U);
  EXPECT_EQ(store.refusal()[0].path, "hosts[\"*\"].routes[0].app");
  EXPECT_EQ(changes, 1);
  EXPECT_EQ(store.current().etag, before.etag);
  EXPECT_EQ(store.current().snapshot, before.snapshot);
  EXPECT_EQ(ReadText(File()), file);
}

TEST_F(StoreTest, ChangesNothingWhenItCannotWrite) {
  Store store(directory_ + "/absent", nullptr);
  const absl::Status status = store.Replace(Numbered(1), "");
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot create"));
  EXPECT_EQ(store.current().config, AppsConfig{});
}

TEST_F(StoreTest, EditsACopy) {
  Store store(directory_, nullptr);
  ASSERT_TRUE(store.Replace(Numbered(1), "").ok());
  ASSERT_TRUE(store
                  .Edit(
                      [](AppsConfig& config) {
                        config.hosts["*"].routes.insert(config.hosts["*"].routes.begin(),
                                                        RouteSpec{.path = "/new", .app = "a"});
                        return absl::OkStatus();
                      },
                      store.current().etag)
                  .ok());
  EXPECT_EQ(store.current().config.hosts.at("*").routes[0].id, "new");
  const std::string tag = store.current().etag;
  EXPECT_EQ(store
                .Edit(
                    [](AppsConfig& config) {
                      config.apps.clear();
                      return base::NotFound("no");
                    },
                    "")
                .code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(store.current().etag, tag);
  EXPECT_FALSE(store.current().config.apps.empty());
  EXPECT_EQ(store.Edit([](AppsConfig&) { return base::NotFound("no"); }, "\"old\"").code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(StoreTest, SetsDamagedFilesAside) {
  {
    Store store(directory_, nullptr);
    ASSERT_TRUE(store.Replace(Numbered(1), "").ok());
  }
  const std::string good = ReadText(File());
  const std::vector<std::string> damaged = {"",
                                            good.substr(0, good.size() / 2),
                                            "x" + good,
                                            good + "x",
                                            good + good,
                                            "listeners: {}\n",
                                            good.substr(0, good.size() - 1)};
  for (std::size_t i = 0; i < damaged.size(); ++i) {
    Write(damaged[i]);
    Store store(directory_, nullptr);
    const absl::Status status = store.Load();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << i;
    const std::string aside = base::Cat(File(), ".damaged-", i);
    EXPECT_THAT(std::string(status.message()), HasSubstr(aside));
    EXPECT_EQ(ReadText(aside), damaged[i]);
    EXPECT_EQ(store.Load().code(), absl::StatusCode::kNotFound);
  }
  Write(good);
  Store store(directory_, nullptr);
  EXPECT_TRUE(store.Load().ok());
}

TEST_F(StoreTest, LeavesAFileWhoseNeighboursAreGone) {
  const std::string ca = directory_ + "/ca.pem";
  Store store(directory_, nullptr);
  AppsConfig config = Numbered(1);
  config.apps["s"] = {.urls = {"https://s.example.com"}, .ca_file = ca};
  EXPECT_THAT(std::string(store.Replace(config, "").message()), HasSubstr("apps.s.ca_file"));
  EXPECT_FALSE(std::filesystem::exists(File()));
}

// Proxies have what the file held; a start must not take it from them.
TEST_F(StoreTest, ACaFileThatIsGoneIsServedAsItWas) {
  const std::string ca = directory_ + "/ca.pem";
  const harness::CertificateAuthority authority;
  std::ofstream(ca) << authority.pem();
  AppsConfig config = Numbered(1);
  config.apps["s"] = {.urls = {"https://s.example.com"}, .ca_file = ca};
  {
    Store store(directory_, nullptr);
    ASSERT_TRUE(store.Replace(config, "").ok());
  }
  std::filesystem::remove(ca);
  Store store(directory_, nullptr);
  ASSERT_TRUE(store.Load().ok());
  EXPECT_TRUE(store.current().snapshot->ca_files.gone.contains(ca));
  const auto& clusters = store.current().snapshot->Of(Type::kClusters).resources;
  EXPECT_THAT(clusters.at("s")->bytes, HasSubstr(authority.pem()));
  // Other changes are taken all the while, and again after the next start.
  config.apps["t"] = {.urls = {"http://127.0.0.1:9"}};
  EXPECT_TRUE(store.Replace(config, "").ok());
  Store again(directory_, nullptr);
  EXPECT_TRUE(again.Load().ok());
  // A copy that is damaged counts as none.
  std::ofstream(directory_ + "/ca_files") << "1 1\nx";
  EXPECT_EQ(Store(directory_, nullptr).Load().code(), absl::StatusCode::kFailedPrecondition);
  // Once the file is there, it is read.
  std::ofstream(ca) << authority.pem();
  ASSERT_TRUE(again.Replace(config, "").ok());
  EXPECT_TRUE(again.current().snapshot->ca_files.gone.empty());
}

// A writer that dies at any moment leaves one of the versions it wrote, whole.
TEST_F(StoreTest, SurvivesKillMinusNine) {
  int survived_updates = 0;
  for (int round = 0; round < 12; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Store store(directory_, nullptr);
      for (int n = round * 1000; n < round * 1000 + 1000; ++n) {
        if (!store.Replace(Numbered(n), "").ok()) ::_exit(1);
        const char byte = 'x';
        if (::write(pipe_ends[1], &byte, 1) != 1) ::_exit(1);
      }
      ::_exit(0);
    }
    ::close(pipe_ends[1]);
    // After some answered writes the next one is under way.
    int answered = 0;
    char byte = 0;
    while (answered < 1 + round && ::read(pipe_ends[0], &byte, 1) == 1) ++answered;
    ASSERT_EQ(answered, 1 + round);
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    while (::read(pipe_ends[0], &byte, 1) == 1) ++answered;
    ::close(pipe_ends[0]);

    Store store(directory_, nullptr);
    ASSERT_TRUE(store.Load().ok()) << store.Load();
    std::optional<int> found;
    for (int n = round * 1000 + answered - 1; n <= round * 1000 + answered; ++n) {
      if (store.current().config == Numbered(n)) found = n;
    }
    EXPECT_TRUE(found.has_value()) << "neither the last answered version nor the next";
    survived_updates += answered;
  }
  EXPECT_GT(survived_updates, 12);
}

}  // namespace
}  // namespace sluice::control
