#pragma once
// The Node message this proxy presents to control planes. Pure.

#include <string>

#include "config/bootstrap.h"

namespace sluice::server {

// Serialised envoy.config.core.v3.Node: identity from the bootstrap, plus user agent, version and
// the client features Sluice really has.
std::string NodeBytes(const config::Node& node);

// Sends what libprotobuf prints to stderr into our log. Call before threads.
void TakeProtobufLog();

}  // namespace sluice::server
