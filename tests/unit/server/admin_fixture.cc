#include "tests/unit/server/admin_fixture.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "base/field_errors.h"
#include "base/strings.h"

namespace sluice::server {

AdminFixture::AdminFixture()
    : log_writer({}, clock, log_stats),
      sources{clock,
              registry,
              options,
              bootstrap,
              state,
              healthcheck_failed,
              StandingClock::Start(),
              [this] { return xds; },
              [this] { return clusters; },
              [this] { return listeners; },
              [] { return nullptr; },
              [this](bool fail) { commands += fail ? "fail " : "ok "; },
              [this](AdminSources::Drain how) {
                constexpr std::string_view kNames[] = {"drain ", "graceful ", "for ever "};
                commands += kNames[static_cast<std::size_t>(how)];
              },
              [this] { commands += "quit "; },
              [this](const auto& values) {
                for (const auto& [key, value] : values) {
                  base::Append(commands, key, "=", value, " ");
                }
              },
              [this] { commands += "reopen "; },
              registry.Get<observe::ServerStats>(observe::Scope::kServer, "", kAdminOwner),
              log_writer,
              events} {}

void AdminFixture::AddCluster(std::shared_ptr<const config::Cluster> cluster, unsigned workers) {
  upstream::ClusterView view;
  view.hosts = upstream::BuildHostSet(cluster->assignment.endpoints, nullptr, {.workers = workers});
  view.config = std::move(cluster);
  const std::string name = view.config->name;
  clusters->Set(name, std::make_shared<const upstream::ClusterView>(std::move(view)));
}

void AdminFixture::Load(std::string_view yaml) {
  base::FieldErrors errors;
  auto loaded = config::LoadBootstrap(yaml, "test.yaml", {}, {}, errors);
  ASSERT_NE(loaded, nullptr) << errors.Text("\n");
  bootstrap = std::move(*loaded);
  for (const auto& each : bootstrap.clusters) AddCluster(each.value, 2);
}

AdminFixture::Answer AdminFixture::Ask(std::string_view target, std::string_view method) {
  web::WebRequest request;
  request.method = method;
  const std::size_t question = target.find('?');
  request.path = request.raw_path = target.substr(0, question);
  if (question != std::string_view::npos) {
    for (const std::string_view pair : base::Split(target.substr(question + 1), '&')) {
      const std::size_t equals = pair.find('=');
      request.query.emplace_back(pair.substr(0, equals), equals == std::string_view::npos
                                                             ? std::string_view()
                                                             : pair.substr(equals + 1));
    }
  }
  web::WebResponse response = HandleAdmin(sources, request);
  Answer answer{response.status,
                response.content_type,
                std::move(response.body),
                0,
                0,
                std::string(web::FindHeader(response.headers, "Allow").value_or(""))};
  if (!response.chunks) return answer;
  for (bool more = true; more;) {
    std::string chunk;
    more = response.chunks(chunk);
    answer.body += chunk;
    ++answer.pieces;
    answer.largest = std::max(answer.largest, chunk.size());
  }
  return answer;
}

void AdminFixture::ExpectGolden(std::string_view name, const std::string& text) {
  const std::string path = base::Cat(SLUICE_SOURCE_DIR "/tests/golden/admin/", name);
  if (std::getenv("SLUICE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
  }
  std::ifstream in(path, std::ios::binary);
  EXPECT_EQ(text, std::string(std::istreambuf_iterator<char>(in), {})) << path;
}

}  // namespace sluice::server
