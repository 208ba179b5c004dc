#pragma once
// Tells when a file was rewritten or replaced: by an editor, by an atomic rename, or by a mounted
// directory that swaps its `..data` link. The file may be absent at first.
//
// Loop's thread only.

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"  // lint-ok: std::move_only_function is C++23.
#include "absl/status/statusor.h"
#include "net/loop.h"
#include "net/socket.h"

namespace sluice::net {

class FileWatch final : public Pollable {
 public:
  // Watches the directory of `path`, for all its files when `path` ends in '/'; an error when that
  // cannot be watched. `changed` runs once per batch of changes.
  static absl::StatusOr<std::unique_ptr<FileWatch>> Open(Loop& loop, const std::string& path,
                                                         absl::AnyInvocable<void()> changed);
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;
  void OnEvents(std::uint32_t events) override;

 private:
  FileWatch(Loop& loop, FileDescriptor fd, std::string name, absl::AnyInvocable<void()> changed);

  Loop& loop_;
  FileDescriptor fd_;
  const std::string name_;
  absl::AnyInvocable<void()> changed_;
};

}  // namespace sluice::net
