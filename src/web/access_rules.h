#pragma once
// Who may talk to an HTTP port of ours: the rules against browsers that others steer. Pure.

#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "web/message.h"

namespace sluice::web {

struct AccessRules {
  std::vector<std::string> host_names;
  std::string token;
  std::vector<std::string> open_paths;
};

struct Denial {
  unsigned status = 0;  // 0: not denied.
  std::string why;

  explicit operator bool() const { return status != 0; }
};

// Judges a request by its head; `local` is the address the client reached, `has_body` whether a
// body follows.
Denial Judge(const AccessRules& rules, const WebRequest& request, const base::Address& local,
             bool has_body);

}  // namespace sluice::web
