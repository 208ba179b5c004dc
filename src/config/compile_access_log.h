#pragma once
// Access loggers and their filters: proto to value. Config thread.

#include <string_view>
#include <vector>

#include "config/access_log.h"

namespace google::protobuf {
class Any;
template <typename Element>
class RepeatedPtrField;
}  // namespace google::protobuf
namespace envoy::config::accesslog::v3 {
class AccessLog;
class AccessLogFilter;
}  // namespace envoy::config::accesslog::v3
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct CompileOptions;

// A whole `access_log` list; errors are scoped "access_log[i]". The fields of the messages must
// have been checked (CheckMessage) by the caller, those inside Any are checked here.
std::vector<AccessLog> CompileAccessLogs(
    const google::protobuf::RepeatedPtrField<envoy::config::accesslog::v3::AccessLog>& protos,
    const CompileOptions& options, base::FieldErrors& errors);

// Also for mappers of local replies.
AccessLogFilter CompileAccessLogFilter(const envoy::config::accesslog::v3::AccessLogFilter& proto,
                                       base::FieldErrors& errors);

// A file with the default format; /dev/stdout and /dev/stderr are the process's own streams.
AccessLog DefaultFileAccessLog(std::string_view path, base::FieldErrors& errors);

// The short names of response flags in the order of observe::ResponseFlag: bit i is name i.
std::vector<std::string_view> ResponseFlagNames();

// Rows of the extension table.
void CompileFileAccessLog(const google::protobuf::Any& any, const CompileOptions& options,
                          AccessLog& log, base::FieldErrors& errors);
void CompileStdoutAccessLog(const google::protobuf::Any& any, const CompileOptions& options,
                            AccessLog& log, base::FieldErrors& errors);
void CompileStderrAccessLog(const google::protobuf::Any& any, const CompileOptions& options,
                            AccessLog& log, base::FieldErrors& errors);

}  // namespace sluice::config
