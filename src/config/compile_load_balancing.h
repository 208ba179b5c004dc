#pragma once
// Balancers, in both spellings: lb_policy with its options, and load_balancing_policy extensions.
// Config thread.

namespace google::protobuf {
class Any;
}
namespace envoy::config::cluster::v3 {
class Cluster;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct Cluster;
struct CompileOptions;

void CompileLoadBalancing(const envoy::config::cluster::v3::Cluster& proto,
                          const CompileOptions& options, Cluster& out, base::FieldErrors& errors);

// Rows of the extension table.
void CompileRoundRobin(const google::protobuf::Any& any, const CompileOptions& options,
                       Cluster& out, base::FieldErrors& errors);
void CompileRandom(const google::protobuf::Any& any, const CompileOptions& options, Cluster& out,
                   base::FieldErrors& errors);
void CompileLeastRequest(const google::protobuf::Any& any, const CompileOptions& options,
                         Cluster& out, base::FieldErrors& errors);
void CompileRingHash(const google::protobuf::Any& any, const CompileOptions& options, Cluster& out,
                     base::FieldErrors& errors);
void CompileMaglev(const google::protobuf::Any& any, const CompileOptions& options, Cluster& out,
                   base::FieldErrors& errors);
void CompileWrrLocality(const google::protobuf::Any& any, const CompileOptions& options,
                        Cluster& out, base::FieldErrors& errors);

}  // namespace sluice::config
