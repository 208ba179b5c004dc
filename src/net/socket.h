#pragma once
// Sockets: listening (owned by main), accepting (a worker), connecting (a worker or main).
//
// TCP_NODELAY everywhere, close-on-exec everywhere, SIGPIPE never. Decisions 9 and 16.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/address.h"
#include "net/loop.h"
#include "net/stream.h"

namespace sluice::net {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct ListenOptions {
  unsigned sockets = 1;  // One per worker (SO_REUSEPORT); Unix sockets share one.
  int backlog = 4096;
  bool ipv4_compat = false;  // A v6 wildcard that takes v4 too.
};

struct ListenSockets {
  base::Address address;            // With the real port.
  std::vector<FileDescriptor> fds;  // `sockets` long; for Unix, duplicates of one.
};

// Binds first without SO_REUSEPORT, so a port somebody else holds is an error that names the
// address (and the holder's pid and program where /proc tells).
absl::StatusOr<ListenSockets> Listen(const base::Address& address, const ListenOptions& options);

// Accepts on one listening socket until destroyed. EMFILE and friends: rests 100 ms and counts.
class Acceptor final : public Pollable {
 public:
  // `accepted(owner, fd, peer)` owns the fd. Does not own `listen_fd`.
  using Accepted = void (*)(void* owner, FileDescriptor fd, const base::Address& peer);
  Acceptor(Loop& loop, int listen_fd, Accepted accepted, void* owner);
  ~Acceptor();
  void OnEvents(std::uint32_t events) override;
  // Takes what is queued until EAGAIN, then stops: the last step before closing sockets together.
  void DrainQueue();
  std::uint64_t paused_count() const { return paused_; }

 private:
  void AcceptSome(int batch);
  static void OnRested(void* self);

  Loop& loop_;
  int listen_fd_;
  Accepted accepted_;
  void* owner_;
  Timer rest_;
  Deferred more_;
  bool* destroyed_ = nullptr;  // Set while calling out.
  std::uint64_t paused_ = 0;
};

// A connected (accepted) socket as a Stream.
std::unique_ptr<Stream> NewSocketStream(Loop& loop, FileDescriptor fd, const base::Address& peer);

struct ConnectOptions {
  std::uint32_t keepalive_probes = 0, keepalive_time_s = 0, keepalive_interval_s = 0;
  bool keepalive = false;
};
// Starts connecting; never null. The stream is writable, or failed with failure() set, once
// WaitWritable returns: then FinishConnect tells which.
std::unique_ptr<Stream> StartConnect(Loop& loop, const base::Address& to,
                                     const ConnectOptions& options);
// True: connected. False with would_block: not yet. False else: failed.
bool FinishConnect(Stream& stream, bool& would_block);

// Raises RLIMIT_NOFILE to the hard limit; what it is now.
std::uint64_t RaiseFileLimit();

// Two ends of an in-memory stream, for tests: what one writes, the other reads, through a buffer of
// `capacity` bytes each way.
struct StreamPair {
  std::unique_ptr<Stream> a;
  std::unique_ptr<Stream> b;
};
StreamPair NewMemoryStreams(Loop& loop, std::size_t capacity = 64 * 1024);

}  // namespace sluice::net
