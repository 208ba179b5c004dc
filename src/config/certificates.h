#pragma once
// What a PEM text of certificates says, for /certs. Pure; any thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace sluice::config {

struct CertificateInfo {
  enum class NameKind : std::uint8_t { kDns, kUri, kIpAddress };
  std::string subject;  // "CN=web,O=Example", RFC 2253.
  std::string serial;   // Lower-case hexadecimal.
  std::vector<std::pair<NameKind, std::string>> subject_alt_names;
  base::WallTime valid_from;
  base::WallTime expires;
};

// Every certificate in `pem`, in order, up to the first broken block; in compile_tls.cc, beside
// what checks them.
std::vector<CertificateInfo> DescribeCertificates(std::string_view pem);

}  // namespace sluice::config
