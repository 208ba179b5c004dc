#pragma once
// Listeners that speak TLS, as YAML. Pure.

#include <string>
#include <string_view>
#include <vector>

#include "harness/certificates.h"

namespace sluice::harness {

// In quotes, line feeds escaped.
std::string QuotedText(std::string_view text);
// A TlsCertificate.
std::string InlineCertificate(const Identity& identity);
// "common_tls_context: { fields }".
std::string TlsFields(std::string_view fields);
// A filter chain, and stat_prefix, of this name that answers `body`. `tls`: fields of its
// DownstreamTlsContext, "": plain text.
std::string TlsChain(std::string_view name, std::string_view match, std::string_view tls,
                     std::string_view body);
// Listener "in", which is its stat_prefix, with these chains; `listener`: further fields.
std::string TlsBootstrap(const std::vector<std::string>& chains, std::string_view listener = "");

}  // namespace sluice::harness
