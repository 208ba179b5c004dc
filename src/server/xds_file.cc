#include "server/xds_file.h"

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <optional>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "net/file_watch.h"
#include "net/socket_stream.h"
#include "xds/discovery_text.h"

namespace sluice::server {
namespace {

constexpr std::size_t kFileBytesMax = 64 * 1024 * 1024;

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes;
  std::string piece(64 * 1024, '\0');
  while (file && bytes.size() <= kFileBytesMax) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    bytes.append(piece, 0, static_cast<std::size_t>(file.gcount()));
  }
  if (bytes.size() > kFileBytesMax) {
    return base::InvalidArgument(base::Cat(path, ": has more than ", kFileBytesMax, " bytes"));
  }
  if (!file.eof()) return base::Unavailable(base::Cat(path, ": cannot be read"));
  return bytes;
}

class FileTransport final : public xds::Transport {
 public:
  FileTransport(net::Loop& loop, config::PathSource source, xds::ResourceType type)
      : loop_(loop), source_(std::move(source)), type_(type) {
    // Never inline, and a burst of changes is one reading.
    again_.Set([](void* self) { static_cast<FileTransport*>(self)->Deliver(); }, this);
  }

  absl::Status Watch() {
    const std::string& directory = source_.watched_directory;
    auto watch = net::FileWatch::Open(loop_, directory.empty() ? source_.path : directory + "/",
                                      [this] { MarkChanged(); });
    if (!watch.ok()) return watch.status();
    watch_ = *std::move(watch);
    return absl::OkStatus();
  }

  void Open(xds::TransportEvents& events) override {
    events_ = &events;
    changed_ = may_read_ = false;
    names_.reset();
    opening_ = true;
    again_.Arm(loop_.timers(), 1);
  }

  void Send(std::string bytes) override {
    xds::RequestView request = xds::ReadRequest(bytes);
    // What is newly wanted may be in the file as it is.
    if (names_ != request.names) MarkChanged();
    names_ = std::move(request.names);
  }

  void ReadNext() override {
    may_read_ = true;
    if (changed_) again_.Arm(loop_.timers(), 1);
  }

  void Close() override {
    events_ = nullptr;
    again_.Cancel();
  }

 private:
  void MarkChanged() {
    changed_ = true;
    if (events_ != nullptr && may_read_) again_.Arm(loop_.timers(), 1);
  }

  void Deliver() {
    if (events_ == nullptr) return;
    if (std::exchange(opening_, false)) return events_->OnOpen();
    if (!changed_ || !may_read_ || !names_) return;
    changed_ = false;
    absl::StatusOr<std::string> content = ReadWhole(source_.path);
    if (content.ok()) {
      content = xds::ResponseFrom(
          *content,
          source_.path.ends_with(".pb") ? xds::TextFormat::kBytes : xds::TextFormat::kText, type_,
          base::Cat(++readings_), source_.path);
    }
    if (!content.ok()) return events_->OnFailure(base::MessageOf(content.status()));
    may_read_ = false;
    events_->OnMessage(*std::move(content));
  }

  net::Loop& loop_;
  const config::PathSource source_;
  const xds::ResourceType type_;
  xds::TransportEvents* events_ = nullptr;
  std::unique_ptr<net::FileWatch> watch_;
  std::optional<std::vector<std::string>> names_;  // Of the last request.
  bool opening_ = false;
  bool changed_ = false;
  bool may_read_ = false;
  std::uint64_t readings_ = 0;
  net::Timer again_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<xds::Transport>> NewFileTransport(net::Loop& loop,
                                                                 const config::PathSource& source,
                                                                 xds::ResourceType type) {
  auto transport = std::make_unique<FileTransport>(loop, source, type);
  if (absl::Status status = transport->Watch(); !status.ok()) return status;
  return transport;
}

}  // namespace sluice::server
