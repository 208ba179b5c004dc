#pragma once
// A connected or connecting socket as a Stream. Only src/net includes this.
//
// Readiness is remembered from edges: a call that the kernel would answer with EAGAIN is not made.
// A short read means the socket is empty, so the read that would only say EAGAIN is saved, too.

#include <cstdint>
#include <memory>
#include <string>

#include "net/deferred.h"
#include "net/loop.h"
#include "net/socket.h"
#include "net/stream.h"

namespace sluice::net {

class SocketStream final : public Stream, public Pollable {
 public:
  enum class State : std::uint8_t { kConnecting, kOpen, kFailed };

  SocketStream(Loop& loop, FileDescriptor fd, const base::Address& peer, State state);
  ~SocketStream() override;

  IoResult Read(std::span<char> space) override;
  IoResult Peek(std::span<char> space) override;
  void EndPeek() override { readable_ = true; }
  IoResult Write(std::span<const std::string_view> pieces) override;
  void ShutdownWrite() override;
  void Close(bool reset) override;
  bool closed() const override { return !fd_; }
  Waiter::Awaiter WaitReadable() override;
  Waiter::Awaiter WaitWritable() override;
  bool ReadyToRead() const override { return readable_ || !fd_ || state_ == State::kFailed; }
  bool ReadyToWrite() const { return writable_ || !fd_ || state_ == State::kFailed; }
  void WatchHangup(void (*gone)(void*), void* owner) override;
  const base::Address& local() const override;
  const base::Address& remote() const override { return remote_; }
  std::string_view failure() const override { return failure_; }
  bool is_tls() const override { return false; }
  bool can_splice() const override { return true; }
  IoResult SpliceInto(int pipe, std::size_t bytes_max) override;
  IoResult SpliceFrom(int pipe, std::size_t bytes) override;

  void OnEvents(std::uint32_t events) override;

  // A layer on top that wants the events instead of waiters. It must not destroy this inline.
  void set_listener(Pollable* listener) { listener_ = listener; }
  bool peer_gone() const { return peer_gone_; }
  bool FinishConnect(bool& would_block);
  // The connect call itself failed, with this errno.
  void FailConnect(int error);

 private:
  void Fail() { state_ = State::kFailed; }
  static void OnHangup(void* self);

  Loop& loop_;
  FileDescriptor fd_;
  State state_;
  bool readable_ = false;  // The first event tells, at no cost.
  bool writable_;
  bool peer_gone_ = false;  // RDHUP, HUP or ERR was seen: edges of it come once only.
  bool write_ended_ = false;
  std::uint32_t peeked_ = 0;  // Bytes of the last Peek().
  bool hangup_told_ = false;
  Waiter read_waiter_;
  Waiter write_waiter_;
  Deferred hangup_;
  void (*gone_)(void*) = nullptr;
  void* gone_owner_ = nullptr;
  Pollable* listener_ = nullptr;
  base::Address remote_;
  mutable std::unique_ptr<base::Address> local_;  // Asked for when somebody wants it.
  std::string failure_;
};

// The text of an errno: "Connection refused".
std::string ErrnoText(int error);

}  // namespace sluice::net
