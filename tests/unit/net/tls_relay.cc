#include "tls_relay.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"

namespace sluice::net {

struct TlsRelay::State {
  TlsRelayOptions options;
  FileDescriptor encrypted;
  FileDescriptor plain;
  FileDescriptor stop;
  SSL_CTX* context = nullptr;
  SSL* ssl = nullptr;
  std::string up;    // Decrypted, for plain.
  std::string down;  // For the client.
  bool up_ended = false, up_passed = false;
  bool down_ended = false, down_passed = false;
  bool broken = false;

  bool Setup();
  void Step();
  void Decrypt();
  void PassUp();
  void TakeDown();
  void Encrypt();
  bool Wait(bool handshaking);
};

namespace {

int ChooseAlpn(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered,
               unsigned offered_size, void* wanted_text) {
  const auto& wanted = *static_cast<const std::string*>(wanted_text);
  const std::string wire = std::string(1, static_cast<char>(wanted.size())) + wanted;
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, size, reinterpret_cast<const unsigned char*>(wire.data()),
                            static_cast<unsigned>(wire.size()), offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = offered + 1;  // `chosen` points into `wire`; the only offer of these tests is the first.
  return SSL_TLSEXT_ERR_OK;
}

X509* ReadCertificate(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return certificate;
}

}  // namespace

TlsRelay::TlsRelay(const TlsRelayOptions& options, FileDescriptor encrypted, FileDescriptor plain)
    : state_(std::make_unique<State>()) {
  state_->options = options;
  state_->encrypted = std::move(encrypted);
  state_->plain = std::move(plain);
  state_->stop = FileDescriptor(eventfd(0, EFD_CLOEXEC));
  thread_ = std::thread([this] { Serve(); });
}

TlsRelay::~TlsRelay() {
  const std::uint64_t one = 1;
  SLUICE_CHECK(write(state_->stop.get(), &one, sizeof(one)) == sizeof(one));
  thread_.join();
  SSL_free(state_->ssl);
  SSL_CTX_free(state_->context);
}

bool TlsRelay::State::Setup() {
  context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_max_proto_version(context, options.version_max);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  X509* certificate = ReadCertificate(options.certificate_pem);
  BIO* bio = BIO_new_mem_buf(options.private_key_pem.data(),
                             static_cast<int>(options.private_key_pem.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  SLUICE_CHECK(SSL_CTX_use_certificate(context, certificate) == 1);
  SLUICE_CHECK(SSL_CTX_use_PrivateKey(context, key) == 1);
  X509_free(certificate);
  EVP_PKEY_free(key);
  if (!options.alpn.empty()) SSL_CTX_set_alpn_select_cb(context, &ChooseAlpn, &options.alpn);
  if (!options.client_ca_pem.empty()) {
    X509* ca = ReadCertificate(options.client_ca_pem);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca);
    X509_free(ca);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  ssl = SSL_new(context);
  SSL_set_fd(ssl, encrypted.get());
  SSL_set_accept_state(ssl);
  for (const int fd : {encrypted.get(), plain.get()}) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  }
  for (;;) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl);
    if (result == 1) return true;
    const int error = SSL_get_error(ssl, result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return false;
    if (!Wait(true)) return false;
  }
}

bool TlsRelay::State::Wait(bool handshaking) {
  short encrypted_events = 0;
  short plain_events = 0;
  if (handshaking || (up.empty() && !up_ended)) encrypted_events |= POLLIN;
  if (!handshaking && !down.empty()) encrypted_events |= POLLOUT;
  if (!handshaking && !up.empty()) plain_events |= POLLOUT;
  if (!handshaking && down.empty() && !down_ended) plain_events |= POLLIN;
  pollfd fds[3] = {{stop.get(), POLLIN, 0},
                   {encrypted_events != 0 ? encrypted.get() : -1, encrypted_events, 0},
                   {plain_events != 0 ? plain.get() : -1, plain_events, 0}};
  poll(fds, 3, handshaking || SSL_pending(ssl) == 0 ? -1 : 0);
  return fds[0].revents == 0;
}

void TlsRelay::State::Decrypt() {
  if (!up.empty() || up_ended) return;
  char space[8192];
  ERR_clear_error();
  errno = 0;
  const int got = SSL_read(ssl, space, sizeof(space));
  if (got > 0) {
    up.assign(space, static_cast<std::size_t>(got));
    return;
  }
  const int error = SSL_get_error(ssl, got);
  if (error == SSL_ERROR_ZERO_RETURN) {
    up_ended = true;
  } else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
    broken = true;
  }
}

void TlsRelay::State::PassUp() {
  if (!up.empty()) {
    const ssize_t sent = send(plain.get(), up.data(), up.size(), MSG_NOSIGNAL);
    if (sent > 0) up.erase(0, static_cast<std::size_t>(sent));
    if (sent < 0 && errno != EAGAIN) broken = true;
  } else if (up_ended && !up_passed) {
    up_passed = true;
    shutdown(plain.get(), SHUT_WR);
  }
}

void TlsRelay::State::TakeDown() {
  if (!down.empty() || down_ended) return;
  char space[8192];
  const ssize_t got = recv(plain.get(), space, sizeof(space), 0);
  if (got > 0) down.assign(space, static_cast<std::size_t>(got));
  if (got == 0) down_ended = true;
  if (got < 0 && errno != EAGAIN) broken = true;
}

void TlsRelay::State::Encrypt() {
  ERR_clear_error();
  if (!down.empty()) {
    const int sent = SSL_write(ssl, down.data(), static_cast<int>(down.size()));
    if (sent > 0) {
      down.erase(0, static_cast<std::size_t>(sent));
    } else if (const int error = SSL_get_error(ssl, sent);
               error != SSL_ERROR_WANT_WRITE && error != SSL_ERROR_WANT_READ) {
      broken = true;
    }
  } else if (down_ended && !down_passed) {
    down_passed = true;
    if (options.send_close_notify) {
      SSL_shutdown(ssl);
    } else {
      shutdown(encrypted.get(), SHUT_WR);
    }
  }
}

void TlsRelay::State::Step() {
  Decrypt();
  PassUp();
  TakeDown();
  Encrypt();
}

void TlsRelay::Serve() {
  State& state = *state_;
  bool running = state.Setup();
  const bool served = running;
  while (running && !state.broken && !(state.up_passed && state.down_passed)) {
    state.Step();
    if (state.up_ended && !state.up_passed) continue;
    running = state.Wait(false);
  }
  if (served && (state.broken || !running)) {
    for (FileDescriptor* fd : {&state.encrypted, &state.plain}) {
      const linger abort_it = {1, 0};
      setsockopt(fd->get(), SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it));
    }
  }
  state.encrypted = FileDescriptor();
  state.plain = FileDescriptor();
}

}  // namespace sluice::net
