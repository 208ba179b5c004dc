#pragma once
// Path normalisation before routing; the same result goes upstream. RFC 3986 section 6.2.2.

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::http {

enum class EscapedSlashes : std::uint8_t { kKeep, kReject, kRedirect, kUnescape };

struct PathOptions {
  bool normalize = true;  // Dot segments resolved, unreserved %XX decoded once, case of %XX.
  bool merge_slashes = false;
  EscapedSlashes escaped_slashes = EscapedSlashes::kKeep;

  bool operator==(const PathOptions&) const = default;
};

enum class PathVerdict : std::uint8_t { kOk, kReject, kRedirect };

// Rewrites the path part of `path` in place (its query is untouched). kReject: answer 400
// and `path` is untouched. kRedirect: answer 307 to the rewritten `path`. A path that needs no
// change is not copied. Raw '#' is refused whatever the options; when normalising, also %00,
// stray '%', overlong UTF-8 and the path parameters of dot segments ("/..;x/").
PathVerdict NormalizePath(std::string& path, const PathOptions& options);

// %XX as the byte it stands for; what is no such thing stays as it is.
void AppendPercentDecoded(std::string_view text, std::string& out);

}  // namespace sluice::http
