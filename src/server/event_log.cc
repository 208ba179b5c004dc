#include "server/event_log.h"

#include "base/strings.h"
#include "observe/time_format.h"

namespace sluice::server {
namespace {

std::string Bounded(std::string_view text) {
  if (text.size() <= EventLog::kTextBytesMax) return std::string(text);
  return base::Cat(text.substr(0, EventLog::kTextBytesMax), "...");
}

}  // namespace

std::string_view KindName(EventLog::Kind kind) {
  switch (kind) {
    case EventLog::Kind::kAccepted:
      return "accepted";
    case EventLog::Kind::kRejected:
      return "rejected";
    case EventLog::Kind::kRemoved:
      return "removed";
    case EventLog::Kind::kWarmed:
      return "warmed";
    case EventLog::Kind::kDrained:
      return "drained";
    case EventLog::Kind::kConnected:
      return "connected";
    case EventLog::Kind::kDisconnected:
      return "disconnected";
    case EventLog::Kind::kFailed:
      return "failed";
    case EventLog::Kind::kTimedOut:
      return "timed_out";
    case EventLog::Kind::kRestored:
      return "restored";
  }
  return "";
}

void EventLog::Add(Kind kind, std::string_view subject, std::string_view text,
                   std::string_view version) {
  const base::WallTime now = clock_.WallNow();
  const base::MutexLock lock(mutex_);
  if (events_.size() == kEventsMax) events_.pop_front();
  events_.push_back({++last_, now, kind, Bounded(subject), Bounded(text), Bounded(version)});
}

std::string EventLog::Json(std::string_view kind, std::uint64_t after) const {
  std::string out = "{\"events\":[";
  const base::MutexLock lock(mutex_);
  bool first = true;
  for (const Event& event : events_) {
    if (event.number <= after || (!kind.empty() && kind != KindName(event.kind))) continue;
    base::Append(out, first ? "\n" : ",\n", "{\"number\":", event.number, ",\"time\":\"");
    observe::AppendIsoTime(event.when, out);
    base::Append(out, "\",\"kind\":\"", KindName(event.kind), "\",\"subject\":");
    first = false;
    base::AppendJsonString(out, event.subject);
    if (!event.version.empty()) {
      out += ",\"version\":";
      base::AppendJsonString(out, event.version);
    }
    if (!event.text.empty()) {
      out += ",\"text\":";
      base::AppendJsonString(out, event.text);
    }
    out += '}';
  }
  base::Append(out, "\n],\"last\":", last_, "}\n");
  return out;
}

}  // namespace sluice::server
