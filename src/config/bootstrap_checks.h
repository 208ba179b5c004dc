#pragma once
// What must hold between the static resources of a bootstrap. Config thread.

namespace envoy::config::bootstrap::v3 {
class Bootstrap;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct Bootstrap;

// Inline route tables of static listeners may only name static clusters, unless they say
// validate_clusters: false. Errors are below "static_resources".
void CheckStaticClusters(const envoy::config::bootstrap::v3::Bootstrap& proto,
                         base::FieldErrors& errors);

// The cluster of the ADS stream: static, HTTP/2, and nothing that a gRPC channel cannot honour.
// REQUIRES: `compiled.ads` names one and its clusters are compiled; the scope is ads_config.
void CheckAdsCluster(const envoy::config::bootstrap::v3::Bootstrap& proto,
                     const Bootstrap& compiled, base::FieldErrors& errors);

}  // namespace sluice::config
