#pragma once
// Pieces of clusters; CompileCluster() itself is in compile.h. Config thread.

namespace google::protobuf {
class Any;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct Cluster;
struct CompileOptions;

// Row of the extension table: HTTP towards the cluster.
void CompileHttpProtocolOptions(const google::protobuf::Any& any, const CompileOptions& options,
                                Cluster& cluster, base::FieldErrors& errors);

}  // namespace sluice::config
