#pragma once
// What must hold between the static resources of a bootstrap. Config thread.

namespace envoy::config::bootstrap::v3 {
class Bootstrap;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

// Inline route tables of static listeners may only name static clusters, unless they say
// validate_clusters: false. Errors are below "static_resources".
void CheckStaticClusters(const envoy::config::bootstrap::v3::Bootstrap& proto,
                         base::FieldErrors& errors);

}  // namespace sluice::config
