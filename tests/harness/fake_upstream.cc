#include "harness/fake_upstream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/strings.h"

namespace sluice::harness {

bool OriginConnection::Reply(int status, std::string_view body, std::string_view extra_lines) {
  return Write(base::Cat("HTTP/1.1 ", status, " Scripted\r\ncontent-length: ", body.size(), "\r\n",
                         extra_lines, "\r\n", body));
}

bool OriginConnection::WriteGenerated(std::uint64_t bytes) {
  std::string block(std::size_t{26} * 2048, 'a');
  for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<char>('a' + i % 26);
  while (bytes > 0) {
    const std::uint64_t now = std::min<std::uint64_t>(bytes, block.size());
    if (!socket_.is_open() ||
        !socket_.Write(std::string_view(block).substr(0, now), base::milliseconds(120'000))) {
      return false;
    }
    bytes -= now;
  }
  return true;
}

bool OriginConnection::ReadBody(OriginRequest& request) {
  BodyParts body;
  bool whole = true;
  if (request.Count("transfer-encoding") > 0) {
    whole = ReadChunkedBody(socket_, buffer_, body);
  } else if (const auto length = FindHeader(request.headers, "content-length")) {
    std::uint64_t size = 0;
    std::from_chars(length->data(), length->data() + length->size(), size);
    whole = ReadLengthBody(socket_, buffer_, size, body);
  }
  origin_.Record(body.data + body.trailers);
  request.body = std::move(body.data);
  request.trailers = std::move(body.trailers);
  return whole;
}

std::string OriginConnection::ReadRaw() {
  if (buffer_.empty() && socket_.is_open()) socket_.ReadSome(buffer_);
  origin_.Record(buffer_);
  return std::exchange(buffer_, {});
}

void OriginConnection::Echo() {
  for (std::string bytes = ReadRaw(); !bytes.empty(); bytes = ReadRaw()) {
    if (!Write(bytes)) return;
  }
  ShutdownWrite();
}

// Under the lock, so that nobody interrupts a descriptor that is someone else's by then.
void OriginConnection::Close() {
  const std::lock_guard lock(origin_.mutex_);
  socket_.Close();
}

void OriginConnection::Reset() {
  const std::lock_guard lock(origin_.mutex_);
  socket_.Reset();
}

bool OriginConnection::SeesClose() {
  std::string rest;
  Socket::Read read = Socket::Read::kBytes;
  while (read == Socket::Read::kBytes && socket_.is_open()) read = socket_.ReadSome(rest);
  origin_.Record(rest);
  return read != Socket::Read::kTimeout;
}

FakeUpstream::FakeUpstream() {
  any_.handler = [](OriginConnection& connection, OriginRequest& request) {
    connection.Reply(200, request.method == "HEAD" ? "" : "ok");
  };
  if (::pipe2(wake_, O_CLOEXEC) != 0) std::abort();
  listening_.push_back(Socket::Listen());
  ports_.push_back(listening_.back().local_port());
  acceptor_ = std::thread([this] { Accept(); });
}

FakeUpstream::~FakeUpstream() {
  stopping_ = true;
  ::close(wake_[1]);
  acceptor_.join();
  Reap(true);
  ::close(wake_[0]);
}

std::uint16_t FakeUpstream::AddPort() {
  Socket socket = Socket::Listen();
  const std::uint16_t port = socket.local_port();
  {
    const std::lock_guard lock(mutex_);
    listening_.push_back(std::move(socket));
    ports_.push_back(port);
  }
  if (::write(wake_[1], "x", 1) != 1) std::abort();
  return port;
}

FakeUpstream& FakeUpstream::On(const std::string& path, Handler handler) {
  const std::lock_guard lock(mutex_);
  scripts_[path] = {std::move(handler), true};
  return *this;
}

FakeUpstream& FakeUpstream::On(const std::string& path, int status, std::string body) {
  return On(path, [status, body = std::move(body)](OriginConnection& connection, OriginRequest&) {
    connection.Reply(status, body);
  });
}

FakeUpstream& FakeUpstream::OnHead(const std::string& path, Handler handler) {
  const std::lock_guard lock(mutex_);
  scripts_[path] = {std::move(handler), false};
  return *this;
}

FakeUpstream& FakeUpstream::OnAny(Handler handler) {
  const std::lock_guard lock(mutex_);
  any_ = {std::move(handler), true};
  return *this;
}

FakeUpstream& FakeUpstream::OnAccept(std::function<void(OriginConnection&)> handler) {
  const std::lock_guard lock(mutex_);
  on_accept_ = std::move(handler);
  return *this;
}

FakeUpstream& FakeUpstream::Forget() {
  forget_ = true;
  return *this;
}

void FakeUpstream::Accept() {
  std::vector<pollfd> waiting;
  while (!stopping_) {
    waiting.assign(1, {wake_[0], POLLIN, 0});
    {
      const std::lock_guard lock(mutex_);
      for (const Socket& each : listening_) waiting.push_back({each.fd(), POLLIN, 0});
    }
    if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
    if (stopping_) return;
    if (waiting[0].revents != 0) {
      char drop[64];
      if (::read(wake_[0], drop, sizeof(drop)) <= 0) return;
    }
    for (std::size_t i = 1; i < waiting.size(); ++i) {
      if (waiting[i].revents == 0) continue;
      Socket socket(::accept4(waiting[i].fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!socket.is_open()) continue;
      Reap(false);
      const int number = ++connections_;
      const std::lock_guard lock(mutex_);
      Served& served = served_.emplace_back(OriginConnection(*this, std::move(socket)));
      served.thread = std::thread([this, &served, number] {
        Serve(served.connection, number);
        served.done = true;
      });
    }
  }
}

// Joins what has ended; all of it when the origin stops.
void FakeUpstream::Reap(bool all) {
  std::list<Served> ended;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = served_.begin(); it != served_.end();) {
      const auto next = std::next(it);
      if (all && !it->done) it->connection.socket_.Interrupt();
      if (all || it->done) ended.splice(ended.end(), served_, it);
      it = next;
    }
  }
  for (Served& each : ended) each.thread.join();
}

void FakeUpstream::CloseConnections() {
  const std::lock_guard lock(mutex_);
  for (Served& each : served_) {
    if (!each.done) each.connection.socket_.Interrupt();
  }
}

void FakeUpstream::Record(std::string_view bytes) {
  if (forget_ || bytes.empty()) return;
  const std::lock_guard lock(mutex_);
  received_ += bytes;
}

void FakeUpstream::Serve(OriginConnection& connection, int number) {
  if (on_accept_) {
    on_accept_(connection);
    connection.Close();
    return;
  }
  const std::uint16_t port = connection.socket_.local_port();
  for (int turn = 1; connection.socket_.is_open() && !stopping_; ++turn) {
    OriginRequest request;
    // Idle connections wait as long as the proxy likes.
    if (!ReadHead(connection.socket_, connection.buffer_, request.head,
                  base::milliseconds(600'000))) {
      Record(connection.buffer_);
      break;
    }
    Record(request.head);
    const std::string_view head = request.head;
    const std::size_t space = head.find(' ');
    request.method = head.substr(0, space);
    request.target = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
    request.headers = ParseHeaderLines(head);
    request.port = port;
    request.connection = number;
    request.on_connection = turn;
    ++count_;
    const auto it = scripts_.find(request.target.substr(0, request.target.find('?')));
    const Script& script = it == scripts_.end() ? any_ : it->second;
    if (script.reads_body && !connection.ReadBody(request)) break;
    if (!forget_) {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    script.handler(connection, request);
  }
  connection.Close();
}

std::string FakeUpstream::Received() const {
  const std::lock_guard lock(mutex_);
  return received_;
}

std::vector<OriginRequest> FakeUpstream::Requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

OriginRequest FakeUpstream::LastRequest() const {
  const std::lock_guard lock(mutex_);
  return requests_.empty() ? OriginRequest{} : requests_.back();
}

}  // namespace sluice::harness
