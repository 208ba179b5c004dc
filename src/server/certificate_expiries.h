#pragma once
// When the first certificate of all clusters and listeners expires, without parsing any of them
// twice.
//
// One thread (admin).

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"
#include "config/certificates.h"
#include "upstream/main_clusters.h"

namespace sluice::server {

struct ListenerCertificates;
using ListenerCertificatesView = std::vector<ListenerCertificates>;

// Whole days from `now`, rounded down; 0 once expired.
std::int64_t DaysUntil(base::WallTime expires, base::WallTime now);

class CertificateExpiries {
 public:
  // Of all CA and client certificates in `clusters`; nullopt when there is none.
  std::optional<base::WallTime> First(const upstream::ClustersView& clusters);
  // Of what listeners show and whom they trust.
  std::optional<base::WallTime> FirstOfListeners(
      const std::shared_ptr<const ListenerCertificatesView>& listeners);

 private:
  struct Known {
    std::weak_ptr<const config::Cluster> config;  // Another config: look again.
    std::optional<base::WallTime> first;
  };
  std::optional<base::WallTime> FirstIn(const std::string& pem);

  base::StringMap<Known> clusters_;
  std::shared_ptr<const ListenerCertificatesView> listeners_;  // What the next is of.
  std::optional<base::WallTime> first_of_listeners_;
  // By text, while First runs: many clusters trust the same bundle.
  base::StringMap<std::optional<base::WallTime>> texts_;
};

}  // namespace sluice::server
