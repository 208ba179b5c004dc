#pragma once
// TLS of the xDS server. Any thread.

#include <memory>

#include "absl/status/status.h"

namespace grpc {
class ServerCredentials;
}

namespace sluice::control {

struct AdsTls;

// Whether the files can be read, hold what they should, and certificate and key are a pair.
absl::Status CheckTlsFiles(const AdsTls& tls);

// Plain text without files. The files are looked at every second; a pair that does not match is
// left alone until it does.
std::shared_ptr<grpc::ServerCredentials> CredentialsOf(const AdsTls& tls);

}  // namespace sluice::control
