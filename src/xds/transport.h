#pragma once
// A bidirectional stream of serialised discovery messages; implementations live in server.
//
// Config thread only, both ways. One message is handed over at a time: the next is not read from
// the wire before ReadNext(), so a flood costs one message of memory.

#include <string>
#include <string_view>

namespace sluice::xds {

class TransportEvents {
 public:
  virtual void OnOpen() = 0;
  virtual void OnMessage(std::string bytes) = 0;
  // Also when it never opened. Nothing follows for this stream.
  virtual void OnClosed(std::string_view why) = 0;
  // One exchange failed, a file cannot be read or a poll was not answered; the stream goes on.
  virtual void OnFailure(std::string_view) {}

 protected:
  ~TransportEvents() = default;
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Starts a stream; events follow later, never inline. REQUIRES: none is open.
  virtual void Open(TransportEvents& events) = 0;
  virtual void Send(std::string bytes) = 0;
  virtual void ReadNext() = 0;
  // No event follows.
  virtual void Close() = 0;
  // Whether a stream could be opened now; asking makes it try to connect. For servers in reserve.
  virtual bool Reachable() { return true; }
  // Which of several servers serves: 0 is the preferred one.
  virtual unsigned Rank() const { return 0; }
};

}  // namespace sluice::xds
