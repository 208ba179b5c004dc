#include "web/wire.h"

#include <boost/beast/http/status.hpp>
#include <charconv>

#include "base/strings.h"

namespace sluice::web {
namespace {

namespace http = boost::beast::http;

std::string OneLine(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return out;
}

}  // namespace

bool ParseTarget(std::string_view target, WebRequest& request) {
  if (!target.starts_with('/')) return false;
  target = target.substr(0, target.find('#'));
  const std::size_t question = target.find('?');
  request.raw_path = target.substr(0, question);
  auto path = PercentDecode(request.raw_path, false);
  if (!path) return false;
  request.path = std::move(*path);
  if (question == target.npos) return true;
  for (const std::string_view pair : base::Split(target.substr(question + 1), '&')) {
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    auto key = PercentDecode(pair.substr(0, equals), true);
    auto value = PercentDecode(equals == pair.npos ? "" : pair.substr(equals + 1), true);
    if (!key || !value) return false;
    request.query.emplace_back(std::move(*key), std::move(*value));
  }
  return true;
}

std::string ResponseHead(const WebResponse& response, const HeadOptions& options) {
  const auto reason = http::obsolete_reason(static_cast<http::status>(response.status));
  std::string head = base::Cat("HTTP/1.1 ", response.status, " ",
                               std::string_view(reason.data(), reason.size()), "\r\n");
  const auto add = [&head](std::string_view name, std::string_view value) {
    base::Append(head, OneLine(name), ": ", OneLine(value), "\r\n");
  };
  if (!response.content_type.empty()) add("content-type", response.content_type);
  for (const WebHeader& header : response.headers) add(header.name, header.value);
  if (!FindHeader(response.headers, "cache-control")) add("cache-control", "no-cache, max-age=0");
  add("x-content-type-options", "nosniff");
  if (response.chunks) {
    if (!options.http_1_0) add("transfer-encoding", "chunked");
  } else if (response.status >= 200 && response.status != 204 && response.status != 304) {
    base::Append(head, "content-length: ", response.body.size(), "\r\n");
  }
  if (!options.keep_alive) add("connection", "close");
  return head + "\r\n";
}

void FrameChunk(std::string_view bytes, std::string& framed) {
  char size[16];
  const auto digits = std::to_chars(size, size + sizeof(size), bytes.size(), 16);
  framed.assign(size, digits.ptr);
  base::Append(framed, "\r\n", bytes, "\r\n");
}

}  // namespace sluice::web
