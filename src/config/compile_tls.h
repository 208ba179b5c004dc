#pragma once
// TLS towards upstreams: UpstreamTlsContext to UpstreamTls, with its certificates checked.
//
// Config thread. Reads the files and environment variables that the context names, at most 1 MiB
// each, once per compile: push the resource again to have them read again.

namespace google::protobuf {
class Any;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct Cluster;
struct CompileOptions;

// Row of the extension table; sets cluster.tls.
void CompileUpstreamTls(const google::protobuf::Any& any, const CompileOptions& options,
                        Cluster& cluster, base::FieldErrors& errors);

}  // namespace sluice::config
