#include "upstream/tls_rules.h"

#include <memory>
#include <vector>

#include "base/strings.h"

namespace sluice::upstream {
namespace {

using Kind = net::TlsVerification::SanKind;
using Matcher = config::TlsValidation::SanMatcher;

bool IsOf(Matcher::Type type, Kind kind) {
  switch (type) {
    case Matcher::Type::kAny:
      return true;
    case Matcher::Type::kDns:
      return kind == Kind::kDns;
    case Matcher::Type::kUri:
      return kind == Kind::kUri;
    case Matcher::Type::kEmail:
      return kind == Kind::kEmail;
    case Matcher::Type::kIp:
      return kind == Kind::kIp;
  }
  return false;
}

// A certificate for *.example.org is one for a.example.org, but not for b.a.example.org.
bool WildcardCovers(std::string_view san, std::string_view wanted) {
  const std::size_t dot = wanted.find('.');
  return san.starts_with("*.") && dot != wanted.npos && dot > 0 &&
         base::EqualsIgnoreCase(san.substr(1), wanted.substr(dot));
}

bool Accepts(const Matcher& each, Kind kind, std::string_view name) {
  if (!IsOf(each.type, kind)) return false;
  if (each.matcher.Matches(name, config::Regex::kNoWorker)) return true;
  return kind == Kind::kDns && each.matcher.kind == config::StringMatcher::Kind::kExact &&
         WildcardCovers(name, each.matcher.text);
}

}  // namespace

net::TlsVerification RulesOf(const config::TlsValidation& validation) {
  net::TlsVerification out;
  out.ca_pem = validation.ca_pem;
  out.system_cas = validation.system_cas;
  out.crl_pem = validation.crl_pem;
  out.only_leaf_crl = validation.only_leaf_crl;
  out.spki_sha256 = validation.spki_sha256;
  out.certificate_sha256 = validation.certificate_sha256;
  out.accept_untrusted = validation.accept_untrusted;
  out.allow_expired = validation.allow_expired;
  out.depth_max = static_cast<int>(validation.verify_depth_max);
  if (validation.subject_alt_names.empty()) return out;
  out.accept_san = [matchers = std::make_shared<const std::vector<Matcher>>(
                        validation.subject_alt_names)](Kind kind, std::string_view name) {
    for (const Matcher& each : *matchers) {
      if (Accepts(each, kind, name)) return true;
    }
    return false;
  };
  return out;
}

}  // namespace sluice::upstream
