#pragma once
// When the accepted configuration is written to `--state-dir`: soon after a change, but never so
// often that writing is what the thread does.
//
// Config thread.

#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "net/loop.h"
#include "observe/registry.h"
#include "xds/saved_state.h"

namespace sluice::server {

class StateKeeper {
 public:
  struct Options {
    net::Loop& loop;
    std::string directory;  // "": nothing is read or written.
    std::string node;
    observe::StateFileStats& stats;
    std::function<xds::SavedState()> collect;  // `node` and `saved` are filled in here.
  };
  explicit StateKeeper(Options options);

  // What the process before left; nullopt when there is none that can be used (and why is logged).
  std::optional<xds::SavedState> Load();
  // Something was accepted.
  void Changed();
  // At the end of the thread: what is due is written now.
  void Flush();

 private:
  void Write();

  const Options options_;
  net::Timer timer_;
  bool due_ = false;
  std::uint64_t wait_ms_;
};

}  // namespace sluice::server
