#pragma once
// The parts of a connection manager that decide what its own answers look like, and its smaller
// extensions. Config thread.
//
// Each reports every bad field below the current scope of `errors`.

#include "config/listener.h"

namespace envoy::extensions::filters::network::http_connection_manager::v3 {
class HttpConnectionManager;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct CompileOptions;

// local_reply_config and proxy_status_config. REQUIRES: out.server_name is set.
void CompileReplies(
    const envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager&
        proto,
    HttpConnectionManager& out, base::FieldErrors& errors);

// early_header_mutation_extensions, request_id_extension and scheme_header_transformation.
void CompileRequestExtensions(
    const envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager&
        proto,
    const CompileOptions& options, HttpConnectionManager& out, base::FieldErrors& errors);

}  // namespace sluice::config
