#include "observe/tls_info.h"

#include <chrono>

#include "base/clock.h"
#include "base/strings.h"
#include "observe/time_format.h"

namespace sluice::observe {
namespace {

void AppendList(const std::vector<std::string>& texts, std::string& out) {
  for (std::size_t i = 0; i < texts.size(); ++i) base::Append(out, i == 0 ? "" : ",", texts[i]);
}

void AppendTime(std::int64_t seconds, std::string& out) {
  if (seconds != 0) AppendIsoTime(base::WallTime(std::chrono::seconds(seconds)), out);
}

template <std::string TlsInfo::* kText>
void Plain(const TlsInfo& info, std::string& out) {
  out += info.*kText;
}
template <std::vector<std::string> TlsInfo::* kTexts>
void Listed(const TlsInfo& info, std::string& out) {
  AppendList(info.*kTexts, out);
}
template <std::int64_t TlsInfo::* kSeconds>
void Time(const TlsInfo& info, std::string& out) {
  AppendTime(info.*kSeconds, out);
}
void Certificate(const TlsInfo& info, std::string& out) {
  AppendUrlEncodedPem(info.certificate_pem, out);
}

struct Row {
  std::string_view name;
  void (*append)(const TlsInfo& info, std::string& out);
};
constexpr Row kRows[] = {
    {"DOWNSTREAM_TLS_VERSION", Plain<&TlsInfo::version>},
    {"DOWNSTREAM_TLS_CIPHER", Plain<&TlsInfo::cipher>},
    {"DOWNSTREAM_TLS_SESSION_ID", Plain<&TlsInfo::session_id>},
    {"DOWNSTREAM_PEER_SUBJECT", Plain<&TlsInfo::subject>},
    {"DOWNSTREAM_PEER_ISSUER", Plain<&TlsInfo::issuer>},
    {"DOWNSTREAM_PEER_SERIAL", Plain<&TlsInfo::serial>},
    {"DOWNSTREAM_PEER_FINGERPRINT_256", Plain<&TlsInfo::fingerprint_sha256>},
    {"DOWNSTREAM_PEER_FINGERPRINT_1", Plain<&TlsInfo::fingerprint_sha1>},
    {"DOWNSTREAM_PEER_CERT", Certificate},
    {"DOWNSTREAM_PEER_CERT_V_START", Time<&TlsInfo::valid_from_s>},
    {"DOWNSTREAM_PEER_CERT_V_END", Time<&TlsInfo::expires_s>},
    {"DOWNSTREAM_PEER_URI_SAN", Listed<&TlsInfo::uri_sans>},
    {"DOWNSTREAM_PEER_DNS_SAN", Listed<&TlsInfo::dns_sans>},
    {"DOWNSTREAM_PEER_IP_SAN", Listed<&TlsInfo::ip_sans>},
    {"DOWNSTREAM_PEER_EMAIL_SAN", Listed<&TlsInfo::email_sans>},
    {"DOWNSTREAM_LOCAL_SUBJECT", Plain<&TlsInfo::local_subject>},
    {"DOWNSTREAM_LOCAL_URI_SAN", Listed<&TlsInfo::local_uri_sans>},
    {"DOWNSTREAM_LOCAL_DNS_SAN", Listed<&TlsInfo::local_dns_sans>},
};

const Row* Find(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace

bool IsTlsOperator(std::string_view name) { return Find(name) != nullptr; }

void AppendTlsValue(const TlsInfo& info, std::string_view name, std::string& scratch) {
  if (const Row* row = Find(name)) row->append(info, scratch);
}

void AppendUrlEncodedPem(std::string_view pem, std::string& out) {
  for (const char c : pem) {
    switch (c) {
      case '\n':
        out += "%0A";
        break;
      case ' ':
        out += "%20";
        break;
      case '+':
        out += "%2B";
        break;
      case '/':
        out += "%2F";
        break;
      case '=':
        out += "%3D";
        break;
      default:
        out += c;
    }
  }
}

}  // namespace sluice::observe
