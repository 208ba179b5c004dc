// The HTTP room's part of a request: parse the head, normalise the path, encode the head.

#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "http/h1_codec.h"
#include "http/hop_by_hop.h"
#include "http/path.h"

namespace sluice::http {
namespace {

constexpr std::string_view kRequest =
    "GET /api/v1/items/42?fields=name,price HTTP/1.1\r\n"
    "Host: shop.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: application/json, text/plain, */*\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    "X-Custom-Thing: a value of ours\r\n"
    "Connection: keep-alive\r\n\r\n";

constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: 5\r\n"
    "Cache-Control: no-store\r\n"
    "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
    "Server: app\r\n\r\nhello";

void ParseRequestHead(benchmark::State& state) {
  H1Parser parser{H1Limits{}};
  RequestHead head;
  for (auto _ : state) {
    parser.Reset();
    benchmark::DoNotOptimize(parser.ParseRequestHead(kRequest, head));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kRequest.size()));
}
BENCHMARK(ParseRequestHead);

void ParseResponse(benchmark::State& state) {
  H1Parser parser{H1Limits{}};
  ResponseHead head;
  for (auto _ : state) {
    parser.Reset();
    const H1Parser::Result result = parser.ParseResponseHead(kResponse, Method::kGet, head);
    benchmark::DoNotOptimize(parser.ParseBody(kResponse.substr(result.consumed)));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kResponse.size()));
}
BENCHMARK(ParseResponse);

void EncodeRequest(benchmark::State& state) {
  H1Parser parser{H1Limits{}};
  RequestHead head;
  parser.ParseRequestHead(kRequest, head);
  RemoveHopByHop(head.fields, false);
  std::string out;
  for (auto _ : state) {
    out.clear();
    EncodeRequestHead(head, "", out);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(EncodeRequest);

void EncodeResponse(benchmark::State& state) {
  H1Parser parser{H1Limits{}};
  ResponseHead head;
  parser.ParseResponseHead(kResponse, Method::kGet, head);
  std::string out;
  for (auto _ : state) {
    out.clear();
    EncodeResponseHead(head, "", out);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(EncodeResponse);

void Normalize(benchmark::State& state, std::string_view text) {
  const PathOptions options{.merge_slashes = true};
  std::string path;
  for (auto _ : state) {
    path.assign(text);
    benchmark::DoNotOptimize(NormalizePath(path, options));
  }
}
BENCHMARK_CAPTURE(Normalize, plain, "/api/v1/items/42?fields=name,price");
BENCHMARK_CAPTURE(Normalize, escaped, "/api/%76%31/../v2/./items%20of/42?fields=name");

void FindKnownName(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(FindName("Content-Length"));
    benchmark::DoNotOptimize(FindName("X-Custom-Thing"));
  }
}
BENCHMARK(FindKnownName);

void RemoveHops(benchmark::State& state) {
  H1Parser parser{H1Limits{}};
  RequestHead head;
  for (auto _ : state) {
    parser.Reset();
    parser.ParseRequestHead(kRequest, head);
    RemoveHopByHop(head.fields, false);
    benchmark::DoNotOptimize(head.fields.size());
  }
}
BENCHMARK(RemoveHops);

}  // namespace
}  // namespace sluice::http
