// In-memory streams that answer every call as a pair of sockets would.

#include <algorithm>
#include <string>

#include "net/socket.h"

namespace sluice::net {
namespace {

class MemoryStream final : public Stream {
 public:
  MemoryStream(Loop& loop, std::size_t capacity)
      : capacity_(capacity),
        read_waiter_(loop),
        write_waiter_(loop),
        hangup_(loop, &OnHangup, this) {}
  ~MemoryStream() override {
    Close(false);
    if (peer_ != nullptr) peer_->peer_ = nullptr;
  }
  static void Connect(MemoryStream& a, MemoryStream& b) {
    a.peer_ = &b;
    b.peer_ = &a;
  }

  IoResult Read(std::span<char> space) override;
  IoResult Peek(std::span<char> space) override;
  void EndPeek() override { peeked_ = 0; }
  IoResult Write(std::span<const std::string_view> pieces) override;
  void ShutdownWrite() override;
  void Close(bool reset) override;
  bool closed() const override { return closed_; }
  Waiter::Awaiter WaitReadable() override;
  Waiter::Awaiter WaitWritable() override;
  bool ReadyToRead() const override {
    return closed_ || unread() > peeked_ || inbound_ended_ || broken_;
  }
  void WatchHangup(void (*gone)(void*), void* owner) override;
  const base::Address& local() const override { return address_; }
  const base::Address& remote() const override { return address_; }
  std::string_view failure() const override { return ""; }
  bool is_tls() const override { return false; }

 private:
  std::size_t unread() const { return inbound_.size() - begin_; }
  bool PeerTakesBytes() const { return peer_ != nullptr && !peer_->closed_; }
  void HearEnd(bool reset);
  static void OnHangup(void* self);

  const std::size_t capacity_;
  MemoryStream* peer_ = nullptr;
  std::string inbound_;
  std::size_t begin_ = 0;
  std::size_t peeked_ = 0;      // Bytes that a wait to read does not count.
  bool inbound_ended_ = false;  // After inbound_: the end, or the error if broken_.
  bool broken_ = false;
  bool write_ended_ = false;
  bool closed_ = false;
  bool hangup_told_ = false;
  Waiter read_waiter_;
  Waiter write_waiter_;
  Deferred hangup_;
  void (*gone_)(void*) = nullptr;
  void* gone_owner_ = nullptr;
  base::Address address_;
};

IoResult MemoryStream::Read(std::span<char> space) {
  if (closed_) return {IoStatus::kError, 0};
  if (const std::size_t bytes = std::min(unread(), space.size()); bytes > 0) {
    inbound_.copy(space.data(), bytes, begin_);
    begin_ += bytes;
    if (begin_ == inbound_.size()) {
      inbound_.clear();
      begin_ = 0;
    }
    if (peer_ != nullptr) peer_->write_waiter_.Wake();
    if (inbound_ended_ && gone_ != nullptr && !hangup_told_) hangup_.Schedule();
    return {IoStatus::kOk, bytes};
  }
  if (broken_) return {IoStatus::kError, 0};
  if (!inbound_ended_ || space.empty()) return {IoStatus::kWouldBlock, 0};
  hangup_told_ = true;
  return {IoStatus::kEof, 0};
}

IoResult MemoryStream::Peek(std::span<char> space) {
  if (closed_ || broken_) return {IoStatus::kError, 0};
  const std::size_t bytes = std::min(unread(), space.size());
  if (bytes == peeked_) return {inbound_ended_ ? IoStatus::kEof : IoStatus::kWouldBlock, 0};
  inbound_.copy(space.data(), bytes, begin_);
  peeked_ = bytes;
  return {IoStatus::kOk, bytes};
}

IoResult MemoryStream::Write(std::span<const std::string_view> pieces) {
  if (closed_ || write_ended_ || broken_ || !PeerTakesBytes()) return {IoStatus::kError, 0};
  std::size_t wanted = 0;
  std::size_t written = 0;
  for (const std::string_view piece : pieces) {
    wanted += piece.size();
    const std::size_t room = capacity_ - std::min(capacity_, peer_->unread());
    peer_->inbound_.append(piece.substr(0, room));
    written += std::min(room, piece.size());
  }
  if (written == 0) return {wanted == 0 ? IoStatus::kOk : IoStatus::kWouldBlock, 0};
  peer_->read_waiter_.Wake();
  return {IoStatus::kOk, written};
}

void MemoryStream::ShutdownWrite() {
  if (closed_ || write_ended_) return;
  write_ended_ = true;
  if (peer_ != nullptr) peer_->HearEnd(false);
  write_waiter_.Wake();
}

void MemoryStream::Close(bool reset) {
  if (closed_) return;
  closed_ = true;
  // As with TCP: closing on bytes that nobody read resets.
  if (peer_ != nullptr) peer_->HearEnd(reset || unread() > 0);
  inbound_.clear();
  begin_ = 0;
  hangup_.Cancel();
  gone_ = nullptr;
  read_waiter_.Wake();
  write_waiter_.Wake();
}

void MemoryStream::HearEnd(bool reset) {
  inbound_ended_ = true;
  if (reset) broken_ = true;
  read_waiter_.Wake();
  write_waiter_.Wake();
  if (gone_ != nullptr && !hangup_told_) hangup_.Schedule();
}

Waiter::Awaiter MemoryStream::WaitReadable() {
  read_waiter_.Clear();
  if (ReadyToRead()) read_waiter_.Wake();
  return read_waiter_.Wait();
}

Waiter::Awaiter MemoryStream::WaitWritable() {
  write_waiter_.Clear();
  const bool ready =
      closed_ || write_ended_ || broken_ || !PeerTakesBytes() || peer_->unread() < capacity_;
  if (ready) write_waiter_.Wake();
  return write_waiter_.Wait();
}

void MemoryStream::WatchHangup(void (*gone)(void*), void* owner) {
  gone_ = gone;
  gone_owner_ = owner;
  hangup_told_ = false;
  if (gone == nullptr) {
    hangup_.Cancel();
  } else if (inbound_ended_) {
    hangup_.Schedule();
  }
}

void MemoryStream::OnHangup(void* self) {
  auto& stream = *static_cast<MemoryStream*>(self);
  if (stream.gone_ == nullptr || stream.hangup_told_ || stream.read_waiter_.waiting()) return;
  stream.hangup_told_ = true;
  stream.gone_(stream.gone_owner_);
}

}  // namespace

StreamPair NewMemoryStreams(Loop& loop, std::size_t capacity) {
  auto a = std::make_unique<MemoryStream>(loop, capacity);
  auto b = std::make_unique<MemoryStream>(loop, capacity);
  MemoryStream::Connect(*a, *b);
  return {std::move(a), std::move(b)};
}

}  // namespace sluice::net
