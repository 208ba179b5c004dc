#include "proxy/byte_relay.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sluice::proxy {
namespace {

// Reads that fill a block, one after the other, before splicing pays for its system calls.
constexpr std::uint32_t kLargeReads = 4;
// Moves below this, one after the other, and it does not any more.
constexpr std::size_t kSmallBytes = 4096;
constexpr std::uint32_t kSmallMoves = 8;
// Rounds before others have their turn: a peer on this machine can outrun us for ever.
constexpr int kRounds = 16;

void Add(observe::Counter* counter, std::size_t value = 1) {
  if (counter != nullptr) counter->Add(value);
}

}  // namespace

ByteRelay::Flow::Flow(const RelayParts& parts, const RelayWay& of)
    : way(of), buffer(parts.buffers), again(parts.loop), next_turn(parts.loop, &OnAgain, this) {}

ByteRelay::ByteRelay(const RelayParts& parts, const RelayWay& up, const RelayWay& down)
    : parts_(parts), up_(parts, up), down_(parts, down) {}

ByteRelay::~ByteRelay() {
  for (Flow* flow : {&up_, &down_}) {
    Resume(*flow);
    if (flow->has_pipe) GivePipe(*flow);
  }
}

net::Task<void> ByteRelay::Run() {
  if (!TakeFirst(up_) || !TakeFirst(down_)) {
    broke_ = Broke::kMemory;
    Abandon();
    co_return;
  }
  net::Task<void> up = Move(up_);
  net::Task<void> down = Move(down_);
  co_await net::Join(parts_.loop, up, down);
}

bool ByteRelay::TakeFirst(Flow& flow) {
  const std::string_view first = flow.way.first;
  flow.way.first = {};
  if (first.empty()) return true;
  std::size_t copied = 0;
  while (copied < first.size()) {
    const std::span<char> space =
        flow.buffer.Reserve(std::max(first.size(), net::BufferPool::kBlockBytes));
    if (space.empty()) return false;
    const std::size_t bytes = std::min(space.size(), first.size() - copied);
    std::memcpy(space.data(), first.data() + copied, bytes);
    flow.buffer.Commit(bytes);
    copied += bytes;
  }
  CountReceived(flow, first.size());
  return true;
}

net::Task<void> ByteRelay::Move(Flow& flow) {
  while (true) {
    switch (Pump(flow)) {
      case Step::kDone:
        co_return;
      case Step::kNeedRead:
        co_await flow.way.from->WaitReadable();
        break;
      case Step::kNeedWrite:
        co_await flow.way.to->WaitWritable();
        break;
      case Step::kMore:
      case Step::kYield:
        flow.next_turn.Schedule();
        co_await flow.again.Wait();
        break;
    }
  }
}

ByteRelay::Step ByteRelay::Pump(Flow& flow) {
  Resume(flow);
  for (int round = 0; round < kRounds; ++round) {
    const Step step = flow.has_pipe ? PumpPipe(flow) : PumpBuffer(flow);
    if (step != Step::kMore) return step;
  }
  return Step::kYield;
}

ByteRelay::Step ByteRelay::PumpBuffer(Flow& flow) {
  if (flow.buffer.empty()) return Fill(flow);
  const std::string_view pieces[] = {flow.buffer.data()};
  const net::IoResult wrote = flow.way.to->Write(pieces);
  switch (wrote.status) {
    case net::IoStatus::kOk:
      flow.buffer.Consume(wrote.bytes);
      CountSent(flow, wrote.bytes, parts_.stats.tunnel_copied_bytes);
      return Step::kMore;
    case net::IoStatus::kWouldBlock:
      return Pause(flow, flow.buffer.data().size());
    case net::IoStatus::kEof:
    case net::IoStatus::kError:
      break;
  }
  return Finish(flow, End::kWriteFailed);
}

// REQUIRES: the buffer is empty.
ByteRelay::Step ByteRelay::Fill(Flow& flow) {
  if (flow.eof) {
    flow.way.to->ShutdownWrite();
    return Finish(flow, End::kEof);
  }
  if (flow.splicing && TakePipe(flow)) return Step::kMore;
  const std::span<char> space = flow.buffer.Reserve(net::BufferPool::kBlockBytes);
  if (space.empty()) return Finish(flow, End::kNoMemory);
  const net::IoResult read = flow.way.from->Read(space);
  switch (read.status) {
    case net::IoStatus::kOk:
      flow.buffer.Commit(read.bytes);
      CountReceived(flow, read.bytes);
      flow.large = read.bytes == space.size() ? flow.large + 1 : 0;
      if (flow.large >= kLargeReads) {
        flow.splicing = flow.way.from->can_splice() && flow.way.to->can_splice();
        flow.large = flow.small = 0;
      }
      return Step::kMore;
    case net::IoStatus::kWouldBlock:
      flow.buffer.Release();
      return Step::kNeedRead;
    case net::IoStatus::kEof:
      flow.eof = true;
      return Step::kMore;
    case net::IoStatus::kError:
      break;
  }
  return Finish(flow, End::kReadFailed);
}

ByteRelay::Step ByteRelay::PumpPipe(Flow& flow) {
  if (flow.in_pipe > 0) {
    const net::IoResult out = flow.way.to->SpliceFrom(flow.pipe.read.get(), flow.in_pipe);
    if (out.status == net::IoStatus::kWouldBlock) return Pause(flow, flow.in_pipe);
    if (out.status != net::IoStatus::kOk) return Finish(flow, End::kWriteFailed);
    flow.in_pipe -= out.bytes;
    CountSent(flow, out.bytes, parts_.stats.tunnel_spliced_bytes);
    return Step::kMore;
  }
  if (flow.eof || flow.small >= kSmallMoves) {
    flow.splicing = false;
    GivePipe(flow);
    return Step::kMore;
  }
  const net::IoResult in =
      flow.way.from->SpliceInto(flow.pipe.write.get(), net::PipePool::kPipeBytes);
  switch (in.status) {
    case net::IoStatus::kOk:
      flow.in_pipe = in.bytes;
      flow.small = in.bytes < kSmallBytes ? flow.small + 1 : 0;
      CountReceived(flow, in.bytes);
      return Step::kMore;
    case net::IoStatus::kWouldBlock:
      GivePipe(flow);
      return Step::kNeedRead;
    case net::IoStatus::kEof:
      flow.eof = true;
      return Step::kMore;
    case net::IoStatus::kError:
      break;
  }
  return Finish(flow, End::kReadFailed);
}

// This way is over. A source that broke breaks both streams: the sink must not take what it got
// for all. A sink that takes no more may still have something to say.
ByteRelay::Step ByteRelay::Finish(Flow& flow, End end) {
  Resume(flow);
  NoteBroken(flow, end);
  if (flow.has_pipe) GivePipe(flow);
  flow.buffer.Release();
  if (end == End::kReadFailed || end == End::kNoMemory) {
    flow.way.from->Close(true);
    flow.way.to->Close(true);
  }
  return Step::kDone;
}

void ByteRelay::NoteBroken(const Flow& flow, End end) {
  if (end == End::kEof || broke_ != Broke::kNone) return;
  if (end == End::kNoMemory) {
    broke_ = Broke::kMemory;
  } else {
    broke_ = (end == End::kReadFailed) == (&flow == &up_) ? Broke::kClient : Broke::kUpstream;
  }
}

void ByteRelay::Abandon() {
  up_.way.from->Close(true);
  up_.way.to->Close(true);
}

bool ByteRelay::TakePipe(Flow& flow) {
  flow.buffer.Release();
  flow.has_pipe = parts_.pipes.Take(flow.pipe);
  if (flow.has_pipe) parts_.stats.tunnel_pipes_in_use.Add(1);
  return flow.has_pipe;
}

void ByteRelay::GivePipe(Flow& flow) {
  parts_.pipes.Give(std::move(flow.pipe), flow.in_pipe == 0);
  parts_.stats.tunnel_pipes_in_use.Add(-1);
  flow.has_pipe = false;
  flow.in_pipe = 0;
}

void ByteRelay::CountReceived(Flow& flow, std::size_t bytes) {
  flow.bytes += bytes;
  Add(flow.way.received, bytes);
  if (parts_.progress != nullptr) parts_.progress(parts_.owner);
}

void ByteRelay::CountSent(Flow& flow, std::size_t bytes, observe::Counter& how) {
  Add(flow.way.sent, bytes);
  how.Add(bytes);
  if (parts_.progress != nullptr) parts_.progress(parts_.owner);
}

ByteRelay::Step ByteRelay::Pause(Flow& flow, std::size_t bytes) {
  flow.waiting = true;
  flow.held = bytes;
  Add(flow.way.paused);
  if (flow.way.buffered != nullptr) flow.way.buffered->Add(static_cast<std::int64_t>(bytes));
  return Step::kNeedWrite;
}

void ByteRelay::Resume(Flow& flow) {
  if (!flow.waiting) return;
  flow.waiting = false;
  Add(flow.way.resumed);
  if (flow.way.buffered != nullptr) {
    flow.way.buffered->Add(-static_cast<std::int64_t>(flow.held));
  }
}

}  // namespace sluice::proxy
