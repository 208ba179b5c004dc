#pragma once
// The whole of `sluice-control`: one loop that owns the store, the streams' watches and the API.
//
// At start, what --data holds wins over --config: it is what proxies got last, changes made through
// the API included. Afterwards an edit of the file (--watch, or SIGHUP) replaces everything, and
// the last change wins, whoever made it. A file that is wrong at start ends the process; later the
// last good configuration stays, and /readyz?verbose and GET /v1/config say why.

#include <memory>
#include <string>

#include "ads_server.h"
#include "api_server.h"
#include "net/file_watch.h"
#include "net/loop.h"
#include "net/signals.h"
#include "options.h"
#include "rest_api.h"
#include "store.h"

namespace sluice::control {

class Control {
 public:
  // `token`: of --api-token-file, "" for none.
  Control(Options options, std::string token);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  // Until SIGTERM or SIGINT. The process' exit code.
  int Run();

 private:
  bool LoadFirst();
  bool StartServers();
  bool WriteAddresses(const std::string& text) const;
  // "" or every error, a line each.
  std::string TakeFile();
  void Reload(std::string_view why);
  void OnSignal(int signal);
  void Stop();

  const Options options_;
  const std::string token_;
  net::Loop loop_;
  Store store_;
  AdsServer ads_;
  RestApi api_;
  ApiServer api_server_;
  std::unique_ptr<net::Signals> signals_;
  std::unique_ptr<net::FileWatch> watch_;
  std::string file_hash_;  // Of the file as it was read last.
};

// --validate: 0, or 1 with every error on stderr.
int ValidateFile(const std::string& path);

// The first line of a file, without blanks around it; an error when it is empty.
absl::StatusOr<std::string> ReadToken(const std::string& path);

}  // namespace sluice::control
