#include "observe/access_log.h"

#include <algorithm>
#include <chrono>

#include "observe/format.h"

namespace sluice::observe {
namespace {

// A URL or header of megabytes must not fill the ring by itself.
constexpr std::size_t kRecordBytesMax = 64 * 1024;
// Of open files that a worker holds; a file closed too early is opened again by its next record.
constexpr std::size_t kFilesMax = 64;
constexpr std::chrono::minutes kUnusedFor{10};

bool Compares(config::AccessLogFilter::Compare compare, std::uint64_t left, std::uint64_t right) {
  using Compare = config::AccessLogFilter::Compare;
  switch (compare) {
    case Compare::kEq:
      return left == right;
    case Compare::kGe:
      return left >= right;
    case Compare::kLe:
      return left <= right;
    case Compare::kNe:
      return left != right;
  }
  return false;
}

std::uint64_t DurationMs(const StreamInfo& info) {
  if (info.end <= info.start) return 0;
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(info.end - info.start).count());
}

}  // namespace

bool Passes(const config::AccessLogFilter& filter, const StreamInfo& info, unsigned worker) {
  using Kind = config::AccessLogFilter::Kind;
  const auto passes = [&](const config::AccessLogFilter& child) {
    return Passes(child, info, worker);
  };
  switch (filter.kind) {
    case Kind::kStatus:
      return Compares(filter.compare, static_cast<std::uint64_t>(info.response_code), filter.value);
    case Kind::kDuration:
      return Compares(filter.compare, DurationMs(info), filter.value);
    case Kind::kHeader:
      return filter.header.has_value() && info.request != nullptr &&
             filter.header->Matches(*info.request, worker);
    case Kind::kResponseFlags:
      return filter.flags == 0 ? info.flags != 0 : (info.flags & filter.flags) != 0;
    case Kind::kAnd:
      return std::ranges::all_of(filter.children, passes);
    case Kind::kOr:
      return std::ranges::any_of(filter.children, passes);
  }
  return false;
}

AccessLogger::AccessLogger(const Worker& worker) : worker_(worker) {}

AccessLogger::~AccessLogger() {
  for (const OpenFile& file : files_) worker_.writer.CloseSink(file.sink);
}

std::uint32_t AccessLogger::SinkOf(const config::AccessLog& log, base::WallTime now) {
  for (OpenFile& file : files_) {
    if (file.kind != log.sink || file.path != log.path) continue;
    file.used = now;
    return file.sink;
  }
  // A new file is the rare moment to let go of those that no configuration uses any more.
  std::erase_if(files_, [&](const OpenFile& file) {
    const bool unused = now - file.used > kUnusedFor || files_.size() >= kFilesMax;
    if (unused) worker_.writer.CloseSink(file.sink);
    return unused;
  });
  files_.push_back({log.sink, log.path, worker_.writer.OpenSink(log), now});
  return files_.back().sink;
}

void AccessLogger::Log(const config::AccessLog& log, const StreamInfo& info) {
  if (log.filter.has_value() && !Passes(*log.filter, info, worker_.index)) return;
  record_.clear();
  RenderOptions options;
  options.now = worker_.clock.WallNow();
  options.omit_empty_values = log.omit_empty_values;
  options.access_log_type = "DownstreamEnd";
  if (log.json.has_value()) {
    RenderJson(*log.json, info, options, record_);
    record_ += '\n';
  } else {
    options.escape = true;
    Render(log.format, info, options, record_);
  }
  if (record_.size() > kRecordBytesMax) {
    if (log.json.has_value()) {  // Half an object is no JSON.
      worker_.stats.access_log_dropped.Add();
      return;
    }
    record_.resize(kRecordBytesMax - 1);
    record_ += '\n';
  }
  if (worker_.writer.Push(worker_.producer, SinkOf(log, options.now), record_)) {
    worker_.stats.access_log_written.Add();
  } else {
    worker_.stats.access_log_dropped.Add();
  }
}

}  // namespace sluice::observe
