// Talking to sluice-control, and telling what it said.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <utility>

#include "base/field_errors.h"
#include "base/status.h"
#include "base/strings.h"
#include "config/yaml_tree.h"
#include "sluicectl.h"
#include "web/client.h"

namespace sluice::control {
namespace {

constexpr std::size_t kInputBytesMax = 64 << 20;

// The text of a member of a JSON object, or "".
std::string_view Member(const config::YamlTree& tree, const config::YamlNode& object,
                        std::string_view name) {
  const config::YamlNode* value = tree.Find(object, name);
  return value != nullptr && value->kind == config::YamlNode::Kind::kScalar ? value->text
                                                                            : std::string_view();
}

// {"error": "...", "errors": [{path, message, location}]}: the list where there is one.
void TellErrors(const web::WebReply& reply) {
  config::YamlTree tree;
  base::FieldErrors ignored;
  if (!tree.Parse(reply.body, "", ignored) ||
      tree.root().kind != config::YamlNode::Kind::kMapping) {
    std::cerr << "sluicectl: the server answered " << reply.status << ": "
              << base::Printable(reply.body, 512) << "\n";
    return;
  }
  const config::YamlNode* list = tree.Find(tree.root(), "errors");
  if (list == nullptr || list->children.empty()) {
    std::cerr << "sluicectl: " << base::Printable(Member(tree, tree.root(), "error"), 4096) << "\n";
    return;
  }
  for (const std::uint32_t index : list->children) {
    const config::YamlNode& error = tree.node(index);
    for (const std::string_view name : {"location", "path"}) {
      const std::string_view text = Member(tree, error, name);
      if (!text.empty()) std::cerr << base::Printable(text) << ": ";
    }
    std::cerr << base::Printable(Member(tree, error, "message"), 4096) << "\n";
  }
}

int CodeOf(unsigned status) {
  if (status >= 200 && status < 300) return kOk;
  if (status == 412) return kConflict;
  // 409: the configuration that would be left is no good, or something is there already.
  return status == 400 || status == 409 || status == 422 ? kRefused : kFailed;
}

bool AddToken(const CtlServer& server, web::WebCall& call) {
  if (server.token_file.empty()) return true;
  const std::optional<std::string> text = ReadInput(server.token_file);
  if (!text.has_value()) return false;
  std::string_view token = *text;
  while (token.ends_with('\n') || token.ends_with('\r')) token.remove_suffix(1);
  call.headers.push_back({"Authorization", base::Cat("Bearer ", token)});
  return true;
}

}  // namespace

int Fail(std::string_view message) {
  std::cerr << "sluicectl: " << message << "\n";
  return kFailed;
}

void PrintErrors(const base::FieldErrors& errors) { std::cerr << errors.Text("\n") << "\n"; }

std::optional<std::string> ReadInput(const std::string& path) {
  const int fd = path == "-" ? ::dup(0) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string out;
  char buffer[64 * 1024];
  ssize_t got = fd < 0 ? -1 : 1;
  while (got > 0 && out.size() <= kInputBytesMax) {
    got = ::read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR)
      got = 1;
    else if (got > 0)
      out.append(buffer, static_cast<std::size_t>(got));
  }
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (got < 0) {
    Fail(base::Cat("cannot read '", path, "': ", std::strerror(error)));
    return std::nullopt;
  }
  if (out.size() > kInputBytesMax) {
    Fail(base::Cat("'", path, "' is larger than 64 MiB"));
    return std::nullopt;
  }
  return out;
}

CtlReply CallApi(const CtlServer& server, const CtlCall& call, int& code) {
  web::WebCall request;
  request.method = call.method;
  std::string_view url = server.url;
  while (url.ends_with('/')) url.remove_suffix(1);
  request.url = base::Cat(url, call.path);
  request.body = call.body;
  request.timeout = std::chrono::milliseconds(30'000);
  if (!call.content_type.empty()) {
    request.headers.push_back({"Content-Type", call.content_type});
  }
  if (!call.accept.empty()) request.headers.push_back({"Accept", call.accept});
  if (!call.if_match.empty()) request.headers.push_back({"If-Match", call.if_match});
  if (!AddToken(server, request)) {
    code = kFailed;
    return {};
  }
  const auto reply = web::Fetch(request);
  if (!reply.ok()) {
    Fail(base::Cat(url, ": ", base::MessageOf(reply.status())));
    const bool away = reply.status().code() == absl::StatusCode::kUnavailable ||
                      reply.status().code() == absl::StatusCode::kDeadlineExceeded;
    if (away) std::cerr << "Is sluice-control running there? --server or SLUICE_API names it.\n";
    code = away ? kNoConnection : kFailed;
    return {};
  }
  code = CodeOf(reply->status);
  if (code != kOk) TellErrors(*reply);
  if (reply->status == 401) std::cerr << "Use --token-file.\n";
  return {reply->status, reply->body, std::string(reply->Header("ETag").value_or(""))};
}

std::optional<AppsConfig> FetchConfig(const CtlServer& server, int& code) {
  const CtlReply reply =
      CallApi(server, {.path = "/v1/config", .accept = "application/json"}, code);
  if (code != kOk) return std::nullopt;
  base::FieldErrors errors;
  AppsConfig config = ParseApps(reply.body, server.url, errors);
  if (errors.empty()) return config;
  PrintErrors(errors);
  code = Fail("the server's configuration cannot be read; is it of another version?");
  return std::nullopt;
}

}  // namespace sluice::control
