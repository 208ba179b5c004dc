#include "proxy/h1_writer.h"

#include "base/check.h"
#include "http/h1_codec.h"

namespace sluice::proxy {

void H1Writer::Reset(net::Stream* stream, observe::Counter* sent) {
  stream_ = stream;
  sent_ = sent;
  if (text_.capacity() > kTextMax) {
    text_ = std::string();
  } else {
    text_.clear();
  }
  text_taken_ = 0;
  count_ = 0;
  first_ = 0;
  sent_bytes_ = 0;
}

void H1Writer::TextAdded() {
  const std::size_t added = text_.size() - text_taken_;
  if (added == 0) return;
  // Text that follows text is one part.
  if (count_ > first_ && parts_[count_ - 1].data == nullptr) {
    parts_[count_ - 1].size += added;
  } else {
    SLUICE_DCHECK(count_ < kPartsMax);
    parts_[count_++] = {nullptr, text_taken_, added};
  }
  text_taken_ = text_.size();
}

void H1Writer::AddPiece(std::string_view piece, bool chunked) {
  if (piece.empty()) return;  // As a chunk it would end the body.
  if (chunked) {
    char line[18];
    text_.append(line, http::EncodeChunkHeader(piece.size(), line));
  }
  if (piece.size() <= kCopyMax) {
    text_.append(piece);
  } else {
    TextAdded();
    SLUICE_DCHECK(count_ < kPartsMax);
    parts_[count_++] = {piece.data(), 0, piece.size()};
  }
  if (chunked) text_.append("\r\n");
  TextAdded();
}

void H1Writer::AddLastChunk(const http::Fields& trailers) {
  http::EncodeLastChunk(trailers, text_);
  TextAdded();
}

net::IoStatus H1Writer::Flush() {
  while (first_ < count_) {
    std::array<std::string_view, kPartsMax> views;
    std::size_t views_count = 0;
    for (std::size_t i = first_; i < count_; ++i) {
      const Part& part = parts_[i];
      const char* data = part.data != nullptr ? part.data : text_.data();
      views[views_count++] = {data + part.at, part.size};
    }
    const net::IoResult result = stream_->Write({views.data(), views_count});
    if (result.status != net::IoStatus::kOk) return result.status;
    sent_bytes_ += result.bytes;
    if (sent_ != nullptr) sent_->Add(result.bytes);
    std::size_t left = result.bytes;
    while (first_ < count_ && left >= parts_[first_].size) left -= parts_[first_++].size;
    if (left > 0) {
      parts_[first_].at += left;
      parts_[first_].size -= left;
    }
  }
  text_.clear();
  text_taken_ = 0;
  count_ = 0;
  first_ = 0;
  return net::IoStatus::kOk;
}

}  // namespace sluice::proxy
