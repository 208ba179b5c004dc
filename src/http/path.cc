#include "http/path.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "http/chars.h"

namespace sluice::http {
namespace {

// Whether NormalizePath could have anything to do: the answer for most paths is no.
bool NeedsWork(std::string_view path, const PathOptions& options) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c == '%' || c == '\\') return true;
    if (c != '/' || i + 1 == path.size()) continue;
    if (path[i + 1] == '/' && options.merge_slashes) return true;
    if (path[i + 1] != '.') continue;
    // "/.well-known" is as it should be.
    if (i + 2 == path.size() ||
        std::string_view("./;").find(path[i + 2]) != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

int EscapedByte(std::string_view path, std::size_t at) {
  if (path.size() - at < 3) return -1;
  const int high = HexValue(path[at + 1]);
  const int low = HexValue(path[at + 2]);
  return high < 0 || low < 0 ? -1 : high << 4 | low;
}

// %C0%AE and its kind: overlong forms of ASCII, which lenient decoders turn into '.' or '/'.
bool IsOverlong(std::string_view path, std::size_t at, int byte) {
  if (byte != 0xC0 && byte != 0xC1) return false;
  if (at + 3 >= path.size() || path[at + 3] != '%') return false;
  const int next = EscapedByte(path, at + 3);
  return next >= 0x80 && next <= 0xBF;
}

struct Decoded {
  PathVerdict verdict = PathVerdict::kOk;
  std::size_t size = 0;
};

// One pass over path[0, size), in place; nothing it writes is looked at again, so nothing is
// decoded twice.
Decoded DecodeEscapes(std::string& path, std::size_t size, const PathOptions& options) {
  static constexpr char kHexDigits[] = "0123456789ABCDEF";
  Decoded out;
  const std::string_view in = std::string_view(path).substr(0, size);
  std::size_t& to = out.size;
  for (std::size_t i = 0; i < size; ++i) {
    if (in[i] != '%') {
      path[to++] = options.normalize && in[i] == '\\' ? '/' : in[i];
      continue;
    }
    const int byte = EscapedByte(in, i);
    if ((byte == '/' || byte == '\\') && options.escaped_slashes != EscapedSlashes::kKeep) {
      if (options.escaped_slashes == EscapedSlashes::kReject) return {PathVerdict::kReject, 0};
      if (options.escaped_slashes == EscapedSlashes::kRedirect) {
        out.verdict = PathVerdict::kRedirect;
      }
      path[to++] = byte == '\\' && !options.normalize ? '\\' : '/';
      i += 2;
      continue;
    }
    if (!options.normalize) {
      path[to++] = '%';
      continue;
    }
    // A stray '%' might meet digits decoded behind it; a NUL ends the path for C programs.
    if (byte <= 0 || IsOverlong(in, i, byte)) return {PathVerdict::kReject, 0};
    if (IsUnreserved(static_cast<char>(byte))) {
      path[to++] = static_cast<char>(byte);
    } else {
      path[to++] = '%';
      path[to++] = kHexDigits[byte >> 4];
      path[to++] = kHexDigits[byte & 15];
    }
    i += 2;
  }
  return out;
}

// "..;x" is ".." to some servlet containers and a name to everyone else.
bool IsDisguisedDots(std::string_view segment) {
  const std::size_t dots = std::min(segment.find_first_not_of('.'), segment.size());
  if (dots == 0 || dots > 2) return false;
  const std::string_view rest = segment.substr(dots);
  return rest.starts_with(';') || rest.starts_with("%3B");
}

// RFC 3986 section 5.2.4, in place; the new size, or nothing for disguised dot segments.
std::optional<std::size_t> RemoveDotSegments(std::string& path, std::size_t size) {
  std::size_t to = 0;
  std::size_t at = 0;
  while (at < size) {  // path[at] is the '/' before a segment.
    const std::size_t end = std::min(path.find('/', at + 1), size);
    const std::string_view segment = std::string_view(path).substr(at + 1, end - at - 1);
    if (IsDisguisedDots(segment)) return std::nullopt;
    const bool last = end == size;
    if (segment == ".") {
      if (last) path[to++] = '/';
    } else if (segment == "..") {
      while (to > 0 && path[--to] != '/') {
      }
      if (last) path[to++] = '/';
    } else {
      std::memmove(path.data() + to, path.data() + at, end - at);
      to += end - at;
    }
    at = end;
  }
  return to;
}

std::size_t MergeSlashes(std::string& path, std::size_t size) {
  std::size_t to = 0;
  for (std::size_t i = 0; i < size; ++i) {
    if (path[i] == '/' && to > 0 && path[to - 1] == '/') continue;
    path[to++] = path[i];
  }
  return to;
}

// The path part is path[0, query); `path` is left in pieces by kReject.
PathVerdict Rewrite(std::string& path, std::size_t query, const PathOptions& options) {
  const Decoded decoded = DecodeEscapes(path, query, options);
  if (decoded.verdict == PathVerdict::kReject) return PathVerdict::kReject;
  std::size_t size = decoded.size;
  if (options.normalize) {
    const std::optional<std::size_t> shorter = RemoveDotSegments(path, size);
    if (!shorter) return PathVerdict::kReject;
    size = *shorter;
  }
  if (options.merge_slashes) size = MergeSlashes(path, size);
  path.erase(size, query - size);
  return decoded.verdict;
}

}  // namespace

PathVerdict NormalizePath(std::string& path, const PathOptions& options) {
  if (path.empty() || path == "*") return PathVerdict::kOk;  // CONNECT, OPTIONS *
  if (path.front() != '/') return PathVerdict::kReject;
  // Some servers end the path here, some do not.
  if (path.find('#') != std::string::npos) return PathVerdict::kReject;
  const std::size_t query = std::min(path.find('?'), path.size());
  if (!NeedsWork(std::string_view(path).substr(0, query), options)) return PathVerdict::kOk;
  std::string original = path;
  const PathVerdict verdict = Rewrite(path, query, options);
  if (verdict == PathVerdict::kReject) path.swap(original);  // The log shows what came.
  return verdict;
}

void AppendPercentDecoded(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int byte = text[i] == '%' ? EscapedByte(text, i) : -1;
    if (byte < 0) {
      out += text[i];
    } else {
      out += static_cast<char>(byte);
      i += 2;
    }
  }
}

}  // namespace sluice::http
