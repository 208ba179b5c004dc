// What statistics and access logs cost on the request path and at scrape.

#include <benchmark/benchmark.h>

#include <chrono>
#include <string>

#include "base/check.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "observe/access_log.h"
#include "observe/exposition.h"
#include "observe/format.h"
#include "observe/log_ring.h"

namespace sluice::observe {
namespace {

struct Exchange {
  base::Address peer = *base::Address::ParseIp("10.1.2.3", 4711);
  http::RequestHead request;
  http::ResponseHead response;
  StreamInfo info;

  Exchange() {
    request.path = "/api/v1/items?page=2";
    request.authority = "www.example.com";
    request.fields.Add("accept", "*/*");
    request.fields.Add("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101");
    request.fields.Add("x-forwarded-for", "203.0.113.7");
    request.fields.Add("x-request-id", "b8c0a1de-0000-4000-8000-000000000001");
    response.fields.Add("x-envoy-upstream-service-time", "2");
    info.direct_remote = &peer;
    info.request = &request;
    info.response = &response;
    info.response_code = 200;
    info.bytes_sent = 1234;
    info.upstream_remote = *base::Address::ParseIp("127.0.0.1", 8080);
    info.start_wall = base::SystemClock().WallNow();
    info.start = base::SystemClock().Now();
    info.end = info.start + std::chrono::milliseconds(3);
  }
};

config::AccessLog DefaultLog() {
  config::AccessLog log;
  log.path = "/dev/null";
  base::FieldErrors errors;
  log.format = config::CompileFormat(config::DefaultAccessLogFormat(), errors);
  return log;
}

void BM_CounterAdd(benchmark::State& state) {
  Counter counter;
  for (auto _ : state) {
    counter.Add();
    benchmark::DoNotOptimize(counter);
  }
}
BENCHMARK(BM_CounterAdd);

void BM_HistogramRecord(benchmark::State& state) {
  Histogram histogram;
  std::uint64_t value = 0;
  for (auto _ : state) histogram.Record(value++ & 1023);
}
BENCHMARK(BM_HistogramRecord);

void BM_CodeCounterAdd(benchmark::State& state) {
  CodeCounters codes;
  for (int code : {200, 404, 503}) codes.Add(code);
  for (auto _ : state) codes.Add(503);
}
BENCHMARK(BM_CodeCounterAdd);

void BM_RenderDefaultLine(benchmark::State& state) {
  const Exchange exchange;
  const config::AccessLog log = DefaultLog();
  RenderOptions options;
  options.escape = true;
  std::string out;
  for (auto _ : state) {
    out.clear();
    Render(log.format, exchange.info, options, out);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(BM_RenderDefaultLine);

// The worker's whole cost per exchange: budget 1 us of CPU. The log thread runs beside it.
void BM_LogDefaultLine(benchmark::State& state) {
  const Exchange exchange;
  const config::AccessLog log = DefaultLog();
  AccessLogStats stats;
  WorkerStats worker_stats;
  LogWriter writer({}, base::SystemClock(), stats);
  writer.Start();
  {
    AccessLogger logger({writer, writer.AddProducer(), base::SystemClock(), 0, worker_stats});
    for (auto _ : state) logger.Log(log, exchange.info);
  }
  writer.Stop();
  state.counters["dropped"] = static_cast<double>(worker_stats.access_log_dropped.Get());
}
BENCHMARK(BM_LogDefaultLine)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(BM_LogDefaultLine);

void BM_Scrape(benchmark::State& state) {
  Registry registry;
  for (int i = 0; i < state.range(0); ++i) {
    auto& stats = registry.Get<ClusterStats>(Scope::kCluster, base::Cat("cluster-", i), 0);
    stats.upstream_rq_total.Add();
    stats.upstream_rq_2xx.Add();
    stats.upstream_rq_code.Add(200);
    stats.upstream_cx_active.Set(1);
    stats.upstream_rq_time.Record(7);
  }
  std::size_t bytes = 0;
  for (auto _ : state) {
    PrometheusWriter writer(registry, {});
    std::string piece;
    bytes = 0;
    while (writer.Next(piece)) bytes += piece.size();
  }
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(BM_Scrape)->Arg(10)->Arg(1000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice::observe
