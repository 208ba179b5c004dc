#include "stream_fixture.h"

#include <fcntl.h>
#include <harness/certificates.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/tls.h"

namespace sluice::net {

std::pair<FileDescriptor, FileDescriptor> TcpPair() {
  const FileDescriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  SLUICE_CHECK(bind(listener.get(), generic, size) == 0 && listen(listener.get(), 1) == 0);
  SLUICE_CHECK(getsockname(listener.get(), generic, &size) == 0);
  FileDescriptor a(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  SLUICE_CHECK(connect(a.get(), generic, size) == 0);
  FileDescriptor b(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  SLUICE_CHECK(b.get() >= 0);
  for (const int fd : {a.get(), b.get()}) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return {std::move(a), std::move(b)};
}

std::pair<FileDescriptor, FileDescriptor> UnixPair() {
  int fds[2];
  SLUICE_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
  return {FileDescriptor(fds[0]), FileDescriptor(fds[1])};
}

ConnectedPair::ConnectedPair(Loop& loop, Kind kind) {
  if (kind == Kind::kMemory) {
    StreamPair pair = NewMemoryStreams(loop);
    a = std::move(pair.a);
    b = std::move(pair.b);
    return;
  }
  auto [near, far] = kind == Kind::kUnix ? UnixPair() : TcpPair();
  if (kind == Kind::kUnix || kind == Kind::kTcp) {
    a = NewSocketStream(loop, std::move(near), base::Address());
    b = NewSocketStream(loop, std::move(far), base::Address());
    return;
  }
  static const harness::CertificateAuthority* const ca = new harness::CertificateAuthority();
  const harness::Identity identity = ca->Issue({"DNS:peer.example"});
  TlsRelayOptions options;
  options.certificate_pem = identity.certificate_pem;
  options.private_key_pem = identity.private_key_pem;
  if (kind == Kind::kTls12) options.version_max = 0x0303;
  auto [plain, other] = TcpPair();
  relay = std::make_unique<TlsRelay>(options, std::move(far), std::move(plain));
  b = NewSocketStream(loop, std::move(other), base::Address());
  TlsClientOptions client;
  client.ca_pem = ca->pem();
  const auto context = NewTlsClientContext(client);
  SLUICE_CHECK(context.ok());
  TlsPeer peer;
  peer.sni = peer.verify_name = "peer.example";
  a = NewTlsClientStream(loop, NewSocketStream(loop, std::move(near), base::Address()), **context,
                         peer);
}

Task<void> ReadToEnd(Stream& stream, std::string* got, IoStatus* end) {
  char space[4096];
  for (;;) {
    co_await stream.WaitReadable();
    const IoResult result = stream.Read(space);
    if (result.status == IoStatus::kOk) {
      got->append(space, result.bytes);
    } else if (result.status != IoStatus::kWouldBlock) {
      *end = result.status;
      co_return;
    }
  }
}

Task<void> WriteThenEnd(Stream& stream, std::string_view bytes, bool* good) {
  *good = co_await WriteAll(stream, bytes.substr(0, 10), "",
                            bytes.substr(std::min<std::size_t>(10, bytes.size())));
  stream.ShutdownWrite();
}

}  // namespace sluice::net
