#pragma once
// The runtime's layers as they are now: static values, a watched directory, what the admin port
// set, what RTDS delivered. Any change makes a new merged map for the next snapshot.
//
// Config thread. Reading a directory is I/O of that thread, bounded in files and bytes.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/runtime_layers.h"
#include "net/file_watch.h"
#include "net/loop.h"
#include "observe/registry.h"

namespace sluice::server {

// What admin shows.
struct RuntimeView {
  std::vector<std::string> layers;  // Names, in order: a later one wins.
  std::vector<std::shared_ptr<const config::Runtime::Values>> values;  // Null: none.
  std::shared_ptr<const config::Runtime> merged;
};

class RuntimeLayers {
 public:
  struct Options {
    net::Loop& loop;
    observe::RuntimeStats& stats;
    const std::vector<config::RuntimeLayerConfig>& layers;  // Outlives this.
    std::function<void()> changed;                          // The merged map differs.
  };
  explicit RuntimeLayers(Options options);

  // POST /runtime_modify: sets keys, or forgets what was set with an empty text. False: there is no
  // admin layer.
  bool Modify(const std::vector<std::pair<std::string, std::string>>& values);
  // An RTDS resource came; null: it is gone.
  void SetRtds(std::string_view resource, std::shared_ptr<const config::RuntimeLayerValues> values);

  const std::shared_ptr<const config::Runtime>& merged() const { return merged_; }
  RuntimeView View() const;
  // Disk layers stay as they are from now on. On the loop's thread, before that ends.
  void StopWatching() { watches_.clear(); }

 private:
  bool ReadDisk(std::size_t layer);
  void Load(bool ok);

  const Options options_;
  std::vector<std::shared_ptr<const config::Runtime::Values>> values_;
  std::vector<bool> readable_;  // Of disk layers: the directory is there and was read.
  std::vector<std::unique_ptr<net::FileWatch>> watches_;
  std::shared_ptr<const config::Runtime> merged_;
};

}  // namespace sluice::server
