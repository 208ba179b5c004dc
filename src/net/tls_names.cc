#include "net/tls_names.h"

#include <netinet/in.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cstring>

#include "base/address.h"
#include "net/tls_context.h"

namespace sluice::net {
namespace {

// "" for what is no address.
std::string IpText(const ASN1_OCTET_STRING& ip) {
  const unsigned char* bytes = ASN1_STRING_get0_data(&ip);
  sockaddr_storage storage = {};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (ASN1_STRING_length(&ip) == 4) {
    v4->sin_family = AF_INET;
    std::memcpy(&v4->sin_addr, bytes, 4);
  } else if (ASN1_STRING_length(&ip) == 16) {
    v6->sin6_family = AF_INET6;
    std::memcpy(&v6->sin6_addr, bytes, 16);
  } else {
    return "";
  }
  return base::Address::FromSockaddr(reinterpret_cast<const sockaddr*>(&storage), sizeof(storage))
      .IpText();
}

}  // namespace

bool AnySan(
    const x509_st* certificate,
    const std::function<bool(TlsVerification::SanKind kind, std::string_view name)>& visit) {
  using Kind = TlsVerification::SanKind;
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  bool found = false;
  for (int i = 0; names != nullptr && !found && i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_IPADD) {
      const std::string text = IpText(*name->d.iPAddress);
      found = !text.empty() && visit(Kind::kIp, text);
      continue;
    }
    const bool known = name->type == GEN_DNS || name->type == GEN_URI || name->type == GEN_EMAIL;
    if (!known) continue;
    const ASN1_IA5STRING* text = name->d.ia5;
    const std::string_view san(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                               static_cast<std::size_t>(ASN1_STRING_length(text)));
    if (san.find('\0') != san.npos) continue;
    const Kind kind = name->type == GEN_DNS   ? Kind::kDns
                      : name->type == GEN_URI ? Kind::kUri
                                              : Kind::kEmail;
    found = visit(kind, san);
  }
  GENERAL_NAMES_free(names);
  return found;
}

bool AnyNameAccepted(x509_st* certificate, bool (*accept)(void*, std::string_view), void* owner) {
  return AnySan(certificate, [&](TlsVerification::SanKind kind, std::string_view name) {
    return kind != TlsVerification::SanKind::kEmail && accept(owner, name);
  });
}

}  // namespace sluice::net
