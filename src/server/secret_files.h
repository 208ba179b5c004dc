#pragma once
// main: secrets whose files change under us. What was compiled from files is read again when one of
// them is rewritten or replaced; until it is whole and good, the last good one stays.
//
// Main's loop only.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "config/secret.h"
#include "net/file_watch.h"
#include "net/loop.h"
#include "net/timer_wheel.h"

namespace sluice::server {

class SecretFiles {
 public:
  // `changed` runs when the newest of a secret is another one than before.
  SecretFiles(net::Loop& loop, std::function<void()> changed);
  ~SecretFiles();
  SecretFiles(const SecretFiles&) = delete;
  SecretFiles& operator=(const SecretFiles&) = delete;

  // `secret` as its files are now: itself until one changes. Watched from now on, for as long as
  // somebody else holds `secret`.
  std::shared_ptr<const config::Secret> Newest(const std::shared_ptr<const config::Secret>& secret);
  // Stops watching what nobody holds any more.
  void Sweep();

 private:
  struct Entry;
  void Reread(Entry& entry);

  net::Loop& loop_;
  std::function<void()> changed_;
  absl::flat_hash_map<const config::Secret*, std::unique_ptr<Entry>> entries_;
};

}  // namespace sluice::server
