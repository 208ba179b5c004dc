#pragma once
// Certificates made for one test run: an authority and what it signs. PEM texts.

#include <memory>
#include <string>
#include <vector>

struct evp_pkey_st;
struct x509_st;

namespace sluice::harness {

// SHA-256 of a PEM certificate, hexadecimal, and of its public key, base64.
std::string CertificateHash(const std::string& certificate_pem);
std::string KeyPin(const std::string& certificate_pem);

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
  // The same with a key of RSA, 2048 bits.
  Identity IssueRsa(const std::vector<std::string>& names) const;
  // A list, PEM, that revokes these.
  std::string RevocationList(const std::vector<Identity>& revoked) const;

 private:
  Identity Sign(evp_pkey_st* key, const std::vector<std::string>& names, long from_s,
                long to_s) const;
  evp_pkey_st* key_;
  x509_st* certificate_;
};

}  // namespace sluice::harness
