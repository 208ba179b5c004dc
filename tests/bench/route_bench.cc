// Lookup among 10, 1,000 and 10,000 routes of one host: the last must cost what the first does
// (within 1.3x). Whole tables, and what compiling costs.
#include <benchmark/benchmark.h>

#include "base/check.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile.h"
#include "config/domain_index.h"
#include "config/path_index.h"
#include "config/route.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "http/head.h"

namespace sluice::config {
namespace {

using PathKind = RouteMatch::PathKind;
enum class Which : std::int64_t { kFirst, kLast, kNone };

std::string PathOf(std::size_t i) { return base::Cat("/api/v1/service-", 100'000 + i); }

RouteTable OneHost(std::size_t count, PathKind kind) {
  auto host = std::make_shared<VirtualHost>();
  host->name = "host";
  host->domains = {"example.com"};
  for (std::size_t i = 0; i < count; ++i) {
    Route& route = host->routes.emplace_back();
    route.match.path_kind = kind;
    route.match.path = PathOf(i);
    std::get<ForwardAction>(route.action).cluster = "c";
  }
  IndexRoutes(*host);
  RouteTable table;
  table.virtual_hosts.push_back(std::move(host));
  base::FieldErrors errors;
  IndexDomains(table, errors);
  return table;
}

void FindAmong(benchmark::State& state, PathKind kind) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const auto which = static_cast<Which>(state.range(1));
  const RouteTable table = OneHost(count, kind);
  http::RequestHead head;
  head.authority = "example.com";
  head.path = which == Which::kFirst  ? PathOf(0)
              : which == Which::kLast ? PathOf(count - 1)
                                      : "/api/v2/service-100000";
  SLUICE_CHECK((FindRoute(table, head, 0).route != nullptr) == (which != Which::kNone));
  for (auto _ : state) benchmark::DoNotOptimize(FindRoute(table, head, 0));
}

void Arguments(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"routes", "which"});
  for (const std::int64_t routes : {10, 100, 1000, 10'000}) {
    for (const Which which : {Which::kFirst, Which::kLast, Which::kNone}) {
      bench->Args({routes, static_cast<std::int64_t>(which)});
    }
  }
}

BENCHMARK_CAPTURE(FindAmong, prefix, PathKind::kPrefix)->Apply(Arguments);
BENCHMARK_CAPTURE(FindAmong, exact, PathKind::kExact)->Apply(Arguments);
BENCHMARK_CAPTURE(FindAmong, segment, PathKind::kSegmentPrefix)->Apply(Arguments);

// Requests spread over all routes: what the caches of a busy proxy see.
void FindSpread(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const RouteTable table = OneHost(count, PathKind::kPrefix);
  std::vector<http::RequestHead> heads(count);
  for (std::size_t i = 0; i < count; ++i) {
    heads[i].authority = "example.com";
    heads[i].path = PathOf(i * 7919 % count) + "/items?q=1";
  }
  std::size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(FindRoute(table, heads[at], 0));
    at = at + 1 == count ? 0 : at + 1;
  }
}
BENCHMARK(FindSpread)->Arg(100)->Arg(10'000);

envoy::config::route::v3::RouteConfiguration Proto(int hosts, int routes) {
  envoy::config::route::v3::RouteConfiguration proto;
  proto.set_name("t");
  for (int h = 0; h < hosts; ++h) {
    auto* host = proto.add_virtual_hosts();
    host->set_name(base::Cat("host", h));
    host->add_domains(base::Cat("host", h, ".example.com"));
    for (int r = 0; r < routes; ++r) {
      auto* route = host->add_routes();
      route->mutable_match()->set_prefix(PathOf(static_cast<std::size_t>(r)));
      route->mutable_route()->set_cluster(base::Cat("cluster", r));
    }
  }
  return proto;
}

void CompileAll(benchmark::State& state) {
  const std::string bytes =
      Proto(static_cast<int>(state.range(0)), static_cast<int>(state.range(1))).SerializeAsString();
  for (auto _ : state) {
    base::FieldErrors errors;
    benchmark::DoNotOptimize(CompileRouteTableBytes(bytes, nullptr, {}, errors));
    SLUICE_CHECK(errors.empty());
  }
}
BENCHMARK(CompileAll)
    ->Args({1, 10'000})
    ->Args({1, 100'000})
    ->Args({1000, 100})
    ->Unit(benchmark::kMillisecond);

void CompileOneChange(benchmark::State& state) {
  auto proto = Proto(static_cast<int>(state.range(0)), static_cast<int>(state.range(1)));
  base::FieldErrors errors;
  const auto previous = CompileRouteTableBytes(proto.SerializeAsString(), nullptr, {}, errors);
  proto.mutable_virtual_hosts(0)->mutable_routes(0)->mutable_route()->set_cluster("new");
  const std::string bytes = proto.SerializeAsString();
  for (auto _ : state) {
    benchmark::DoNotOptimize(CompileRouteTableBytes(bytes, previous.get(), {}, errors));
    SLUICE_CHECK(errors.empty());
  }
}
BENCHMARK(CompileOneChange)->Args({1000, 10})->Args({1000, 100})->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice::config
