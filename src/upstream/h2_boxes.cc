#include "upstream/h2_boxes.h"

#include <algorithm>
#include <cstring>

namespace sluice::upstream {
namespace {

// The window bounds it; this is for windows that an operator made huge.
constexpr std::size_t kInboxBytesMax = std::size_t{1} << 30;

}  // namespace

bool H2Inbox::Append(std::string_view data) {
  net::Buffer& buffer = buffers_[arriving_];
  while (!data.empty()) {
    const std::span<char> space = buffer.Reserve(kInboxBytesMax);
    if (space.empty()) return false;
    const std::size_t size = std::min(space.size(), data.size());
    std::memcpy(space.data(), data.data(), size);
    buffer.Commit(size);
    data.remove_prefix(size);
  }
  return true;
}

std::string_view H2Inbox::Take(std::uint32_t& returned) {
  net::Buffer& read = buffers_[1 - arriving_];
  returned = static_cast<std::uint32_t>(read.data().size());
  read.Release();
  arriving_ = 1 - arriving_;
  return buffers_[1 - arriving_].data();
}

void H2Inbox::Clear() {
  for (net::Buffer& buffer : buffers_) buffer.Release();
}

void H2Outbox::Reset() {
  first_ = count_ = 0;
  sent_bytes_ = 0;
  trailers_.Clear();
  end_ = false;
}

void H2Outbox::AddEnd(const http::Fields& trailers) {
  end_ = true;
  if (!trailers.empty()) trailers_ = trailers;
}

net::IoStatus H2Outbox::Flush(http::H2Session& session, http::H2Stream& stream) {
  if (stream.reset) return net::IoStatus::kError;
  while (first_ < count_) {
    if (!stream.linked || stream.we_ended) return net::IoStatus::kError;
    std::string_view& piece = pieces_[first_];
    const bool last = end_ && trailers_.empty() && first_ + 1 == count_;
    const std::size_t taken = session.SendData(stream, piece, last);
    sent_bytes_ += taken;
    piece.remove_prefix(taken);
    if (!piece.empty()) return net::IoStatus::kWouldBlock;
    ++first_;
  }
  first_ = count_ = 0;
  if (!end_) return net::IoStatus::kOk;
  if (!stream.we_ended) {
    if (!stream.linked) return net::IoStatus::kError;
    if (!trailers_.empty()) {
      session.SendTrailers(stream, trailers_);
    } else {
      session.SendData(stream, {}, true);
    }
    if (!stream.we_ended) return net::IoStatus::kWouldBlock;
  }
  end_ = false;
  return net::IoStatus::kOk;
}

}  // namespace sluice::upstream
