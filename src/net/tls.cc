#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "net/tls_context.h"
#include "net/tls_stream.h"

namespace sluice::net {
namespace {

constexpr std::size_t kRecordBytesMax = 16 * 1024;
// A piece at least this long becomes records of its own; shorter ones are joined first.
constexpr std::size_t kJoinBelowBytes = 4096;

// ---- OpenSSL's view of the socket ----------------------------------------------------------

TlsStream& StreamOf(BIO* bio) { return *static_cast<TlsStream*>(BIO_get_data(bio)); }

int BioRead(BIO* bio, char* space, int size) { return StreamOf(bio).ReadSocket(bio, space, size); }
int BioWrite(BIO* bio, const char* bytes, int size) {
  return StreamOf(bio).WriteSocket(bio, bytes, size);
}
long BioControl(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return StreamOf(bio).socket_ended() ? 1 : 0;
  return 0;
}
int BioCreate(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

const BIO_METHOD* SocketMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    SLUICE_CHECK(made != nullptr);
    BIO_meth_set_read(made, &BioRead);
    BIO_meth_set_write(made, &BioWrite);
    BIO_meth_set_ctrl(made, &BioControl);
    BIO_meth_set_create(made, &BioCreate);
    return made;
  }();
  return method;
}

SocketStream& SocketBelow(Stream& stream) {
  auto* socket = dynamic_cast<SocketStream*>(&stream);
  SLUICE_CHECK(socket != nullptr);
  return *socket;
}

}  // namespace

int TlsStream::ReadSocket(BIO* bio, char* space, int size) {
  BIO_clear_retry_flags(bio);
  const IoResult result = raw_.Read({space, static_cast<std::size_t>(size)});
  switch (result.status) {
    case IoStatus::kOk:
      return static_cast<int>(result.bytes);
    case IoStatus::kWouldBlock:
      BIO_set_retry_read(bio);
      return -1;
    case IoStatus::kEof:
      socket_ended_ = true;
      return 0;
    case IoStatus::kError:
      return -1;
  }
  return -1;
}

int TlsStream::WriteSocket(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const std::string_view piece(bytes, static_cast<std::size_t>(size));
  const IoResult result = raw_.Write({&piece, 1});
  if (result.status == IoStatus::kOk) return static_cast<int>(result.bytes);
  if (result.status == IoStatus::kWouldBlock) BIO_set_retry_write(bio);
  return -1;
}

// ---- the stream ------------------------------------------------------------------------------

TlsStream::TlsStream(Loop& loop, std::unique_ptr<Stream> socket, ssl_ctx_st* context,
                     std::shared_ptr<const void> owner)
    : socket_(std::move(socket)),
      raw_(SocketBelow(*socket_)),
      owner_(std::move(owner)),
      ssl_(SSL_new(context)),
      read_waiter_(loop),
      write_waiter_(loop),
      hangup_(loop, &OnHangup, this) {
  SLUICE_CHECK(ssl_ != nullptr);
  BIO* bio = BIO_new(SocketMethod());
  SLUICE_CHECK(bio != nullptr);
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_app_data(ssl_, this);
  if (SSL_get_verify_mode(ssl_) != SSL_VERIFY_NONE) {
    SSL_set_verify(ssl_, SSL_get_verify_mode(ssl_), &JudgeCertificate);
  }
  raw_.set_listener(this);
}

void TlsStream::BeServer() { SSL_set_accept_state(ssl_); }

void TlsStream::BeClient(const TlsPeer& peer) {
  peer_ = peer;
  SSL_set_connect_state(ssl_);
  bool good = true;
  if (!peer_.sni.empty() && !base::Address::ParseIp(peer_.sni, 0)) {
    good = SSL_set_tlsext_host_name(ssl_, peer_.sni.c_str()) == 1;
  }
  X509_VERIFY_PARAM* verify = SSL_get0_param(ssl_);
  if (!peer_.verify_name.empty()) {
    peer_.accept_san = nullptr;
    X509_VERIFY_PARAM_set_hostflags(
        verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (X509_VERIFY_PARAM_set1_ip_asc(verify, peer_.verify_name.c_str()) != 1) {
      good = good && X509_VERIFY_PARAM_set1_host(verify, peer_.verify_name.data(),
                                                 peer_.verify_name.size()) == 1;
    }
  }
  if (!good) {  // A name OpenSSL will not check must not go unchecked.
    failed_ = true;
    failure_ = "TLS_error:|0:SSL routines:OPENSSL_internal:INVALID_PEER_NAME:TLS_error_end";
  }
  ERR_clear_error();
}

bool TlsStream::AcceptNames(X509* certificate) const {
  return peer_.accept_san == nullptr ||
         AnyNameAccepted(certificate, peer_.accept_san, peer_.accept_san_owner);
}

TlsStream::~TlsStream() {
  Close(false);
  raw_.set_listener(nullptr);
  SSL_free(ssl_);
}

IoStatus TlsStream::After(int result, Blocked& blocked) {
  if (result > 0) {
    blocked = Blocked::kNo;
    return IoStatus::kOk;
  }
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      blocked = Blocked::kOnRead;
      return IoStatus::kWouldBlock;
    case SSL_ERROR_WANT_WRITE:
      blocked = Blocked::kOnWrite;
      return IoStatus::kWouldBlock;
    case SSL_ERROR_ZERO_RETURN:
      ended_ = true;
      return IoStatus::kEof;
    default:
      break;
  }
  failed_ = true;
  if (failure_kind_ == TlsFailure::kNone) {
    const bool absent = ERR_GET_REASON(ERR_peek_error()) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
    failure_kind_ = absent ? TlsFailure::kNoCertificate : TlsFailure::kProtocol;
  }
  std::string detail;
  if (const long verdict = SSL_get_verify_result(ssl_);
      verdict != X509_V_OK && !SSL_is_init_finished(ssl_)) {
    detail = base::Cat("verify cert failed: ", X509_verify_cert_error_string(verdict));
  }
  failure_ = TakeTlsErrors(detail);
  // The other direction ends with this one.
  read_waiter_.Wake();
  write_waiter_.Wake();
  return IoStatus::kError;
}

IoResult TlsStream::Read(std::span<char> space) {
  if (broken()) return {IoStatus::kError, 0};
  if (ended_) {
    hangup_told_ = true;
    return {IoStatus::kEof, 0};
  }
  if (space.empty()) return {IoStatus::kWouldBlock, 0};
  ERR_clear_error();
  std::size_t bytes = 0;
  const int result = SSL_read_ex(ssl_, space.data(), space.size(), &bytes);
  const IoStatus status = After(result, read_blocked_);
  if (status == IoStatus::kEof) hangup_told_ = true;
  // What was read may be what the other direction waited for.
  if (write_blocked_ == Blocked::kOnRead && write_waiter_.waiting()) write_waiter_.Wake();
  if (status == IoStatus::kOk && gone_ != nullptr && raw_.peer_gone()) hangup_.Schedule();
  return {status, bytes};
}

// One SSL_write. OpenSSL wants a write that blocked tried again with the same bytes first: what is
// cut off here depends on the front of `pieces` only, so a caller that appended stays right.
IoStatus TlsStream::WriteRecord(std::span<const std::string_view> pieces, std::size_t skip,
                                std::size_t& written) {
  std::array<char, kRecordBytesMax> joined;
  const std::string_view first = pieces.front().substr(skip);
  std::string_view bytes = first.substr(0, kRecordBytesMax);
  if (first.size() < kJoinBelowBytes && pieces.size() > 1) {
    std::size_t size = first.copy(joined.data(), first.size());
    for (const std::string_view piece : pieces.subspan(1)) {
      size += piece.copy(joined.data() + size, joined.size() - size);
      if (size == joined.size()) break;
    }
    bytes = {joined.data(), size};
  }
  ERR_clear_error();
  return After(SSL_write_ex(ssl_, bytes.data(), bytes.size(), &written), write_blocked_);
}

IoResult TlsStream::Write(std::span<const std::string_view> pieces) {
  if (broken() || write_ended_) return {IoStatus::kError, 0};
  std::size_t total = 0;
  std::size_t skip = 0;
  for (;;) {
    while (!pieces.empty() && skip == pieces.front().size()) {
      pieces = pieces.subspan(1);
      skip = 0;
    }
    if (pieces.empty()) break;
    std::size_t written = 0;
    const IoStatus status = WriteRecord(pieces, skip, written);
    if (read_blocked_ == Blocked::kOnWrite && read_waiter_.waiting()) read_waiter_.Wake();
    if (status != IoStatus::kOk) {
      if (total > 0) break;
      return {status == IoStatus::kWouldBlock ? status : IoStatus::kError, 0};
    }
    total += written;
    while (written > 0) {
      const std::size_t here = std::min(written, pieces.front().size() - skip);
      skip += here;
      written -= here;
      if (skip == pieces.front().size()) {
        pieces = pieces.subspan(1);
        skip = 0;
      }
    }
  }
  return {IoStatus::kOk, total};
}

void TlsStream::ShutdownWrite() {
  if (broken() || write_ended_) return;
  write_ended_ = true;
  write_waiter_.Wake();
  if (!SSL_is_init_finished(ssl_)) {
    raw_.ShutdownWrite();  // Nothing was written, and there is nobody to notify yet.
    return;
  }
  ERR_clear_error();
  const int result = SSL_shutdown(ssl_);
  notify_pending_ = result < 0 && SSL_get_error(ssl_, result) == SSL_ERROR_WANT_WRITE;
  ERR_clear_error();
}

void TlsStream::Close(bool reset) {
  if (raw_.closed()) return;
  if (!reset && !failed_ && !write_ended_ && SSL_is_init_finished(ssl_)) {
    ERR_clear_error();
    SSL_shutdown(ssl_);  // Best effort: a full socket means the peer does not listen.
    ERR_clear_error();
  }
  raw_.Close(reset);
  hangup_.Cancel();
  gone_ = nullptr;
  read_waiter_.Wake();
  write_waiter_.Wake();
}

bool TlsStream::SocketReady(Blocked blocked) const {
  return blocked == Blocked::kOnRead ? raw_.ReadyToRead() : raw_.ReadyToWrite();
}

// Without asking OpenSSL to decrypt anything.
bool TlsStream::MayRead() const {
  if (broken() || ended_) return true;
  if (read_blocked_ != Blocked::kNo) return SocketReady(read_blocked_);
  return raw_.ReadyToRead() || SSL_has_pending(ssl_) == 1 || !SSL_is_init_finished(ssl_);
}

bool TlsStream::MayWrite() const {
  if (broken() || write_ended_ || write_blocked_ == Blocked::kNo) return true;
  return SocketReady(write_blocked_);
}

// Bytes at the socket need not be bytes for the reader: session tickets, half a record.
bool TlsStream::Probe() {
  if (!MayRead()) return false;
  if (broken() || ended_ || !SSL_is_init_finished(ssl_) || SSL_pending(ssl_) > 0) return true;
  char byte;
  std::size_t bytes = 0;
  ERR_clear_error();
  return After(SSL_peek_ex(ssl_, &byte, 1, &bytes), read_blocked_) != IoStatus::kWouldBlock;
}

Waiter::Awaiter TlsStream::WaitReadable() {
  const bool ready = Probe();
  read_waiter_.Clear();
  if (ready) read_waiter_.Wake();
  return read_waiter_.Wait();
}

Waiter::Awaiter TlsStream::WaitWritable() {
  write_waiter_.Clear();
  if (MayWrite()) write_waiter_.Wake();
  return write_waiter_.Wait();
}

void TlsStream::OnEvents(std::uint32_t events) {
  if (notify_pending_ && (events & EPOLLOUT) != 0) {
    ERR_clear_error();
    const int result = SSL_shutdown(ssl_);
    notify_pending_ = result < 0 && SSL_get_error(ssl_, result) == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
  }
  if (read_waiter_.waiting() && MayRead()) read_waiter_.Wake();
  if (write_waiter_.waiting() && MayWrite()) write_waiter_.Wake();
  // A close_notify without FIN is a hangup too, and looks like data from here.
  constexpr std::uint32_t kNews = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  if (gone_ != nullptr && !hangup_told_ && (events & kNews) != 0) hangup_.Schedule();
}

void TlsStream::WatchHangup(void (*gone)(void*), void* owner) {
  gone_ = gone;
  gone_owner_ = owner;
  hangup_told_ = false;
  if (gone == nullptr) {
    hangup_.Cancel();
  } else if (raw_.ReadyToRead() || raw_.peer_gone() || ended_ || failed_) {
    hangup_.Schedule();
  }
}

void TlsStream::OnHangup(void* self) {
  auto& stream = *static_cast<TlsStream*>(self);
  if (stream.gone_ == nullptr || stream.hangup_told_ || stream.read_waiter_.waiting()) return;
  if (!stream.raw_.peer_gone()) {
    stream.Probe();
    if (!stream.ended_ && !stream.failed_) return;
  }
  stream.hangup_told_ = true;
  stream.gone_(stream.gone_owner_);
}

IoStatus TlsStream::HandshakeStep() {
  if (broken()) return IoStatus::kError;
  ERR_clear_error();
  Blocked blocked = Blocked::kNo;
  const IoStatus status = After(SSL_do_handshake(ssl_), blocked);
  read_blocked_ = blocked == Blocked::kOnRead ? blocked : Blocked::kNo;
  write_blocked_ = blocked == Blocked::kOnWrite ? blocked : Blocked::kNo;
  return status;
}

std::string_view TlsStream::alpn() const {
  const unsigned char* bytes = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &bytes, &size);
  return {reinterpret_cast<const char*>(bytes), size};
}

std::unique_ptr<Stream> NewTlsClientStream(Loop& loop, std::unique_ptr<Stream> socket,
                                           const TlsClientContext& context, const TlsPeer& peer) {
  auto stream = std::make_unique<TlsStream>(loop, std::move(socket), context.get(), nullptr);
  stream->BeClient(peer);
  return stream;
}

IoStatus HandshakeStep(Stream& tls_stream, bool* on_write) {
  auto* tls = dynamic_cast<TlsStream*>(&tls_stream);
  if (tls == nullptr) return tls_stream.closed() ? IoStatus::kError : IoStatus::kOk;
  const IoStatus status = tls->HandshakeStep();
  *on_write = status == IoStatus::kWouldBlock && !tls->blocked_on_read();
  return status;
}

Task<bool> Handshake(Stream& tls_stream) {
  for (;;) {
    bool on_write = false;
    const IoStatus status = HandshakeStep(tls_stream, &on_write);
    if (status == IoStatus::kOk) co_return true;
    if (status != IoStatus::kWouldBlock) co_return false;
    if (on_write) {
      co_await tls_stream.WaitWritable();
    } else {
      co_await tls_stream.WaitReadable();
    }
  }
}

std::string_view NegotiatedProtocol(const Stream& tls_stream) {
  const auto* tls = dynamic_cast<const TlsStream*>(&tls_stream);
  return tls == nullptr ? std::string_view() : tls->alpn();
}

TlsFailure FailureOf(const Stream& tls_stream) {
  const auto* tls = dynamic_cast<const TlsStream*>(&tls_stream);
  return tls == nullptr ? TlsFailure::kNone : tls->failure_kind();
}

}  // namespace sluice::net
