#include "net/tls_server.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "net/tls_context.h"
#include "net/tls_names.h"
#include "net/tls_stream.h"
#include "net/tls_tickets.h"

namespace sluice::net {
namespace {

// Of one certificate with its key; references of its own.
struct Shown {
  X509* leaf = nullptr;
  EVP_PKEY* key = nullptr;
  STACK_OF(X509) * chain = nullptr;
  std::string staple;
  std::time_t staple_ends = 0;

  Shown() = default;
  Shown(Shown&& other) noexcept
      : leaf(std::exchange(other.leaf, nullptr)),
        key(std::exchange(other.key, nullptr)),
        chain(std::exchange(other.chain, nullptr)),
        staple(std::move(other.staple)),
        staple_ends(other.staple_ends) {}
  Shown& operator=(Shown&&) = delete;
  ~Shown() {
    X509_free(leaf);
    EVP_PKEY_free(key);
    sk_X509_pop_free(chain, X509_free);
  }
  bool fresh() const { return !staple.empty() && std::time(nullptr) < staple_ends; }
};

using Group = std::vector<std::size_t>;  // Certificates of one name, one of each kind of key.

// When the response stops being one; 0: it says nothing good.
std::time_t StapleEnd(const std::string& der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  OCSP_RESPONSE* response = d2i_OCSP_RESPONSE(nullptr, &bytes, static_cast<long>(der.size()));
  OCSP_BASICRESP* basic = response == nullptr ? nullptr : OCSP_response_get1_basic(response);
  std::time_t ends = 0;
  if (basic != nullptr && OCSP_resp_count(basic) > 0) {
    ASN1_GENERALIZEDTIME* next = nullptr;
    OCSP_single_get0_status(OCSP_resp_get0(basic, 0), nullptr, nullptr, nullptr, &next);
    std::tm parts{};
    ends = std::numeric_limits<std::time_t>::max();  // "Newer information is always available."
    if (next != nullptr) ends = ASN1_TIME_to_tm(next, &parts) == 1 ? timegm(&parts) : 0;
  }
  OCSP_BASICRESP_free(basic);
  OCSP_RESPONSE_free(response);
  ERR_clear_error();
  return ends;
}

}  // namespace

class TlsServerContext {
 public:
  explicit TlsServerContext(const TlsServerOptions& options) : options_(options) {}
  ~TlsServerContext() { SSL_CTX_free(context_); }
  TlsServerContext(const TlsServerContext&) = delete;
  TlsServerContext& operator=(const TlsServerContext&) = delete;

  ssl_ctx_st* get() const { return context_; }
  absl::Status Fill();

 private:
  absl::Status AddCertificate(const TlsServerCertificate& certificate);
  absl::Status UseAlgorithms();
  absl::Status UseClientVerification();
  void IndexNames();
  void AddToGroup(Group& group, std::size_t index) const;
  const Group& GroupFor(const char* name) const;
  bool Show(SSL* ssl) const;

  static TlsServerContext& Of(void* self) { return *static_cast<TlsServerContext*>(self); }
  static int OnCertificate(SSL* ssl, void* self);
  static int OnStatus(SSL* ssl, void* self);
  static int OnAlpn(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* offered, unsigned offered_size, void* self);

  TlsServerOptions options_;
  SSL_CTX* context_ = nullptr;
  std::vector<Shown> shown_;
  base::StringMap<Group> names_;  // Lower-case; "*.example.org" too.
  Group fallback_;                // For no name, and names that no certificate has.
  std::vector<TicketKey> ticket_keys_;
};

absl::Status TlsServerContext::AddCertificate(const TlsServerCertificate& certificate) {
  Shown& shown = shown_.emplace_back();
  shown.chain = sk_X509_new_null();
  absl::Status status =
      ReadCertificates(certificate.chain_pem, "certificate_chain", [&shown](X509* each) {
        if (X509_up_ref(each) != 1) return false;
        if (shown.leaf == nullptr) {
          shown.leaf = each;
          return true;
        }
        return sk_X509_push(shown.chain, each) > 0;
      });
  if (!status.ok()) return status;
  shown.key = ReadPrivateKey(certificate.key_pem, certificate.key_password);
  if (shown.key == nullptr) return TlsRefused("private_key cannot be read");
  if (X509_check_private_key(shown.leaf, shown.key) != 1) {
    return TlsRefused("private_key does not match certificate_chain");
  }
  shown.staple = certificate.ocsp_staple;
  if (!shown.staple.empty()) shown.staple_ends = StapleEnd(shown.staple);
  if (options_.ocsp == TlsServerOptions::Ocsp::kMustStaple && shown.staple.empty()) {
    return base::InvalidArgument("MUST_STAPLE needs an ocsp_staple for every certificate");
  }
  return absl::OkStatus();
}

// The first certificate of a kind of key is the one that a group shows.
void TlsServerContext::AddToGroup(Group& group, std::size_t index) const {
  const int kind = EVP_PKEY_get_base_id(shown_[index].key);
  const bool known = std::any_of(group.begin(), group.end(), [&](std::size_t each) {
    return EVP_PKEY_get_base_id(shown_[each].key) == kind;
  });
  if (!known) group.push_back(index);
}

void TlsServerContext::IndexNames() {
  for (std::size_t i = 0; i < shown_.size(); ++i) {
    bool any = false;
    AnySan(shown_[i].leaf, [&](TlsVerification::SanKind kind, std::string_view name) {
      if (kind != TlsVerification::SanKind::kDns) return false;
      any = true;
      AddToGroup(names_[base::Lowercase(name)], i);
      return false;
    });
    if (any) continue;
    // No name but the old one.
    char text[256];
    const int size = X509_NAME_get_text_by_NID(X509_get_subject_name(shown_[i].leaf),
                                               NID_commonName, text, sizeof(text));
    if (size > 0) AddToGroup(names_[base::Lowercase(std::string_view(text))], i);
  }
  for (std::size_t i = 0; i < shown_.size(); ++i) {
    bool like_first = i == 0 || options_.full_scan_on_sni_mismatch;
    for (const auto& [name, group] : names_) {
      const auto in = [&group](std::size_t at) {
        return std::find(group.begin(), group.end(), at) != group.end();
      };
      like_first = like_first || (in(0) && in(i));
    }
    if (like_first) AddToGroup(fallback_, i);
  }
}

const Group& TlsServerContext::GroupFor(const char* name) const {
  if (name == nullptr) return fallback_;
  std::string lower = base::Lowercase(std::string_view(name));
  if (const auto it = names_.find(lower); it != names_.end()) return it->second;
  const std::size_t dot = lower.find('.');
  if (dot != std::string::npos && dot > 0) {
    lower.replace(0, dot, "*");
    if (const auto it = names_.find(lower); it != names_.end()) return it->second;
  }
  return fallback_;
}

int TlsServerContext::OnCertificate(SSL* ssl, void* self) {
  const TlsServerContext& context = Of(self);
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (context.options_.require_sni && (name == nullptr || *name == '\0')) return 0;
  const Group& group = context.GroupFor(name);
  const bool must = context.options_.ocsp == TlsServerOptions::Ocsp::kMustStaple;
  if (&group == &context.fallback_ && !must) return 1;  // As the context has it.
  SSL_certs_clear(ssl);
  int used = 0;
  for (const std::size_t index : group) {
    const Shown& shown = context.shown_[index];
    if (must && !shown.fresh()) continue;
    if (SSL_use_cert_and_key(ssl, shown.leaf, shown.key, shown.chain, 1) != 1) return 0;
    ++used;
  }
  return used > 0 ? 1 : 0;
}

// Only for clients that ask for a response.
int TlsServerContext::OnStatus(SSL* ssl, void* self) {
  const TlsServerContext& context = Of(self);
  const X509* leaf = SSL_get_certificate(ssl);
  const auto it = std::find_if(context.shown_.begin(), context.shown_.end(),
                               [leaf](const Shown& each) { return each.leaf == leaf; });
  if (it == context.shown_.end() || it->staple.empty()) return SSL_TLSEXT_ERR_NOACK;
  if (!it->fresh()) {
    const bool lenient = context.options_.ocsp == TlsServerOptions::Ocsp::kLenient;
    return lenient ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  auto* copy = static_cast<unsigned char*>(OPENSSL_memdup(it->staple.data(), it->staple.size()));
  if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(it->staple.size()));
  return SSL_TLSEXT_ERR_OK;
}

int TlsServerContext::OnAlpn(SSL*, const unsigned char** out, unsigned char* out_size,
                             const unsigned char* offered, unsigned offered_size, void* self) {
  for (const std::string& wanted : Of(self).options_.alpn) {
    // OpenSSL has checked the lengths inside.
    for (unsigned at = 0; at < offered_size; at += 1U + offered[at]) {
      const std::string_view name(reinterpret_cast<const char*>(offered) + at + 1, offered[at]);
      if (name != wanted) continue;
      *out = offered + at + 1;
      *out_size = offered[at];
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_NOACK;
}

absl::Status TlsServerContext::UseAlgorithms() {
  if (SSL_CTX_set_min_proto_version(context_, options_.version_min) != 1 ||
      SSL_CTX_set_max_proto_version(context_, options_.version_max) != 1) {
    return TlsRefused("TLS versions cannot be set");
  }
  if (!options_.ciphers.empty() &&
      SSL_CTX_set_cipher_list(context_, options_.ciphers.c_str()) != 1) {
    return TlsRefused("cipher_suites cannot be used");
  }
  if (!options_.curves.empty() &&
      SSL_CTX_set1_groups_list(context_, options_.curves.c_str()) != 1) {
    return TlsRefused("ecdh_curves cannot be used");
  }
  // AES-128 first, as everybody but OpenSSL: nothing is gained by the longer key but work.
  if (SSL_CTX_set_ciphersuites(context_,
                               "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                               "TLS_CHACHA20_POLY1305_SHA256") != 1) {
    return TlsRefused("TLS 1.3 is not available");
  }
  const std::string& algorithms = options_.signature_algorithms;
  if (!algorithms.empty() && SSL_CTX_set1_sigalgs_list(context_, algorithms.c_str()) != 1) {
    return TlsRefused("signature_algorithms cannot be used");
  }
  if (!options_.prefer_client_ciphers) {
    SSL_CTX_set_options(context_, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  }
  return absl::OkStatus();
}

absl::Status TlsServerContext::UseClientVerification() {
  if (!options_.ask_for_certificate) return absl::OkStatus();
  const TlsVerification& rules = options_.verification;
  if (absl::Status status = UseVerification(context_, rules); !status.ok()) return status;
  if (!rules.ca_pem.empty()) {
    // Tells clients which of their certificates may do.
    absl::Status status = ReadCertificates(rules.ca_pem, "trusted_ca", [this](X509* ca) {
      return SSL_CTX_add_client_CA(context_, ca) == 1;
    });
    if (!status.ok()) return status;
  }
  SSL_CTX_set_verify(
      context_,
      SSL_VERIFY_PEER | (options_.require_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
      &JudgeCertificate);
  return absl::OkStatus();
}

absl::Status TlsServerContext::Fill() {
  ERR_clear_error();
  context_ = SSL_CTX_new(TLS_server_method());
  if (context_ == nullptr) return TlsRefused("TLS is not available");
  UseCommonOptions(context_);
  SSL_CTX_set_app_data(context_, &options_.verification);
  if (absl::Status status = UseAlgorithms(); !status.ok()) return status;
  shown_.reserve(options_.certificates.size());
  for (TlsServerCertificate& certificate : options_.certificates) {
    if (absl::Status status = AddCertificate(certificate); !status.ok()) return status;
    certificate = {};  // The key once in memory is enough.
  }
  if (shown_.empty()) return base::InvalidArgument("no certificate");
  IndexNames();
  for (const std::size_t index : fallback_) {
    const Shown& each = shown_[index];
    if (SSL_CTX_use_cert_and_key(context_, each.leaf, each.key, each.chain, 1) != 1) {
      return TlsRefused("a certificate cannot be used");
    }
  }
  if (absl::Status status = UseClientVerification(); !status.ok()) return status;
  SSL_CTX_set_cert_cb(context_, &OnCertificate, this);
  SSL_CTX_set_tlsext_status_cb(context_, &OnStatus);
  SSL_CTX_set_tlsext_status_arg(context_, this);
  if (!options_.alpn.empty()) SSL_CTX_set_alpn_select_cb(context_, &OnAlpn, this);
  if (options_.tickets) {
    for (const std::string& key : options_.ticket_keys) {
      TicketKey& to = ticket_keys_.emplace_back();
      if (key.size() != to.size()) return base::InvalidArgument("a ticket key has 80 bytes");
      std::copy(key.begin(), key.end(), to.begin());
    }
    UseTicketKeys(context_, ticket_keys_);
    SSL_CTX_set_num_tickets(context_, 1);
  } else {
    SSL_CTX_set_options(context_, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context_, 0);
  }
  SSL_CTX_set_timeout(context_, static_cast<long>(options_.session_timeout_s));
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(options_.session_context.data()),
         options_.session_context.size(), digest);
  SSL_CTX_set_session_id_context(context_, digest, sizeof(digest));
  ERR_clear_error();
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const TlsServerContext>> NewTlsServerContext(
    const TlsServerOptions& options) {
  auto context = std::make_shared<TlsServerContext>(options);
  if (absl::Status status = context->Fill(); !status.ok()) return status;
  return context;
}

std::unique_ptr<Stream> NewTlsServerStream(Loop& loop, std::unique_ptr<Stream> socket,
                                           std::shared_ptr<const TlsServerContext> context) {
  ssl_ctx_st* raw = context->get();
  auto stream = std::make_unique<TlsStream>(loop, std::move(socket), raw, std::move(context));
  stream->BeServer();
  return stream;
}

}  // namespace sluice::net
