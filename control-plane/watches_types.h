#pragma once
// Facts about the types of resources that both halves of watches need. Pure; any thread.

#include <string_view>

#include "snapshot.h"

namespace sluice::control {

// Responses hold all of the type, so that one that is missing is gone (1.6).
constexpr bool IsFullState(Type type) {
  return type == Type::kClusters || type == Type::kListeners;
}

// "cds", "eds", ...: in logs, metrics and GET /v1/proxies.
constexpr std::string_view ShortName(Type type) {
  switch (type) {
    case Type::kClusters:
      return "cds";
    case Type::kEndpoints:
      return "eds";
    case Type::kListeners:
      return "lds";
    case Type::kRoutes:
      return "rds";
    case Type::kVirtualHosts:
      return "vhds";
    case Type::kSecrets:
      return "sds";
    case Type::kCount:
      break;
  }
  return "";
}

}  // namespace sluice::control
