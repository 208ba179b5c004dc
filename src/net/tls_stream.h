#pragma once
// A TLS stream of either side over a socket's. Only src/net includes this.

#include <memory>
#include <string>

#include "net/deferred.h"
#include "net/loop.h"
#include "net/socket_stream.h"
#include "net/tls.h"

struct bio_st;
struct ssl_ctx_st;
struct ssl_st;
struct x509_st;

namespace sluice::net {

class TlsStream final : public Stream, public Pollable {
 public:
  // `context` (an SSL_CTX, kept alive by `owner` or by the caller) has a TlsVerification as its app
  // data, or null.
  TlsStream(Loop& loop, std::unique_ptr<Stream> socket, ssl_ctx_st* context,
            std::shared_ptr<const void> owner);
  ~TlsStream() override;

  IoResult Read(std::span<char> space) override;
  IoResult Write(std::span<const std::string_view> pieces) override;
  void ShutdownWrite() override;
  void Close(bool reset) override;
  bool closed() const override { return raw_.closed(); }
  Waiter::Awaiter WaitReadable() override;
  Waiter::Awaiter WaitWritable() override;
  bool ReadyToRead() const override { return const_cast<TlsStream*>(this)->Probe(); }
  void WatchHangup(void (*gone)(void*), void* owner) override;
  const base::Address& local() const override { return raw_.local(); }
  const base::Address& remote() const override { return raw_.remote(); }
  std::string_view failure() const override { return failure_.empty() ? raw_.failure() : failure_; }
  bool is_tls() const override { return true; }

  void OnEvents(std::uint32_t events) override;

  // Before the first use, one of these.
  void BeClient(const TlsPeer& peer);
  void BeServer();

  // kOk: done.
  IoStatus HandshakeStep();
  bool blocked_on_read() const { return read_blocked_ == Blocked::kOnRead; }
  std::string_view alpn() const;
  ssl_st* ssl() const { return ssl_; }
  TlsFailure failure_kind() const { return failure_kind_; }
  bool untrusted() const { return untrusted_; }

  // For OpenSSL's callbacks.
  int WriteSocket(bio_st* bio, const char* bytes, int size);
  bool socket_ended() const { return socket_ended_; }
  int ReadSocket(bio_st* bio, char* space, int size);
  // What the peer that was named to BeClient() wants of the leaf.
  bool AcceptNames(x509_st* certificate) const;
  void set_failure_kind(TlsFailure kind) { failure_kind_ = kind; }
  void set_untrusted() { untrusted_ = true; }

 private:
  // What a direction waits for at the socket; not always its own kind (handshake, key update).
  enum class Blocked : std::uint8_t { kNo, kOnRead, kOnWrite };

  IoStatus After(int result, Blocked& blocked);
  IoStatus WriteRecord(std::span<const std::string_view> pieces, std::size_t skip,
                       std::size_t& written);
  bool broken() const { return failed_ || raw_.closed(); }
  bool SocketReady(Blocked blocked) const;
  bool MayRead() const;
  bool MayWrite() const;
  bool Probe();
  static void OnHangup(void* self);

  std::unique_ptr<Stream> socket_;
  SocketStream& raw_;
  TlsPeer peer_;
  std::shared_ptr<const void> owner_;  // Of the context, where that may be replaced.
  ssl_st* ssl_;
  Blocked read_blocked_ = Blocked::kNo;
  Blocked write_blocked_ = Blocked::kNo;
  bool failed_ = false;
  bool ended_ = false;  // The peer's close_notify was read.
  bool socket_ended_ = false;
  bool write_ended_ = false;
  bool notify_pending_ = false;  // Our close_notify did not fit into the socket yet.
  bool hangup_told_ = false;
  Waiter read_waiter_;
  Waiter write_waiter_;
  Deferred hangup_;
  void (*gone_)(void*) = nullptr;
  void* gone_owner_ = nullptr;
  TlsFailure failure_kind_ = TlsFailure::kNone;
  bool untrusted_ = false;  // The chain was not good, but may be what it likes.
  std::string failure_;
};

// For SSL_set_verify, of streams of this class: judges by the TlsVerification of the context.
int JudgeCertificate(int good, struct x509_store_ctx_st* store);

}  // namespace sluice::net
