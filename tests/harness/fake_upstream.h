#pragma once
// An HTTP/1 origin whose answers a test scripts, down to the byte, and that remembers every byte
// it received.
//
// Each connection is served on a thread of its own, so a handler may block: at a Gate, or until the
// proxy reads. Everything else may be called from any thread.

#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "harness/socket.h"

namespace sluice::harness {

struct OriginRequest {
  std::string head;  // Exact bytes, through the empty line.
  std::string method;
  std::string target;
  HeaderLines headers;
  std::string body;  // Decoded; see OriginConnection::ReadBody.
  std::string trailers;
  std::uint16_t port = 0;  // Which of the origin's ports it came to.
  int connection = 0;      // 1 for the first connection, and so on.
  int on_connection = 0;   // 1 for the first request of its connection.

  std::string Header(std::string_view name) const { return FindHeader(headers, name).value_or(""); }
  std::size_t Count(std::string_view name) const { return CountHeader(headers, name); }
};

class FakeUpstream;

// What a handler can do to the proxy.
class OriginConnection {
 public:
  OriginConnection(FakeUpstream& origin, Socket socket)
      : origin_(origin), socket_(std::move(socket)) {}
  // Exact bytes. False when the proxy is gone.
  bool Write(std::string_view bytes) { return socket_.is_open() && socket_.Write(bytes); }
  // 200 with Content-Length, or as `head` says.
  bool Reply(int status, std::string_view body, std::string_view extra_lines = "");
  // `bytes` of generated data: byte i is the letter 'a' + i % 26.
  bool WriteGenerated(std::uint64_t bytes);
  // False when cut short. Handlers of On() and OnAny() find the body read.
  bool ReadBody(OriginRequest& request);
  // What comes next, unparsed; "" when the proxy is done sending.
  std::string ReadRaw();
  // Sends back what it gets until the proxy is done, then is done as well.
  void Echo();
  void ShutdownWrite() { socket_.ShutdownWrite(); }
  void Close();
  void Reset();
  // The proxy closed, in order or not.
  bool SeesClose();

 private:
  friend class FakeUpstream;
  FakeUpstream& origin_;
  Socket socket_;
  std::string buffer_;
};

class FakeUpstream {
 public:
  using Handler = std::function<void(OriginConnection&, OriginRequest&)>;

  // Answers "200 ok" to every path without a handler.
  FakeUpstream();
  ~FakeUpstream();
  FakeUpstream(const FakeUpstream&) = delete;
  FakeUpstream& operator=(const FakeUpstream&) = delete;

  std::uint16_t port() const { return ports_.front(); }
  // Another port of the same origin. REQUIRES: before the first request.
  std::uint16_t AddPort();
  // The target up to '?' selects. REQUIRES: before the first request, like every On*().
  FakeUpstream& On(const std::string& path, Handler handler);
  FakeUpstream& On(const std::string& path, int status, std::string body);
  // The handler runs when the head is there; the body is its to read.
  FakeUpstream& OnHead(const std::string& path, Handler handler);
  FakeUpstream& OnAny(Handler handler);
  // The handler runs when a connection is accepted, instead of everything else.
  FakeUpstream& OnAccept(std::function<void(OriginConnection&)> handler);
  // Load tests forget: only counts stay.
  FakeUpstream& Forget();

  // Every byte of every connection, in order of arrival.
  std::string Received() const;
  std::vector<OriginRequest> Requests() const;
  OriginRequest LastRequest() const;
  int connections() const { return connections_.load(); }
  int requests() const { return count_.load(); }
  // Closes every connection that is open now; listening goes on.
  void CloseConnections();

 private:
  friend class OriginConnection;
  struct Served {
    explicit Served(OriginConnection c) : connection(std::move(c)) {}
    OriginConnection connection;
    std::thread thread;
    std::atomic<bool> done{false};
  };
  struct Script {
    Handler handler;
    bool reads_body = true;
  };

  void Accept();
  void Serve(OriginConnection& connection, int number);
  void Record(std::string_view bytes);
  void Reap(bool all);

  std::vector<Socket> listening_;
  std::vector<std::uint16_t> ports_;
  std::map<std::string, Script> scripts_;
  Script any_;
  std::function<void(OriginConnection&)> on_accept_;
  bool forget_ = false;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  std::atomic<int> count_{0};
  mutable std::mutex mutex_;  // Guards the three below.
  std::string received_;
  std::vector<OriginRequest> requests_;
  std::list<Served> served_;
  int wake_[2] = {-1, -1};
  std::thread acceptor_;  // Started last.
};

}  // namespace sluice::harness
