#pragma once
// What happened to the configuration lately: the last 1,000 events, for GET /events.
//
// Any thread. Rare events only: a short lock, never on the request path.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/mutex.h"

namespace sluice::server {

class EventLog {
 public:
  static constexpr std::size_t kEventsMax = 1000;
  static constexpr std::size_t kTextBytesMax = 1024;  // Longer texts are cut.

  enum class Kind : std::uint8_t {
    kAccepted,  // A resource, or what a response changed.
    kRejected,  // With the reason.
    kRemoved,
    kWarmed,
    kDrained,
    kConnected,
    kDisconnected,
    kFailed,    // A file or a poll.
    kTimedOut,  // A first fetch.
    kRestored   // From the state directory.
  };

  explicit EventLog(const base::Clock& clock) : clock_(clock) {}

  // `subject` says what it is about: "CDS app", "listener edge", a server's name.
  void Add(Kind kind, std::string_view subject, std::string_view text = "",
           std::string_view version = "");

  // {"events": [...]}, oldest first. `kind` "" is all, `after` leaves out what has at most that
  // number; `last` is the number of the newest, for the next call.
  std::string Json(std::string_view kind, std::uint64_t after) const;

 private:
  struct Event {
    std::uint64_t number;
    base::WallTime when;
    Kind kind;
    std::string subject, text, version;
  };

  const base::Clock& clock_;
  mutable base::Mutex mutex_;
  std::deque<Event> events_ SLUICE_GUARDED_BY(mutex_);
  std::uint64_t last_ SLUICE_GUARDED_BY(mutex_) = 0;
};

std::string_view KindName(EventLog::Kind kind);

}  // namespace sluice::server
