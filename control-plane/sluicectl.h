#pragma once
// sluicectl: what its files share. One thread, one command per run.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps.h"

namespace sluice::base {
class FieldErrors;
}

namespace sluice::control {

// Exit codes, a promise to scripts.
inline constexpr int kOk = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kNoConnection = 3;
inline constexpr int kRefused = 4;   // By validation, here or there.
inline constexpr int kConflict = 5;  // Somebody else was faster: 412.

enum class Output { kTable, kYaml, kJson };

struct CtlServer {
  std::string url = "http://127.0.0.1:18001";
  std::string token_file;
  // After a change, how long to wait until every proxy acknowledged it; unset: a moment, and those
  // that have not are no failure.
  std::optional<double> wait_s;
};

struct CtlCall {
  std::string method = "GET";
  std::string path = {};
  std::string body = {};
  std::string content_type = {};
  std::string accept = {};
  std::string if_match = {};
};

struct CtlReply {
  unsigned status = 0;
  std::string body;
  std::string etag;
};

// Calls the API. Anything but a 2xx is told on stderr: `code` is its exit code then, else kOk.
CtlReply CallApi(const CtlServer& server, const CtlCall& call, int& code);
// After a change: waits for the connected proxies, tells what they said. kFailed when `wait_s` is
// set and not all acknowledged; kRefused when one refused.
int AwaitProxies(const CtlServer& server);
// The whole configuration; nullopt with `code`.
std::optional<AppsConfig> FetchConfig(const CtlServer& server, int& code);

// A file, or stdin for "-". Nullopt after telling why.
std::optional<std::string> ReadInput(const std::string& path);
// Every error on a line of its own, on stderr.
void PrintErrors(const base::FieldErrors& errors);
int Fail(std::string_view message);  // On stderr; kFailed.
using TableRow = std::vector<std::string>;
void PrintTable(const std::vector<TableRow>& rows);

struct RouteFlags {
  std::string host, id, before;
  std::string path, prefix, exact, regex;
  std::string app, respond, body, redirect, status;
  std::vector<std::string> split;  // "name=weight"
  std::vector<std::string> methods, set_headers, set_response_headers;
  bool strip_prefix = false;
  std::string rewrite, host_header, timeout;
};

struct AppFlags {
  std::string name;
  std::vector<std::string> urls;
  std::string connect_timeout, ca_file;
};

int Apply(const CtlServer& server, const std::string& file, const std::string& if_match);
int Get(const CtlServer& server, const std::string& what, Output output);
int SetApp(const CtlServer& server, const AppFlags& flags);
int RemoveApp(const CtlServer& server, const std::string& name);
int AddRoute(const CtlServer& server, const RouteFlags& flags);
int RemoveRoute(const CtlServer& server, const std::string& host, const std::string& id);
int Proxies(const CtlServer& server, Output output);
int Status(const std::string& admin);

// Without a server.
int Validate(const std::string& file);
struct ExplainFlags {
  std::string url, method = "GET", file;
  std::vector<std::string> headers;  // "name: value"
};
int Explain(const CtlServer& server, const ExplainFlags& flags);
int Completion(const std::string& shell);

}  // namespace sluice::control
