#include "harness/client.h"

#include <charconv>

#include "base/strings.h"

namespace sluice::harness {
namespace {

int StatusOf(std::string_view head) {
  int status = 0;
  if (head.size() < 12 || head.substr(0, 7) != "HTTP/1.") return 0;
  std::from_chars(head.data() + 9, head.data() + 12, status);
  return status;
}

}  // namespace

bool Client::SendSlowly(std::string_view bytes) {
  for (const char byte : bytes) {
    if (socket_.Readable(base::milliseconds(0))) return true;
    if (!socket_.Write({&byte, 1})) return false;
  }
  return true;
}

Response Client::Read(std::string_view method, bool head_only) {
  Response response;
  if (!socket_.is_open()) return response;
  while (true) {
    if (!ReadHead(socket_, buffer_, response.head)) return response;
    response.status = StatusOf(response.head);
    if (response.status < 100 || response.status >= 200 || response.status == 101) break;
    response.interim.push_back(response.head);
  }
  response.headers = ParseHeaderLines(response.head);
  if (method == "HEAD" || response.status == 204 || response.status == 304 ||
      response.status == 101 || head_only) {
    response.complete = true;
    return response;
  }
  BodyParts body;
  if (response.Count("transfer-encoding") > 0) {
    response.complete = ReadChunkedBody(socket_, buffer_, body);
  } else if (const auto length = FindHeader(response.headers, "content-length")) {
    std::uint64_t size = 0;
    std::from_chars(length->data(), length->data() + length->size(), size);
    response.complete = ReadLengthBody(socket_, buffer_, size, body);
  } else {
    response.complete = ReadUntilEof(socket_, buffer_, body);
  }
  response.body = std::move(body.data);
  response.trailers = std::move(body.trailers);
  return response;
}

Response Client::Get(std::string_view target, std::string_view extra) {
  return Request("GET", target, extra);
}

Response Client::Request(std::string_view method, std::string_view target, std::string_view extra,
                         std::string_view body) {
  std::string bytes = base::Cat(method, " ", target, " HTTP/1.1\r\nhost: test\r\n", extra);
  if (!body.empty()) base::Append(bytes, "content-length: ", body.size(), "\r\n");
  base::Append(bytes, "\r\n", body);
  if (!Send(bytes)) return {};
  return Read(method);
}

std::string Client::ReadRaw(std::size_t size) {
  while (buffer_.size() < size) {
    if (socket_.ReadSome(buffer_) != Socket::Read::kBytes) break;
  }
  std::string bytes = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return bytes;
}

std::optional<std::string> Client::ReadToEof() {
  BodyParts body;
  if (!ReadUntilEof(socket_, buffer_, body)) return std::nullopt;
  return std::move(body.data);
}

bool Client::SeesClose(base::milliseconds patience) {
  std::string rest;
  while (true) {
    switch (socket_.ReadSome(rest, patience)) {
      case Socket::Read::kBytes:
        rest.clear();
        break;
      case Socket::Read::kEof:
      case Socket::Read::kReset:
        return true;
      case Socket::Read::kTimeout:
        return false;
    }
  }
}

}  // namespace sluice::harness
