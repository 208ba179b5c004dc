#pragma once
// Bytes both ways between two streams until both sides have ended: TCP and tunnels.
//
// Worker's thread. What cannot be written is not read on. Half-close is passed on; a reset is
// passed on as a reset, so that a cut stream never looks complete. Sustained large transfers
// between plain sockets go through splice(2), everything else through a pooled buffer; idle holds
// neither.

#include <cstdint>
#include <string_view>

#include "net/buffer.h"
#include "net/deferred.h"
#include "net/loop.h"
#include "net/pipe_pool.h"
#include "net/stream.h"
#include "net/task.h"
#include "net/waiter.h"
#include "observe/cells.h"
#include "observe/stats.h"

namespace sluice::proxy {

// One way. The counters may be null.
struct RelayWay {
  net::Stream* from = nullptr;
  net::Stream* to = nullptr;
  std::string_view first = {};  // Bytes of `from` that were read already. Copied by Run().
  observe::Counter* received = nullptr;
  observe::Counter* sent = nullptr;
  observe::Counter* paused = nullptr;  // `to` was too slow, and then it was not.
  observe::Counter* resumed = nullptr;
  observe::Gauge* buffered = nullptr;  // Bytes that wait for `to`.
};

struct RelayParts {
  net::Loop& loop;
  net::BufferPool& buffers;
  net::PipePool& pipes;
  observe::WorkerStats& stats;  // tunnel_spliced_bytes, tunnel_copied_bytes.
  // Something moved; may be null.
  void (*progress)(void* owner) = nullptr;
  void* owner = nullptr;
};

class ByteRelay {
 public:
  ByteRelay(const RelayParts& parts, const RelayWay& up, const RelayWay& down);
  ByteRelay(const ByteRelay&) = delete;
  ByteRelay& operator=(const ByteRelay&) = delete;
  ~ByteRelay();

  // Until both ways have ended. The streams are left open unless one broke.
  net::Task<void> Run();
  // Resets both; Run() returns soon.
  void Abandon();

  // Bytes were taken that could not be passed on yet.
  bool holds_bytes() const { return up_.waiting || down_.waiting; }
  std::uint64_t up_bytes() const { return up_.bytes; }
  std::uint64_t down_bytes() const { return down_.bytes; }
  // Which side broke first, if one did: the one `up` reads from, or the one it writes to.
  enum class Broke : std::uint8_t { kNone, kClient, kUpstream, kMemory };
  Broke broke() const { return broke_; }

 private:
  enum class End : std::uint8_t {
    kEof,
    kReadFailed,   // The source broke.
    kWriteFailed,  // The sink takes no more; what the other way brings still passes.
    kNoMemory,
  };
  enum class Step : std::uint8_t { kMore, kNeedRead, kNeedWrite, kYield, kDone };

  struct Flow {
    Flow(const RelayParts& parts, const RelayWay& of);
    static void OnAgain(void* self) { static_cast<Flow*>(self)->again.Wake(); }

    RelayWay way;
    net::Buffer buffer;
    net::Pipe pipe;
    net::Waiter again;
    net::Deferred next_turn;
    std::uint64_t bytes = 0;  // Read.
    std::size_t in_pipe = 0;
    std::size_t held = 0;  // Counted in the gauge.
    std::uint32_t large = 0;
    std::uint32_t small = 0;
    bool eof = false;
    bool has_pipe = false;
    bool splicing = false;
    bool waiting = false;
  };

  net::Task<void> Move(Flow& flow);
  Step Pump(Flow& flow);
  Step PumpBuffer(Flow& flow);
  Step PumpPipe(Flow& flow);
  Step Fill(Flow& flow);
  Step Finish(Flow& flow, End end);
  bool TakeFirst(Flow& flow);
  bool TakePipe(Flow& flow);
  void GivePipe(Flow& flow);
  void CountReceived(Flow& flow, std::size_t bytes);
  void CountSent(Flow& flow, std::size_t bytes, observe::Counter& how);
  Step Pause(Flow& flow, std::size_t bytes);
  static void Resume(Flow& flow);
  void NoteBroken(const Flow& flow, End end);

  RelayParts parts_;
  Flow up_;
  Flow down_;
  Broke broke_ = Broke::kNone;
};

}  // namespace sluice::proxy
