#pragma once
// Certificates made for one test run: an authority and what it signs. PEM texts, EC P-256.

#include <memory>
#include <string>
#include <vector>

struct evp_pkey_st;
struct x509_st;

namespace sluice::harness {

struct Identity {
  std::string certificate_pem;
  std::string private_key_pem;
};

class CertificateAuthority {
 public:
  explicit CertificateAuthority(const std::string& name = "Test CA");
  ~CertificateAuthority();
  CertificateAuthority(const CertificateAuthority&) = delete;
  CertificateAuthority& operator=(const CertificateAuthority&) = delete;

  std::string pem() const;
  // A certificate with these names ("DNS:a.example", "IP:127.0.0.1", "URI:..."), valid from
  // `from_s` to `to_s` seconds from now.
  Identity Issue(const std::vector<std::string>& names, long from_s = -3600,
                 long to_s = 24 * 3600) const;

 private:
  evp_pkey_st* key_;
  x509_st* certificate_;
};

}  // namespace sluice::harness
