// Routing a request takes nothing from the heap.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "tests/unit/config/route_samples.h"

// The sanitizers bring their own operator new and watch it better than this would.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)

namespace {
thread_local std::size_t allocations = 0;
}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  void* memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace sluice::config {
namespace {

TEST(FindRoute, AllocatesNothing) {
  base::FieldErrors errors;
  const auto table = CompileYaml(R"(
name: t
ignore_port_in_host_matching: true
virtual_hosts:
  - name: h
    domains: ["*.example.com", "example.*"]
    routes:
      - match: { path: /exact, headers: [{ name: x-a, exact_match: "1,2" }, { name: x-b }] }
        route: { cluster: a }
      - match: { prefix: /FOLDED, case_sensitive: false, query_parameters: [{ name: q, string_match: { contains: x } }] }
        route: { cluster: b }
      - match: { prefix: /, headers: [{ name: content-length, range_match: { start: 0, end: 1 } }] }
        route: { cluster: c }
      - match: { path_separated_prefix: /segment }
        route: { cluster: d }
)",
                                 errors);
  ASSERT_NE(table, nullptr) << errors.Text();
  const http::RequestHead heads[] = {
      Request("A.Example.com:80", "/exact", {{"x-a", "1"}, {"x-a", "2"}, {"x-b", ""}}),
      Request("example.org", "/folded?y&q=xyz"),
      Request("a.example.com", "/segment/of/a/long/path/that/is/no/short/string"),
      Request("a.example.com", "/none"),
      Request("elsewhere", "/"),
  };
  // The first time a thread joins two fields it makes room for them.
  for (const http::RequestHead& head : heads) FindRoute(*table, head, 0);
  const std::size_t before = allocations;
  int found = 0;
  for (const http::RequestHead& head : heads) {
    found += FindRoute(*table, head, 0).route != nullptr ? 1 : 0;
  }
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(found, 3);
}

TEST(FindRoute, TheCounterOfAllocationsCounts) {
  const std::size_t before = allocations;
  ::operator delete(::operator new(8));  // Called by name, so that no compiler leaves it out.
  EXPECT_GT(allocations, before);
}

}  // namespace
}  // namespace sluice::config

#endif
