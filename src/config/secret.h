#pragma once
// Compiled secrets: what SDS delivers and what a TLS context carries inline, in one form.
//
// Values, checked with OpenSSL before they exist; any thread may read. Never printed: /config_dump
// shows "[redacted]". envoy-behaviour.md 1.10 (SDS).

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config_source.h"
#include "config/matchers.h"

namespace sluice::config {

// A certificate chain with its key. The texts are PEM whatever the source was.
struct TlsCertificate {
  std::string chain_pem;
  std::string key_pem;
  std::string ocsp_staple;   // DER; "": none.
  std::string key_password;  // "": the key is not encrypted.
  bool operator==(const TlsCertificate&) const = default;
};

// How a peer's certificate is judged.
struct TlsValidation {
  struct SanMatcher {
    enum class Type : std::uint8_t { kAny, kDns, kUri, kEmail, kIp };
    Type type = Type::kAny;
    StringMatcher matcher;
    bool operator==(const SanMatcher&) const = default;
  };
  std::string ca_pem;                           // "": none given.
  bool system_cas = false;                      // The system's CAs instead of `ca_pem`.
  std::string crl_pem;                          // "": none.
  std::vector<std::string> spki_sha256;         // Raw digests, any of them.
  std::vector<std::string> certificate_sha256;  // Likewise, of the whole certificate.
  std::vector<SanMatcher> subject_alt_names;    // Any of them; empty: not checked.
  bool accept_untrusted = false;                // trust_chain_verification ACCEPT_UNTRUSTED.
  bool allow_expired = false;
  bool only_leaf_crl = false;
  std::uint32_t verify_depth_max = 100;
  bool operator==(const TlsValidation&) const = default;
};

struct TlsTicketKeys {
  std::vector<std::string> keys;  // 80 bytes each; the first one encrypts.
  bool operator==(const TlsTicketKeys&) const = default;
};

struct GenericSecret {
  std::string secret;
  bool operator==(const GenericSecret&) const = default;
};

// Where a part of a secret came from, so that it can be read again.
struct SecretFile {
  enum class Part : std::uint8_t { kChain, kKey, kOcspStaple, kPassword, kCa, kCrl, kTicketKey };
  Part part = Part::kChain;
  std::size_t index = 0;  // kTicketKey: which.
  std::string path;
  bool operator==(const SecretFile&) const = default;
};

struct Secret {
  std::string name;
  std::variant<TlsCertificate, TlsValidation, TlsTicketKeys, GenericSecret> value;
  // What it was read from: a change of one means reading them again (RereadSecret). Empty: all
  // inline.
  std::vector<SecretFile> files;
  std::string watched_directory;  // "": the directories of `files` tell.
  bool operator==(const Secret&) const = default;
};

// Where a TLS context takes a secret from.
struct SecretRef {
  std::string sds_name;  // "": inline. Looked up in Snapshot::secrets.
  std::shared_ptr<const Secret> inline_secret;
  bool over_sds = false;  // Else one of static_resources.secrets.
  ConfigSourceRef source = {};
  std::uint64_t fetch_timeout_ms = 15'000;
  bool operator==(const SecretRef& other) const {
    const bool same = inline_secret == other.inline_secret ||
                      (inline_secret != nullptr && other.inline_secret != nullptr &&
                       *inline_secret == *other.inline_secret);
    return same && sds_name == other.sds_name && over_sds == other.over_sds &&
           source == other.source && fetch_timeout_ms == other.fetch_timeout_ms;
  }
};

}  // namespace sluice::config
