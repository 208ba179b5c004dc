#pragma once
// What TLS handshakes settled, counted by name. Pure; the owner of the block calls.

#include <string_view>

#include "observe/stats.h"

namespace sluice::observe {

// Names of the rows of TlsStats' arrays, in their order. The last one of each is for the rest.
inline constexpr std::string_view kTlsCipherRows[] = {"ciphers.TLS_AES_128_GCM_SHA256",
                                                      "ciphers.TLS_AES_256_GCM_SHA384",
                                                      "ciphers.TLS_CHACHA20_POLY1305_SHA256",
                                                      "ciphers.ECDHE-ECDSA-AES128-GCM-SHA256",
                                                      "ciphers.ECDHE-RSA-AES128-GCM-SHA256",
                                                      "ciphers.ECDHE-ECDSA-AES256-GCM-SHA384",
                                                      "ciphers.ECDHE-RSA-AES256-GCM-SHA384",
                                                      "ciphers.ECDHE-ECDSA-CHACHA20-POLY1305",
                                                      "ciphers.ECDHE-RSA-CHACHA20-POLY1305",
                                                      "ciphers.AES128-GCM-SHA256",
                                                      "ciphers.AES256-GCM-SHA384",
                                                      "ciphers.ECDHE-RSA-AES128-SHA",
                                                      "ciphers.other"};
inline constexpr std::string_view kTlsVersionRows[] = {"versions.TLSv1.2", "versions.TLSv1.3"};
inline constexpr std::string_view kTlsCurveRows[] = {"curves.X25519", "curves.P-256",
                                                     "curves.P-384", "curves.P-521"};
inline constexpr std::string_view kTlsSignatureRows[] = {
    "sigalgs.ecdsa_secp256r1_sha256", "sigalgs.ecdsa_secp384r1_sha384",
    "sigalgs.ecdsa_secp521r1_sha512", "sigalgs.rsa_pss_rsae_sha256",
    "sigalgs.rsa_pss_rsae_sha384",    "sigalgs.rsa_pss_rsae_sha512",
    "sigalgs.rsa_pkcs1_sha256",       "sigalgs.rsa_pkcs1_sha384",
    "sigalgs.rsa_pkcs1_sha512",       "sigalgs.ed25519"};

// A handshake that succeeded; "" where something is not known.
void CountHandshake(TlsStats& stats, std::string_view version, std::string_view cipher,
                    std::string_view curve, std::string_view signature);

}  // namespace sluice::observe
