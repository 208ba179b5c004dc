#pragma once
// What is known of a client's TLS: for logs and headers. Values; made once per connection, when
// somebody asks.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::observe {

struct TlsInfo {
  std::string version;  // "TLSv1.3"
  std::string cipher;
  std::string session_id;  // Hexadecimal.
  bool presented = false;  // The client showed a certificate,
  bool validated = false;  // which was judged and found good.
  // Of the client's certificate; "" and 0 without one.
  std::string subject, issuer, serial, fingerprint_sha256, fingerprint_sha1;
  std::string certificate_pem, chain_pem;
  std::vector<std::string> uri_sans, dns_sans, ip_sans, email_sans;
  std::int64_t valid_from_s = 0;
  std::int64_t expires_s = 0;
  // Of ours.
  std::string local_subject;
  std::vector<std::string> local_uri_sans, local_dns_sans;
};

// The value of an access-log operator such as "DOWNSTREAM_TLS_VERSION", in `scratch`; "" where
// there is none. Names that are no operator of TLS: "".
void AppendTlsValue(const TlsInfo& info, std::string_view name, std::string& scratch);
bool IsTlsOperator(std::string_view name);

// PEM in the form that fits into a header: Envoy's percent-encoding.
void AppendUrlEncodedPem(std::string_view pem, std::string& out);

}  // namespace sluice::observe
