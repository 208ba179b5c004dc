#include "harness/tls_client.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace sluice::harness {
namespace {

BIO* Reader(const std::string& pem) {
  return BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
}

void Use(SSL_CTX* context, const Identity& identity) {
  BIO* bio = Reader(identity.certificate_pem);
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  bio = Reader(identity.private_key_pem);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  SSL_CTX_use_certificate(context, certificate);
  SSL_CTX_use_PrivateKey(context, key);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

}  // namespace

TlsClient::TlsClient(std::uint16_t port, const TlsClientOptions& options)
    : socket_(Socket::Connect(port)), context_(SSL_CTX_new(TLS_client_method())) {
  if (options.version_max != 0) SSL_CTX_set_max_proto_version(context_, options.version_max);
  if (!options.ciphers.empty()) SSL_CTX_set_cipher_list(context_, options.ciphers.c_str());
  if (options.identity) Use(context_, *options.identity);
  std::string wire;
  for (const std::string& name : options.alpn) {
    wire += static_cast<char>(name.size());
    wire += name;
  }
  if (!wire.empty()) {
    SSL_CTX_set_alpn_protos(context_, reinterpret_cast<const unsigned char*>(wire.data()),
                            static_cast<unsigned>(wire.size()));
  }
  ssl_ = SSL_new(context_);
  if (!options.sni.empty()) SSL_set_tlsext_host_name(ssl_, options.sni.c_str());
  if (options.session != nullptr) SSL_set_session(ssl_, options.session);
  if (options.ask_for_staple) SSL_set_tlsext_status_type(ssl_, TLSEXT_STATUSTYPE_ocsp);
  if (!socket_.is_open()) return;
  const timeval patience = {5, 0};
  setsockopt(socket_.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  fcntl(socket_.fd(), F_SETFL, fcntl(socket_.fd(), F_GETFL) & ~O_NONBLOCK);
  SSL_set_fd(ssl_, socket_.fd());
  shaken_ = SSL_connect(ssl_) == 1;
  ERR_clear_error();
}

TlsClient::~TlsClient() {
  if (shaken_) SSL_shutdown(ssl_);
  SSL_free(ssl_);
  SSL_CTX_free(context_);
  ERR_clear_error();
}

std::string TlsClient::server_name() const {
  X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return "";
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  std::string out;
  if (sk_GENERAL_NAME_num(names) > 0) {
    const GENERAL_NAME* first = sk_GENERAL_NAME_value(names, 0);
    out.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(first->d.ia5)),
               static_cast<std::size_t>(ASN1_STRING_length(first->d.ia5)));
  }
  GENERAL_NAMES_free(names);
  return out;
}

bool TlsClient::server_key_is_rsa() const {
  X509* certificate = SSL_get0_peer_certificate(ssl_);
  return certificate != nullptr &&
         EVP_PKEY_get_base_id(X509_get0_pubkey(certificate)) == EVP_PKEY_RSA;
}

std::string TlsClient::version() const { return SSL_get_version(ssl_); }

std::string TlsClient::alpn() const {
  const unsigned char* bytes = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &bytes, &size);
  return {reinterpret_cast<const char*>(bytes), size};
}

bool TlsClient::resumed() const { return SSL_session_reused(ssl_) == 1; }

std::string TlsClient::staple() const {
  const unsigned char* bytes = nullptr;
  const long size = SSL_get_tlsext_status_ocsp_resp(ssl_, &bytes);
  return size <= 0
             ? ""
             : std::string(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

std::string TlsClient::Get(std::string_view path, std::string_view headers) {
  if (!shaken_) return "";
  const std::string request =
      "GET " + std::string(path) + " HTTP/1.1\r\nhost: a.test\r\n" + std::string(headers) + "\r\n";
  if (SSL_write(ssl_, request.data(), static_cast<int>(request.size())) <= 0) return "";
  std::string out;
  while (true) {
    const std::size_t head = out.find("\r\n\r\n");
    if (head != std::string::npos) {
      const std::string value =
          FindHeader(ParseHeaderLines(out.substr(0, head + 4)), "content-length").value_or("0");
      if (out.size() >= head + 4 + std::stoul(value)) return out;
    }
    char piece[4096];
    const int got = SSL_read(ssl_, piece, sizeof(piece));
    if (got <= 0) {
      ERR_clear_error();
      return "";
    }
    out.append(piece, static_cast<std::size_t>(got));
  }
}

ssl_session_st* TlsClient::TakeSession() { return SSL_get1_session(ssl_); }

}  // namespace sluice::harness
