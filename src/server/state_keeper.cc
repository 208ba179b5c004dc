#include "server/state_keeper.h"

#include <algorithm>

#include "base/log.h"
#include "base/status.h"
#include "server/state_file.h"

namespace sluice::server {
namespace {

constexpr std::uint64_t kWaitMs = 200;
// Of the time, at most a twentieth goes into writing.
constexpr std::uint64_t kRestPerWrite = 20;

}  // namespace

StateKeeper::StateKeeper(Options options) : options_(std::move(options)), wait_ms_(kWaitMs) {
  timer_.Set([](void* self) { static_cast<StateKeeper*>(self)->Write(); }, this);
}

std::optional<xds::SavedState> StateKeeper::Load() {
  if (options_.directory.empty()) return std::nullopt;
  std::string why;
  auto state = ReadState(options_.directory, options_.node, why);
  if (!why.empty()) {
    options_.stats.rejected.Add();
    SLUICE_LOG(kError, kConfig, "the stored configuration is not used: ", why);
  } else if (state) {
    options_.stats.loaded.Add();
  }
  return state;
}

void StateKeeper::Changed() {
  if (options_.directory.empty() || due_) return;
  due_ = true;
  timer_.Arm(options_.loop.timers(), wait_ms_);
}

void StateKeeper::Flush() {
  if (due_) Write();
}

void StateKeeper::Write() {
  due_ = false;
  const base::Monotonic start = options_.loop.clock().Now();
  xds::SavedState state = options_.collect();
  state.node = options_.node;
  const absl::Status status = WriteState(options_.directory, state);
  const auto took =
      std::chrono::duration_cast<base::milliseconds>(options_.loop.clock().Now() - start);
  wait_ms_ = std::max(kWaitMs, kRestPerWrite * static_cast<std::uint64_t>(took.count()));
  if (status.ok()) {
    options_.stats.written.Add();
    return;
  }
  options_.stats.write_failed.Add();
  SLUICE_LOG(kError, kConfig, "the configuration is not stored: ", base::MessageOf(status));
}

}  // namespace sluice::server
