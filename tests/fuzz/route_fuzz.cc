// Bytes of a route table, and a request for it: [n][n bytes "authority path"][RouteConfiguration].
//
// Compiling by virtual host means the same as compiling the whole message, compiling again shares
// everything, and a lookup finds what a linear search finds.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/field_errors.h"
#include "config/compile.h"
#include "config/route.h"
#include "envoy/config/route/v3/route.pb.h"
#include "http/head.h"

namespace sluice::config {
namespace {

void CheckLookups(const RouteTable& table, http::RequestHead& head) {
  const auto check = [&] {
    const RouteMatchResult fast = FindRoute(table, head, 0);
    const RouteMatchResult slow = FindRouteLinearly(table, head);
    SLUICE_CHECK(fast.virtual_host == slow.virtual_host && fast.route == slow.route);
    SLUICE_CHECK(!ExplainRoute(table, head).empty());
    if (fast.route == nullptr) return;
    RedirectLocation(*fast.route, head, 0);
    http::RequestHead rewritten = head;
    RewritePath(*fast.route, rewritten, 0);
    SLUICE_CHECK(rewritten.path == head.path || rewritten.path.starts_with('/'));
  };
  check();
  // What the table itself names, so that most tables are looked into.
  for (const auto& host : table.virtual_hosts) {
    if (!host->domains.empty()) head.authority = host->domains.front();
    for (const Route& route : host->routes) {
      head.path = route.match.path;
      check();
      head.path += "/x?q=1";
      check();
    }
  }
}

void Run(std::string_view authority, std::string_view path, std::string_view bytes) {
  base::FieldErrors errors;
  const auto table = CompileRouteTableBytes(bytes, nullptr, {}, errors);
  SLUICE_CHECK((table == nullptr) == !errors.empty());
  envoy::config::route::v3::RouteConfiguration proto;
  if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    SLUICE_CHECK(table == nullptr);
    return;
  }
  base::FieldErrors whole_errors;
  const auto whole = CompileRouteTable(proto, {}, whole_errors);
  SLUICE_CHECK((whole == nullptr) == (table == nullptr));
  if (table == nullptr) return;
  SLUICE_CHECK(*whole == *table);
  const auto again = CompileRouteTableBytes(bytes, table.get(), {}, errors);
  SLUICE_CHECK(again != nullptr && again->virtual_hosts == table->virtual_hosts);
  http::RequestHead head;
  head.authority = authority;
  head.path = path;
  CheckLookups(*table, head);
}

}  // namespace
}  // namespace sluice::config

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty()) return 0;
  const auto request_size = static_cast<std::size_t>(data[0]);
  input.remove_prefix(1);
  const std::string_view request = input.substr(0, request_size);
  input.remove_prefix(request.size());
  const std::size_t space = request.find(' ');
  sluice::config::Run(request.substr(0, space),
                      space == std::string_view::npos ? "/" : request.substr(space + 1), input);
  return 0;
}
