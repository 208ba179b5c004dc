#include "net/dns.h"

#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/time.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <mutex>

#include "absl/container/flat_hash_map.h"
#include "base/check.h"
#include "base/log.h"
#include "base/strings.h"

namespace sluice::net {
namespace {

constexpr int kTimeoutMs = 5000;
constexpr int kTries = 4;
constexpr int kReadsMax = 64;                // Per event.
constexpr std::size_t kInFlightMax = 128;    // The rest waits: a burst would overflow the socket.
constexpr std::size_t kAddressesMax = 1024;  // Per answer.
constexpr std::uint32_t kTtlMaxS = 7 * 24 * 3600;

// What c-ares and the system's hosts file could misread goes nowhere.
bool IsName(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > 253) return false;
  for (const std::string_view label : base::Split(name, '.')) {
    if (label.empty() || label.size() > 63) return false;
    for (const char c : label) {
      const char lower = base::ToLower(c);
      const bool good =
          (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
      if (!good) return false;
    }
  }
  return true;
}

// RFC 6761 section 6.3: these mean this machine and are never asked for. "localhost" itself is
// looked up in the hosts file first.
enum class Local : std::uint8_t { kNo, kItself, kBelow };
Local LocalKind(std::string_view name) {
  constexpr std::string_view kName = "localhost";
  if (name.ends_with('.')) name.remove_suffix(1);
  if (base::EqualsIgnoreCase(name, kName)) return Local::kItself;
  if (name.size() <= kName.size() || name[name.size() - kName.size() - 1] != '.') return Local::kNo;
  name.remove_prefix(name.size() - kName.size());
  return base::EqualsIgnoreCase(name, kName) ? Local::kBelow : Local::kNo;
}

base::Address Loopback(DnsFamily family) {
  return *base::Address::ParseIp(family == DnsFamily::kV6Only ? "::1" : "127.0.0.1", 0);
}

class AresResolver final : public Resolver {
 public:
  AresResolver(Loop& loop, std::string_view servers);
  ~AresResolver() override;
  std::uint64_t Resolve(std::string_view name, DnsFamily family, Done done) override;
  void Cancel(std::uint64_t ticket) override;

 private:
  struct Request {
    std::string name;
    DnsFamily family;
    bool second_try = false;  // kAuto and kV4Preferred: the other family now.
    bool started = false;
    Done done;
  };
  // What c-ares hands back; outlives a cancelled request.
  struct Flight {
    AresResolver* resolver;
    std::uint64_t ticket;
  };
  struct Socket final : Pollable {
    Socket(AresResolver& r, int f) : resolver(r), fd(f) {}
    void OnEvents(std::uint32_t) override { resolver.Process(fd); }
    AresResolver& resolver;
    const int fd;
  };

  void StartWaiting();
  void Start(std::uint64_t ticket, Request& request);
  void Answer(std::uint64_t ticket, DnsAnswer answer);
  void OnResult(std::uint64_t ticket, int status, const ares_addrinfo* result);
  void Process(int fd);
  void ArmTimer();
  static void OnSocketState(void* self, ares_socket_t fd, int readable, int writable);
  static void OnDone(void* flight, int status, int timeouts, ares_addrinfo* result);
  static void OnTimer(void* self);
  static void Deliver(void* self);

  Loop& loop_;
  ares_channel channel_ = nullptr;
  std::string broken_;  // Why there is no channel.
  std::uint64_t next_ticket_ = 1;
  std::size_t in_flight_ = 0;
  absl::flat_hash_map<std::uint64_t, std::unique_ptr<Request>> requests_;
  std::deque<std::uint64_t> waiting_;
  std::deque<std::pair<std::uint64_t, DnsAnswer>> answers_;
  absl::flat_hash_map<int, std::unique_ptr<Socket>> sockets_;
  std::vector<std::unique_ptr<Socket>> closed_;  // Until no event handler of theirs can run.
  Timer timer_;
  Deferred deliver_;
};

AresResolver::AresResolver(Loop& loop, std::string_view servers)
    : loop_(loop), timer_(&OnTimer, this), deliver_(loop, &Deliver, this) {
  static std::once_flag once;
  std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
  ares_options options = {};
  options.timeout = kTimeoutMs;
  options.tries = kTries;
  options.lookups = const_cast<char*>("fb");  // The hosts file, then servers.
  options.sock_state_cb = &OnSocketState;
  options.sock_state_cb_data = this;
  const int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
  int status = ares_init_options(&channel_, &options, mask);
  if (status == ARES_SUCCESS && !servers.empty()) {
    status = ares_set_servers_ports_csv(channel_, std::string(servers).c_str());
  }
  if (status == ARES_SUCCESS) return;
  broken_ = base::Cat("no resolver: ", ares_strerror(status));
  SLUICE_LOG(kError, kDns, broken_);
  if (channel_ != nullptr) ares_destroy(channel_);
  channel_ = nullptr;
}

AresResolver::~AresResolver() {
  requests_.clear();  // So that the callbacks below find nobody.
  waiting_.clear();
  if (channel_ != nullptr) ares_destroy(channel_);
  for (auto& [fd, socket] : sockets_) loop_.Remove(fd, *socket);
}

std::uint64_t AresResolver::Resolve(std::string_view name, DnsFamily family, Done done) {
  SLUICE_DCHECK(loop_.IsCurrent());
  const std::uint64_t ticket = next_ticket_++;
  auto request = std::make_unique<Request>();
  request->name = name;
  request->family = family;
  request->done = std::move(done);
  requests_.emplace(ticket, std::move(request));
  DnsAnswer answer;
  auto known = base::Address::ParseIp(name, 0);
  if (!known && LocalKind(name) == Local::kBelow) known = Loopback(family);
  if (known) {
    answer.status = DnsAnswer::Status::kOk;
    answer.addresses = {*known};
    answer.ttl_s = kTtlMaxS;
    Answer(ticket, std::move(answer));
  } else if (!IsName(name)) {
    answer.error = base::Cat("not a name: ", base::Printable(name));
    Answer(ticket, std::move(answer));
  } else if (channel_ == nullptr) {
    answer.error = broken_;
    Answer(ticket, std::move(answer));
  } else {
    waiting_.push_back(ticket);
    StartWaiting();
  }
  return ticket;
}

void AresResolver::Cancel(std::uint64_t ticket) { requests_.erase(ticket); }

void AresResolver::StartWaiting() {
  while (!waiting_.empty() && in_flight_ < kInFlightMax) {
    const std::uint64_t ticket = waiting_.front();
    waiting_.pop_front();
    const auto found = requests_.find(ticket);
    if (found != requests_.end()) Start(ticket, *found->second);
  }
}

void AresResolver::Start(std::uint64_t ticket, Request& request) {
  int family = AF_UNSPEC;
  switch (request.family) {
    case DnsFamily::kV4Only:
      family = AF_INET;
      break;
    case DnsFamily::kV6Only:
      family = AF_INET6;
      break;
    case DnsFamily::kAuto:
      family = request.second_try ? AF_INET : AF_INET6;
      break;
    case DnsFamily::kV4Preferred:
      family = request.second_try ? AF_INET6 : AF_INET;
      break;
    case DnsFamily::kAll:
      break;
  }
  ares_addrinfo_hints hints = {};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NOSORT;  // Sorting opens a socket per address.
  ++in_flight_;
  const std::string name = request.name;  // The callback may come at once and end the request.
  ares_getaddrinfo(channel_, name.c_str(), nullptr, &hints, &OnDone, new Flight{this, ticket});
  ArmTimer();
}

void AresResolver::OnDone(void* arg, int status, int, ares_addrinfo* result) {
  const std::unique_ptr<Flight> flight(static_cast<Flight*>(arg));
  --flight->resolver->in_flight_;
  flight->resolver->OnResult(flight->ticket, status, result);
  if (result != nullptr) ares_freeaddrinfo(result);
}

void AresResolver::OnResult(std::uint64_t ticket, int status, const ares_addrinfo* result) {
  deliver_.Schedule();  // Starts what waits for its turn, too; never from inside c-ares.
  const auto found = requests_.find(ticket);
  if (found == requests_.end()) return;
  DnsAnswer answer;
  answer.ttl_s = kTtlMaxS;
  const ares_addrinfo_node* node = result != nullptr ? result->nodes : nullptr;
  for (; node != nullptr && answer.addresses.size() < kAddressesMax; node = node->ai_next) {
    base::Address address = base::Address::FromSockaddr(node->ai_addr, node->ai_addrlen);
    address.set_port(0);
    if (!address.is_ip()) continue;
    answer.addresses.push_back(std::move(address));
    const int ttl_s = std::max(node->ai_ttl, 0);
    answer.ttl_s = std::min(answer.ttl_s, static_cast<std::uint32_t>(ttl_s));
  }
  if (answer.addresses.empty() && LocalKind(found->second->name) == Local::kItself) {
    answer.addresses.push_back(Loopback(found->second->family));
  }
  std::sort(answer.addresses.begin(), answer.addresses.end());
  answer.addresses.erase(std::unique(answer.addresses.begin(), answer.addresses.end()),
                         answer.addresses.end());
  if (!answer.addresses.empty()) {
    answer.status = DnsAnswer::Status::kOk;
  } else {
    const bool no_records =
        status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND;
    answer.status = no_records ? DnsAnswer::Status::kNoRecords : DnsAnswer::Status::kFailure;
    answer.error = ares_strerror(no_records && status == ARES_SUCCESS ? ARES_ENODATA : status);
    answer.ttl_s = 0;
    Request& request = *found->second;
    const bool has_second =
        request.family == DnsFamily::kAuto || request.family == DnsFamily::kV4Preferred;
    // A server that answers one family with an error may still know the other.
    if (has_second && !request.second_try) {
      request.second_try = true;
      waiting_.push_front(ticket);
      return;
    }
  }
  Answer(ticket, std::move(answer));
}

void AresResolver::Answer(std::uint64_t ticket, DnsAnswer answer) {
  answers_.emplace_back(ticket, std::move(answer));
  deliver_.Schedule();
}

void AresResolver::Deliver(void* self) {
  auto& resolver = *static_cast<AresResolver*>(self);
  resolver.closed_.clear();
  resolver.StartWaiting();
  if (resolver.answers_.empty()) return;
  auto [ticket, answer] = std::move(resolver.answers_.front());
  resolver.answers_.pop_front();
  if (!resolver.answers_.empty()) resolver.deliver_.Schedule();
  const auto found = resolver.requests_.find(ticket);
  if (found == resolver.requests_.end()) return;
  Done done = std::move(found->second->done);
  resolver.requests_.erase(found);
  done(std::move(answer));  // May destroy the resolver.
}

// The loop tells edges, c-ares expects levels: go on until the socket has nothing more for it, or
// for so long that somebody must be flooding us; the timer looks again then.
void AresResolver::Process(int fd) {
  for (int i = 0; i < kReadsMax; ++i) {
    const auto found = sockets_.find(fd);
    if (found == sockets_.end()) break;
    pollfd state = {fd, POLLIN, 0};
    if (poll(&state, 1, 0) <= 0) {
      ares_process_fd(channel_, ARES_SOCKET_BAD, fd);  // What waited for room to write.
      break;
    }
    ares_process_fd(channel_, fd, fd);
  }
  ArmTimer();
}

void AresResolver::ArmTimer() {
  timeval wait = {};
  if (ares_timeout(channel_, nullptr, &wait) == nullptr) {
    timer_.Cancel();
    return;
  }
  timer_.Arm(loop_.timers(), static_cast<std::uint64_t>(wait.tv_sec) * 1000 +
                                 static_cast<std::uint64_t>(wait.tv_usec) / 1000 + 1);
}

void AresResolver::OnTimer(void* self) {
  auto& resolver = *static_cast<AresResolver*>(self);
  ares_process_fd(resolver.channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  std::vector<int> fds;
  for (const auto& [fd, socket] : resolver.sockets_) fds.push_back(fd);
  for (const int fd : fds) resolver.Process(fd);
  resolver.ArmTimer();
}

void AresResolver::OnSocketState(void* self, ares_socket_t fd, int readable, int writable) {
  auto& resolver = *static_cast<AresResolver*>(self);
  const auto found = resolver.sockets_.find(fd);
  if (readable == 0 && writable == 0) {
    if (found == resolver.sockets_.end()) return;
    resolver.loop_.Remove(fd, *found->second);
    resolver.closed_.push_back(std::move(found->second));
    resolver.sockets_.erase(found);
    resolver.deliver_.Schedule();
    return;
  }
  if (found != resolver.sockets_.end()) return;
  auto socket = std::make_unique<Socket>(resolver, fd);
  if (resolver.loop_.Add(fd, *socket)) resolver.sockets_.emplace(fd, std::move(socket));
}

}  // namespace

std::unique_ptr<Resolver> NewResolver(Loop& loop, std::string_view servers) {
  return std::make_unique<AresResolver>(loop, servers);
}

}  // namespace sluice::net
