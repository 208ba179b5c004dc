#include "observe/tls_stats.h"

#include <iterator>

namespace sluice::observe {
namespace {

static_assert(std::size(kTlsCipherRows) == TlsStats::kCiphers);
static_assert(std::size(kTlsVersionRows) == TlsStats::kVersions);
static_assert(std::size(kTlsCurveRows) == TlsStats::kCurves);
static_assert(std::size(kTlsSignatureRows) == TlsStats::kSignatures);

// The row is "kind.name".
template <std::size_t kCount>
std::size_t Find(const std::string_view (&rows)[kCount], std::string_view name) {
  for (std::size_t i = 0; i < kCount; ++i) {
    if (rows[i].substr(rows[i].find('.') + 1) == name) return i;
  }
  return kCount;
}

}  // namespace

void CountHandshake(TlsStats& stats, std::string_view version, std::string_view cipher,
                    std::string_view curve, std::string_view signature) {
  stats.handshake.Add();
  if (const std::size_t i = Find(kTlsVersionRows, version); i < TlsStats::kVersions) {
    stats.versions[i].Add();
  }
  const std::size_t known = Find(kTlsCipherRows, cipher);
  stats.ciphers[known < TlsStats::kCiphers ? known : TlsStats::kCiphers - 1].Add();
  if (const std::size_t i = Find(kTlsCurveRows, curve); i < TlsStats::kCurves) {
    stats.curves[i].Add();
  }
  if (const std::size_t i = Find(kTlsSignatureRows, signature); i < TlsStats::kSignatures) {
    stats.signatures[i].Add();
  }
}

}  // namespace sluice::observe
