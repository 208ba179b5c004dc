#pragma once
// TLS settings: UpstreamTlsContext to UpstreamTls, DownstreamTlsContext to DownstreamTls, with
// their certificates checked.
//
// Config thread. Reads the files and environment variables that the context names, at most 1 MiB
// each, once per compile: push the resource again to have them read again.

#include <string>
#include <vector>

namespace envoy::extensions::transport_sockets::tls::v3 {
class CommonTlsContext;  // lint-ok: the name is Envoy's.
}
namespace google::protobuf {
class Any;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct Cluster;
struct CompileOptions;
struct FilterChain;

// Row of the extension table; sets cluster.tls.
void CompileUpstreamTls(const google::protobuf::Any& any, const CompileOptions& options,
                        Cluster& cluster, base::FieldErrors& errors);

// The same for listeners (compile_tls_downstream.cc); sets chain.tls.
void CompileDownstreamTls(const google::protobuf::Any& any, const CompileOptions& options,
                          FilterChain& chain, base::FieldErrors& errors);

// The names of alpn_protocols.
std::vector<std::string> CompileAlpn(
    const envoy::extensions::transport_sockets::tls::v3::CommonTlsContext& proto,
    base::FieldErrors& errors);

}  // namespace sluice::config
