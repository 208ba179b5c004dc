// A warm connection allocates nothing: counted by replacing the global operator new.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "http/h1_codec.h"
#include "http/hop_by_hop.h"
#include "http/path.h"

namespace {
std::atomic<std::size_t> allocations{0};

void* Allocate(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}
}  // namespace

void* operator new(std::size_t size) { return Allocate(size); }
void* operator new[](std::size_t size) { return Allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t /*size*/) noexcept { std::free(memory); }

namespace sluice::http {
namespace {

constexpr std::string_view kRequest =
    "POST /api/v1/items/42?fields=name,price HTTP/1.1\r\n"
    "Host: shop.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: application/json, text/plain, */*\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    "X-Custom-Thing: a value of ours\r\n"
    "Connection: keep-alive\r\n"
    "Transfer-Encoding: chunked\r\n\r\n"
    "5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n";

constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n"
    "Set-Cookie: session=0123456789abcdef0123456789abcdef\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT"
    "\r\n\r\nhello";

struct Connection {
  H1Parser client{H1Limits{.keep_trailers = true}};
  H1Parser upstream{H1Limits{}};
  RequestHead request;
  ResponseHead response;
  std::string out;

  static void ReadBody(H1Parser& parser, std::string_view rest) {
    H1Parser::Result result;
    do {
      result = parser.ParseBody(rest);
      rest.remove_prefix(result.consumed);
    } while (result.step == H1Step::kBody);
    ASSERT_EQ(result.step, H1Step::kEnd);
  }

  void Exchange() {
    out.clear();
    const H1Parser::Result head = client.ParseRequestHead(kRequest, request);
    ASSERT_EQ(head.step, H1Step::kHead);
    ASSERT_EQ(NormalizePath(request.path, PathOptions{}), PathVerdict::kOk);
    RemoveHopByHop(request.fields, false);
    request.fields.Set(Name::kXRequestId, "00000000-0000-4000-8000-000000000000");
    EncodeRequestHead(request, "", out);
    ReadBody(client, kRequest.substr(head.consumed));
    EncodeLastChunk(client.trailers(), out);
    const H1Parser::Result answer = upstream.ParseResponseHead(kResponse, request.method, response);
    ASSERT_EQ(answer.step, H1Step::kHead);
    RemoveHopByHop(response.fields, false);
    EncodeResponseHead(response, "", out);
    ReadBody(upstream, kResponse.substr(answer.consumed));
  }
};

TEST(WarmConnection, AllocatesNothing) {
  Connection connection;
  connection.Exchange();
  const std::size_t cold = allocations.load();
  ASSERT_GT(cold, 0U);  // The counter counts.
  for (int i = 0; i < 100; ++i) connection.Exchange();
  EXPECT_EQ(allocations.load() - cold, 0U);
}

}  // namespace
}  // namespace sluice::http
