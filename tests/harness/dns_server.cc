#include "dns_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/strings.h"

namespace sluice::harness {
namespace {

constexpr std::size_t kHeaderBytes = 12;

void AppendUint(std::string& out, std::uint64_t value, int bytes) {
  while (bytes-- > 0) out += static_cast<char>(value >> (8 * bytes) & 0xFF);
}

// The question's name, dotted; moves `at` behind it. Empty when it is not one.
std::string ReadName(const std::string& query, std::size_t& at) {
  std::string name;
  while (at < query.size()) {
    const auto size = static_cast<unsigned char>(query[at++]);
    if (size == 0) return name;
    if (size > 63 || at + size > query.size()) return "";
    if (!name.empty()) name += '.';
    name += base::Lowercase(query.substr(at, size));
    at += size;
  }
  return "";
}

}  // namespace

DnsServer::DnsServer()
    : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)), stop_fd_(eventfd(0, EFD_CLOEXEC)) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  SLUICE_CHECK(bind(fd_, generic, size) == 0 && getsockname(fd_, generic, &size) == 0);
  port_ = ntohs(address.sin_port);
  address_ = base::Cat("127.0.0.1:", port_);
  thread_ = std::thread([this] { Serve(); });
}

DnsServer::~DnsServer() {
  const std::uint64_t one = 1;
  SLUICE_CHECK(write(stop_fd_, &one, sizeof(one)) == sizeof(one));
  thread_.join();
  close(stop_fd_);
  close(fd_);
}

void DnsServer::Set(const std::string& name, DnsRecords records) {
  base::MutexLock lock(mutex_);
  records_[name] = std::move(records);
}

void DnsServer::Remove(const std::string& name) {
  base::MutexLock lock(mutex_);
  records_.erase(name);
}

void DnsServer::Serve() {
  for (;;) {
    pollfd fds[2] = {{fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
    poll(fds, 2, -1);
    if (fds[1].revents != 0) return;
    std::string query(512, '\0');
    sockaddr_in from = {};
    socklen_t size = sizeof(from);
    auto* generic = reinterpret_cast<sockaddr*>(&from);
    const ssize_t got = recvfrom(fd_, query.data(), query.size(), 0, generic, &size);
    if (got < 0) continue;
    query.resize(static_cast<std::size_t>(got));
    ++queries_;
    const std::string answer = Answer(query);
    if (!answer.empty()) sendto(fd_, answer.data(), answer.size(), 0, generic, size);
  }
}

std::string DnsServer::Answer(const std::string& query) {
  if (query.size() < kHeaderBytes) return "";
  std::size_t at = kHeaderBytes;
  const std::string name = ReadName(query, at);
  if (name.empty() || at + 4 > query.size()) return "";
  const int type =
      static_cast<unsigned char>(query[at]) << 8 | static_cast<unsigned char>(query[at + 1]);
  const std::string question = query.substr(kHeaderBytes, at + 4 - kHeaderBytes);

  unsigned code = 3;  // NXDOMAIN
  DnsRecords records;
  {
    base::MutexLock lock(mutex_);
    const auto found = records_.find(name);
    if (found != records_.end()) {
      records = found->second;
      code = records.broken ? 2 : 0;
    }
  }
  if (records.silent) return "";
  const bool v6 = type == 28;
  const std::vector<std::string> none;
  const std::vector<std::string>& texts = code != 0   ? none
                                          : v6        ? records.v6
                                          : type == 1 ? records.v4
                                                      : none;

  std::string out = query.substr(0, 2);
  AppendUint(out, 0x8180 | code, 2);  // Response, recursion desired and available.
  AppendUint(out, 1, 2);
  AppendUint(out, texts.size(), 2);
  AppendUint(out, 0, 4);
  out += question;
  for (const std::string& text : texts) {
    unsigned char bytes[16];
    SLUICE_CHECK(inet_pton(v6 ? AF_INET6 : AF_INET, text.c_str(), bytes) == 1);
    const std::size_t size = v6 ? 16 : 4;
    AppendUint(out, 0xC00C, 2);  // The name of the question.
    AppendUint(out, static_cast<std::uint64_t>(type), 2);
    AppendUint(out, 1, 2);
    AppendUint(out, records.ttl_s, 4);
    AppendUint(out, size, 2);
    out.append(reinterpret_cast<const char*>(bytes), size);
  }
  return out;
}

}  // namespace sluice::harness
