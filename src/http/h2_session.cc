#include "http/h2_session.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"

namespace sluice::http {
namespace {

// WINDOW_UPDATEs that need no DATA of ours: a client may set its windows up as it likes.
constexpr std::int64_t kWindowUpdatesFree = 16;

}  // namespace

H2Session::H2Session(Role role, const H2Options& options, const H2HeadLimits& limits, H2Sink& sink)
    : role_(role),
      options_(options),
      limits_(limits),
      sink_(sink),
      decoder_(options.hpack_table_bytes),
      preface_left_(role == Role::kServer ? kH2Preface.size() : 0),
      next_id_(role == Role::kServer ? 2 : 1),
      receive_window_(kH2WindowDefault),
      priority_credit_(options.priority_frames_per_stream_max),
      window_update_credit_(kWindowUpdatesFree) {
  SendSettings();
}

// ---- streams

H2Stream* H2Session::Find(std::uint32_t id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second;
}

// Never used so far. Ids of our own parity that we did not open are idle, too.
bool H2Session::IsIdle(std::uint32_t id) const {
  const bool of_peer = (id % 2 == 1) == (role_ == Role::kServer);
  return of_peer ? id > last_peer_id_ : id >= next_id_;
}

const H2Session::Closed* H2Session::FindClosed(std::uint32_t id) const {
  for (const Closed& closed : closed_) {
    if (closed.id == id) return &closed;
  }
  return nullptr;
}

void H2Session::Link(H2Stream& stream, std::uint32_t id) {
  SLUICE_DCHECK(!stream.linked);
  stream.id = id;
  stream.linked = true;
  stream.peer_ended = stream.we_ended = stream.reset = false;
  stream.head_received = stream.counts_body = stream.bodiless = stream.tunnel = false;
  stream.blocked = false;
  stream.send_window = peer_stream_window_;
  stream.receive_window = options_.stream_window_bytes;
  stream.unreturned = stream.received = 0;
  stream.body_left = 0;
  streams_.emplace(id, &stream);
  // Budgets follow the streams there are, not those that ever were.
  const auto active = static_cast<std::int64_t>(streams_.size());
  const std::int64_t priorities = options_.priority_frames_per_stream_max;
  priority_credit_ = std::min(priority_credit_ + priorities, priorities * (1 + active));
  window_update_credit_ += 2;
}

void H2Session::Unlink(H2Stream& stream, How how) {
  if (stream.blocked) Unblock(stream);
  streams_.erase(stream.id);
  stream.linked = false;
  NoteClosed(stream.id, how);
  // What was delivered stays the sink's; its room is the connection's again at once.
  ReturnConnectionWindow(stream.received);
  stream.received = 0;
}

void H2Session::NoteClosed(std::uint32_t id, How how) {
  for (Closed& closed : closed_) {
    if (closed.id != id) continue;
    closed.how = how;
    return;
  }
  closed_[closed_at_] = {id, how};
  closed_at_ = (closed_at_ + 1) % std::size(closed_);
}

void H2Session::CloseIfDone(H2Stream& stream) {
  if (stream.linked && stream.peer_ended && stream.we_ended) Unlink(stream, How::kEnded);
}

void H2Session::Reset(H2Stream& stream, H2Error error) {
  if (!stream.linked) return;
  stream.reset = true;
  const std::uint32_t id = stream.id;
  Unlink(stream, How::kResetByUs);
  if (!ended_) SendReset(id, error);
}

// ---- errors

void H2Session::Fail(H2Error error, std::string_view text) {
  if (ended_) return;
  error_ = error;
  error_text_ = text;
  SendGoaway(true, error);
  ended_ = true;
}

void H2Session::Flood(H2Event event, std::string_view text) {
  if (ended_) return;
  sink_.OnEvent(event);
  Fail(H2Error::kEnhanceYourCalm, text);
}

void H2Session::StreamError(std::uint32_t id, H2Error error) {
  H2Stream* stream = Find(id);
  if (stream == nullptr) {
    NoteClosed(id, How::kResetByUs);
    SendReset(id, error);
    return;
  }
  stream->reset = true;
  Unlink(*stream, How::kResetByUs);
  SendReset(id, error);
  sink_.OnReset(*stream, error, false);
}

void H2Session::MessagingError(std::uint32_t id, std::string_view text) {
  sink_.OnEvent(H2Event::kMessagingError);
  if (options_.stream_error_on_invalid_message) return StreamError(id, H2Error::kProtocolError);
  Fail(H2Error::kProtocolError, text);
}

}  // namespace sluice::http
