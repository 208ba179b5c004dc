#pragma once
// Requests and responses of the small HTTP ports (admin, API) as values. No Beast in here.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"  // lint-ok: std::move_only_function is C++23.
#include "base/address.h"

namespace sluice::web {

struct WebHeader {
  std::string name;
  std::string value;

  bool operator==(const WebHeader&) const = default;
};

// The first header of that name (any case); nullopt when there is none.
std::optional<std::string_view> FindHeader(const std::vector<WebHeader>& headers,
                                           std::string_view name);

struct WebRequest {
  std::string method;  // "GET" for HEAD, too: the server drops the body itself.
  bool is_head = false;
  std::string path;      // Percent-decoded, without the query; starts with '/', holds no NUL.
  std::string raw_path;  // As it came, without the query: for names with an encoded slash.
  std::vector<std::pair<std::string, std::string>> query;  // Decoded, in order: "a=1&b" has b="".
  std::vector<WebHeader> headers;
  std::string body;
  base::Address remote;

  std::optional<std::string_view> Header(std::string_view name) const {
    return FindHeader(headers, name);
  }
  // The first parameter of that name; nullopt when there is none.
  std::optional<std::string_view> Query(std::string_view name) const;
};

// Fills `chunk` (empty at the call) with the next bytes; false: this was the last call. Runs on
// the server's thread, one chunk at a time as the client takes them.
using WebChunks = absl::AnyInvocable<bool(std::string& chunk)>;

struct WebResponse {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=UTF-8";  // "": none is sent.
  std::vector<WebHeader> headers;
  std::string body;
  WebChunks chunks;  // Instead of body when set; sent chunked, never held whole.
};

// "%41+b" to "Ab" with `plus_is_space`; nullopt for a bad escape or NUL.
std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_space);
// Everything but unreserved characters escaped.
std::string PercentEncode(std::string_view text);

}  // namespace sluice::web
