#pragma once
// Compiled listeners, clusters and bootstraps as text, every field that differs from its
// initialiser; for golden tests.

#include <string>

#include "config/bootstrap.h"
#include "config/cluster.h"
#include "config/listener.h"

namespace sluice::config {

std::string PrintListener(const Listener& listener);
std::string PrintCluster(const Cluster& cluster);
std::string PrintBootstrap(const Bootstrap& bootstrap);

}  // namespace sluice::config
