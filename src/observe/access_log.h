#pragma once
// The access log of one worker: decides by a log's filter, renders the line, hands it to the log
// thread.

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "config/access_log.h"
#include "observe/log_writer.h"
#include "observe/stats.h"
#include "observe/stream_info.h"

namespace sluice::observe {

// Owned by a worker, used by it only.
class AccessLogger {
 public:
  // Who logs. All must outlive the logger.
  struct Worker {
    LogWriter& writer;
    unsigned producer;  // LogWriter::AddProducer() of this worker.
    const base::Clock& clock;
    unsigned index;      // For regex matchers.
    WorkerStats& stats;  // access_log_written, access_log_dropped.
  };

  explicit AccessLogger(const Worker& worker);
  ~AccessLogger();
  AccessLogger(const AccessLogger&) = delete;
  AccessLogger& operator=(const AccessLogger&) = delete;

  // Never blocks; a record that finds no room is counted and gone. `log` is looked at during the
  // call only; its file is known by its path, and closed when it has not been written for long.
  void Log(const config::AccessLog& log, const StreamInfo& info);

 private:
  struct OpenFile {
    config::AccessLog::Sink kind;
    std::string path;
    std::uint32_t sink;
    base::WallTime used;
  };
  std::uint32_t SinkOf(const config::AccessLog& log, base::WallTime now);

  const Worker worker_;
  std::vector<OpenFile> files_;  // Few.
  std::string record_;           // Keeps its capacity.
};

// Also for mappers of local replies. `worker`: see config::HeaderMatcher::Matches.
bool Passes(const config::AccessLogFilter& filter, const StreamInfo& info, unsigned worker);

}  // namespace sluice::observe
