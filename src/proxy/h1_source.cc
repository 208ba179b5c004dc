#include "proxy/h1_source.h"

namespace sluice::proxy {
namespace {

// One block of the pool is what a body uses; only a trailer line that fills one makes it grow, up
// to what the parser allows.
constexpr std::size_t kBodyBufferBytes = 4 * net::BufferPool::kBlockBytes;

}  // namespace

FillStep Fill(net::Stream& stream, net::Buffer& input, std::size_t bytes_max,
              observe::Counter& received) {
  if (!stream.ReadyToRead()) {
    if (input.empty()) input.Release();
    return FillStep::kBlocked;
  }
  const std::span<char> space = input.Reserve(bytes_max);
  if (space.empty()) return FillStep::kFull;
  const net::IoResult result = stream.Read(space);
  if (result.status == net::IoStatus::kOk) {
    input.Commit(result.bytes);
    received.Add(result.bytes);
    return FillStep::kFilled;
  }
  if (input.empty()) input.Release();
  switch (result.status) {
    case net::IoStatus::kWouldBlock:
      return FillStep::kBlocked;
    case net::IoStatus::kEof:
      return FillStep::kEof;
    default:
      return FillStep::kError;
  }
}

BodyRead H1Source::Parse(bool& need_more) {
  if (tunnel) {
    const std::string_view piece = input->data();
    need_more = piece.empty();
    if (need_more) return {BodyStep::kBlocked, {}};
    input->Consume(piece.size());
    return {BodyStep::kPiece, piece};
  }
  const http::H1Parser::Result result = parser->ParseBody(input->data());
  if (result.consumed > 0) input->Consume(result.consumed);
  switch (result.step) {
    case http::H1Step::kBody:
      return {BodyStep::kPiece, result.body};
    case http::H1Step::kEnd:
      return {BodyStep::kEnd, {}};
    case http::H1Step::kBroken:
      return {BodyStep::kBroken, {}};
    case http::H1Step::kNeedMore:
    case http::H1Step::kHead:
      break;
  }
  need_more = true;
  return {BodyStep::kBlocked, {}};
}

BodyRead H1Source::Next(bool may_read) {
  while (true) {
    bool need_more = false;
    const BodyRead read = Parse(need_more);
    if (!need_more || !may_read) return read;
    switch (Fill(*stream, *input, kBodyBufferBytes, *received)) {
      case FillStep::kFilled:
        continue;
      case FillStep::kBlocked:
        return {BodyStep::kBlocked, {}};
      case FillStep::kEof:
        if (tunnel || parser->OnEof()) return {BodyStep::kEnd, {}};
        return {BodyStep::kGone, {}};
      case FillStep::kError:
        return {BodyStep::kGone, {}};
      case FillStep::kFull:
        // A chunk or trailer line fills the buffer (the parser's limits are lower), or the pool is
        // exhausted.
        return {BodyStep::kGone, {}};
    }
  }
}

}  // namespace sluice::proxy
