// Paths: normalised twice is normalised once; no dot segment, no escape decoded twice; the query
// stays. Authorities ride along: what is taken stays taken under the host options.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/strings.h"
#include "http/authority.h"
#include "http/path.h"

namespace sluice::http {
namespace {

void CheckPath(std::string_view input, const PathOptions& options) {
  std::string once(input);
  const PathVerdict verdict = NormalizePath(once, options);
  if (verdict == PathVerdict::kReject) {
    SLUICE_CHECK(once == input);
    return;
  }
  SLUICE_CHECK(once.size() <= input.size());
  SLUICE_CHECK(once.find('#') == std::string::npos);
  std::string twice = once;
  SLUICE_CHECK(NormalizePath(twice, options) == PathVerdict::kOk && twice == once);
  const std::size_t query = input.find('?');
  if (query != std::string_view::npos) SLUICE_CHECK(once.ends_with(input.substr(query)));
  if (!options.normalize || once == "*") return;
  const std::string_view path = std::string_view(once).substr(0, once.find('?'));
  for (const std::string_view segment : base::Split(path, '/')) {
    SLUICE_CHECK(segment != "." && segment != "..");
    SLUICE_CHECK(!segment.starts_with("..;") && !segment.starts_with(".;"));
  }
  SLUICE_CHECK(path.find('\\') == std::string_view::npos);
  SLUICE_CHECK(path.find("%2E") == std::string_view::npos);
  if (options.merge_slashes) SLUICE_CHECK(path.find("//") == std::string_view::npos);
}

void CheckAuthority(std::string_view input, const HostOptions& options) {
  if (!ParseAuthority(input)) return;
  std::string authority(input);
  NormalizeAuthority(authority, options, 80);
  SLUICE_CHECK(ParseAuthority(authority).has_value());
  std::string again = authority;
  NormalizeAuthority(again, options, 80);
  SLUICE_CHECK(again == authority);
}

// One byte of choices, then the text.
void RunOne(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  PathOptions path;
  path.normalize = (data[0] & 1) != 0;
  path.merge_slashes = (data[0] & 2) != 0;
  path.escaped_slashes = static_cast<EscapedSlashes>(data[0] >> 2 & 3);
  CheckPath(input, path);
  HostOptions host;
  host.strip_port = static_cast<HostOptions::StripPort>((data[0] >> 4 & 3) % 3);
  host.strip_trailing_dot = (data[0] & 64) != 0;
  CheckAuthority(input, host);
}

}  // namespace
}  // namespace sluice::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sluice::http::RunOne(data, size);
  return 0;
}
