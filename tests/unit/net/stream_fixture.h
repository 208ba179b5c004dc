#pragma once
// Pairs of connected streams of every kind, and coroutines that drive them.

#include <memory>
#include <string>
#include <utility>

#include "loop_fixture.h"
#include "net/socket.h"
#include "net/stream.h"
#include "tls_relay.h"

namespace sluice::net {

// Two connected, non-blocking TCP sockets on loopback.
std::pair<FileDescriptor, FileDescriptor> TcpPair();
std::pair<FileDescriptor, FileDescriptor> UnixPair();

enum class Kind { kMemory, kUnix, kTcp, kTls13, kTls12 };

// `a` is of the kind under test; what it writes, `b` reads.
struct ConnectedPair {
  ConnectedPair(Loop& loop, Kind kind);
  std::unique_ptr<TlsRelay> relay;  // Dies last.
  std::unique_ptr<Stream> a;
  std::unique_ptr<Stream> b;
};

Task<void> ReadToEnd(Stream& stream, std::string* got, IoStatus* end);
Task<void> WriteThenEnd(Stream& stream, std::string_view bytes, bool* good);

}  // namespace sluice::net
