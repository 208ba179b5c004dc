#include "xds_credentials.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "ads_server.h"
#include "base/field_errors.h"
#include "base/status.h"
#include "base/strings.h"
#include "config/compile.h"
#include "config/data_source.h"
#include "envoy/config/core/v3/base.pb.h"

namespace sluice::control {
namespace {

constexpr std::size_t kPemBytesMax = 1 << 20;
constexpr unsigned kLookEveryS = 1;

std::string ReadPem(std::string_view flag, const std::string& path, base::FieldErrors& errors) {
  const base::FieldErrors::Scope scope(errors, flag);
  envoy::config::core::v3::DataSource file;
  file.set_filename(path);
  return config::ReadDataSource(file, kPemBytesMax, errors).value_or("");
}

}  // namespace

absl::Status CheckTlsFiles(const AdsTls& tls) {
  base::FieldErrors errors;
  config::UpstreamTls pems;  // Its check is the same: PEM texts, and a key that fits.
  pems.certificate_pem = ReadPem("--xds-tls-cert", tls.certificate_file, errors);
  pems.private_key_pem = ReadPem("--xds-tls-key", tls.key_file, errors);
  if (!tls.client_ca_file.empty()) {
    pems.ca_pem = ReadPem("--xds-tls-client-ca", tls.client_ca_file, errors);
    if (errors.empty() && pems.ca_pem.empty()) errors.AddAt("--xds-tls-client-ca", "is empty");
  }
  if (errors.empty()) config::CheckUpstreamTls(pems, errors);
  return errors.empty() ? absl::OkStatus() : errors.ToStatus();
}

std::shared_ptr<grpc::ServerCredentials> CredentialsOf(const AdsTls& tls) {
  namespace experimental = grpc::experimental;
  if (tls.certificate_file.empty()) return grpc::InsecureServerCredentials();
  const bool mutual = !tls.client_ca_file.empty();
  const auto files = std::make_shared<experimental::FileWatcherCertificateProvider>(
      tls.key_file, tls.certificate_file, tls.client_ca_file, kLookEveryS);
  experimental::TlsServerCredentialsOptions options(files);
  options.watch_identity_key_cert_pairs();
  if (mutual) options.watch_root_certs();
  options.set_cert_request_type(mutual ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                       : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return experimental::TlsServerCredentials(options);
}

}  // namespace sluice::control
