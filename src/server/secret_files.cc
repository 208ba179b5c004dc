#include "server/secret_files.h"

#include <utility>

#include "base/field_errors.h"
#include "base/log.h"
#include "base/status.h"
#include "config/compile_secret.h"

namespace sluice::server {
namespace {

// A pair of files is replaced one after the other: the first alone is not worth a warning yet.
constexpr std::uint64_t kSettleMs = 20;

}  // namespace

struct SecretFiles::Entry {
  SecretFiles* owner = nullptr;
  std::weak_ptr<const config::Secret> original;
  std::shared_ptr<const config::Secret> newest;  // Null: the original.
  std::vector<std::unique_ptr<net::FileWatch>> watches;
  net::Timer settle;
};

SecretFiles::SecretFiles(net::Loop& loop, std::function<void()> changed)
    : loop_(loop), changed_(std::move(changed)) {}

SecretFiles::~SecretFiles() = default;

std::shared_ptr<const config::Secret> SecretFiles::Newest(
    const std::shared_ptr<const config::Secret>& secret) {
  if (secret == nullptr || secret->files.empty()) return secret;
  std::unique_ptr<Entry>& slot = entries_[secret.get()];
  if (slot != nullptr && slot->original.lock() == secret) {
    return slot->newest != nullptr ? slot->newest : secret;
  }
  slot = std::make_unique<Entry>();
  Entry& entry = *slot;
  entry.owner = this;
  entry.original = secret;
  entry.settle.Set(
      [](void* self) {
        auto& due = *static_cast<Entry*>(self);
        due.owner->Reread(due);
      },
      &entry);
  std::vector<std::string> paths;
  for (const config::SecretFile& file : secret->files) paths.push_back(file.path);
  if (!secret->watched_directory.empty()) paths.push_back(secret->watched_directory + "/..data");
  for (const std::string& path : paths) {
    auto watch = net::FileWatch::Open(
        loop_, path, [this, &entry] { entry.settle.Arm(loop_.timers(), kSettleMs); });
    if (watch.ok()) {
      entry.watches.push_back(*std::move(watch));
    } else {
      SLUICE_LOG(kWarning, kConfig, "changes of ", path,
                 " will not be noticed: ", base::MessageOf(watch.status()));
    }
  }
  // What changed between the compile and this moment has no event.
  entry.settle.Arm(loop_.timers(), kSettleMs);
  return secret;
}

void SecretFiles::Sweep() {
  absl::erase_if(entries_, [](const auto& each) { return each.second->original.expired(); });
}

void SecretFiles::Reread(Entry& entry) {
  const std::shared_ptr<const config::Secret> original = entry.original.lock();
  if (original == nullptr) return;
  const config::Secret& current = entry.newest != nullptr ? *entry.newest : *original;
  base::FieldErrors errors;
  std::shared_ptr<const config::Secret> next = config::RereadSecret(*original, errors);
  if (next == nullptr) {
    SLUICE_LOG(kWarning, kConfig,
               "a secret from files changed, and the last good one stays: ", errors.Text());
    return;
  }
  if (*next == current) return;
  SLUICE_LOG(kInfo, kConfig, "a secret from files changed: ", original->files.front().path);
  entry.newest = std::move(next);
  changed_();
}

}  // namespace sluice::server
