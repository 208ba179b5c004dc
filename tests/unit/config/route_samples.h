#pragma once
// Short ways to write requests and route tables in tests of the config room.

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/field_errors.h"
#include "config/compile.h"
#include "config/domain_index.h"
#include "config/path_index.h"
#include "config/route.h"
#include "config/yaml_to_proto.h"
#include "envoy/config/route/v3/route.pb.h"
#include "http/head.h"

namespace sluice::config {

using Headers = std::initializer_list<std::pair<std::string_view, std::string_view>>;

inline http::RequestHead Request(std::string_view authority, std::string_view path,
                                 Headers headers = {}) {
  http::RequestHead head;
  head.authority = authority;
  head.path = path;
  head.scheme = "http";
  for (const auto& [name, value] : headers) head.fields.Add(name, value);
  return head;
}

inline Regex MakeRegex(std::string_view pattern) {
  base::FieldErrors errors;
  return Regex::Compile(pattern, errors).value();
}

inline envoy::config::route::v3::RouteConfiguration ParseRoutes(std::string_view yaml,
                                                                base::FieldErrors& errors) {
  envoy::config::route::v3::RouteConfiguration proto;
  YamlToProto(yaml, "routes.yaml", {}, &proto, errors);
  return proto;
}

// Null when there are errors.
inline std::shared_ptr<const RouteTable> CompileYaml(std::string_view yaml,
                                                     base::FieldErrors& errors) {
  const auto proto = ParseRoutes(yaml, errors);
  if (!errors.empty()) return nullptr;
  return CompileRouteTable(proto, CompileOptions{}, errors);
}

}  // namespace sluice::config
