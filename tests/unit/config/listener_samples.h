#pragma once
// Listeners in the text form, right but for what a test adds.

#include <memory>
#include <string>
#include <string_view>

#include "base/strings.h"
#include "config/compile.h"
#include "config/listener.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "tests/unit/config/compile_testing.h"

namespace sluice::config {

using ListenerProto = envoy::config::listener::v3::Listener;

inline constexpr std::string_view kAddress =
    R"(address { socket_address { address: "127.0.0.1" port_value: 8000 } } )";
inline constexpr std::string_view kRouter =
    R"(http_filters { name: "router" typed_config {
         [type.googleapis.com/envoy.extensions.filters.http.router.v3.Router] {} } } )";
inline constexpr std::string_view kRds =
    R"(rds { route_config_name: "r" config_source { ads {} resource_api_version: V3 } } )";

inline std::string HcmFilter(std::string_view hcm) {
  return base::Cat(R"(filters { name: "hcm" typed_config {
    [type.googleapis.com/)"
                   "envoy.extensions.filters.network.http_connection_manager.v3."
                   "HttpConnectionManager] { ",
                   hcm, " } } } ");
}

inline std::string Chain(std::string_view inside) {
  return base::Cat("filter_chains { ", inside, " } ");
}

// A listener that is right but for what `hcm` adds to its connection manager.
inline std::string WithHcm(std::string_view hcm) {
  return base::Cat(R"(name: "l" )", kAddress,
                   Chain(HcmFilter(base::Cat(R"(stat_prefix: "s" )", kRds, kRouter, hcm))));
}

// A listener that is right but for what `listener` adds.
inline std::string With(std::string_view listener) { return base::Cat(WithHcm(""), listener); }

inline std::shared_ptr<const Listener> CompileText(std::string_view text, base::FieldErrors& errors,
                                                   const CompileOptions& options = {}) {
  return CompileListener(FromText<ListenerProto>(text), options, errors);
}

inline Listener Good(std::string_view text, const CompileOptions& options = {}) {
  base::FieldErrors errors;
  const auto listener = CompileText(text, errors, options);
  EXPECT_EQ(errors.Text("\n"), "") << text;
  return listener == nullptr ? Listener() : *listener;
}

inline HttpConnectionManager GoodHcm(std::string_view hcm, const CompileOptions& options = {}) {
  const Listener listener = Good(WithHcm(hcm), options);
  if (listener.filter_chains.size() != 1 || listener.filter_chains[0].http == nullptr) {
    ADD_FAILURE() << "no connection manager";
    return {};
  }
  return *listener.filter_chains[0].http;
}

inline const std::string kHcmPath = "filter_chains[0].filters[0].typed_config.";

}  // namespace sluice::config
