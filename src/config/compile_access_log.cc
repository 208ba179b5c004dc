#include "config/compile_access_log.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile.h"
#include "config/compile_format.h"
#include "config/compile_matchers.h"
#include "config/data_source.h"
#include "config/extensions.h"
#include "config/format.h"
#include "config/proto_values.h"
#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/access_loggers/stream/v3/stream.pb.h"
#include "google/protobuf/struct.pb.h"

namespace sluice::config {
namespace {

namespace accesslogv3 = envoy::config::accesslog::v3;
namespace corev3 = envoy::config::core::v3;
using google::protobuf::Struct;

// Filters are looked at by recursion: a bound on the worker's stack.
constexpr int kDepthMax = 16;
constexpr std::size_t kFormatBytesMax = 64 * 1024;  // Of a format read from elsewhere.

constexpr std::array<std::string_view, 30> kFlagNames = {
    "LH",   "UH",   "UT",   "LR",   "UR", "UF",  "UC", "UO", "NR",  "DI",
    "FI",   "RL",   "UAEX", "RLSE", "DC", "URX", "SI", "IH", "DPE", "UMSDR",
    "RFCF", "NFCF", "DT",   "UPE",  "NC", "OM",  "DF", "DO", "DR",  "UDO"};

// ---- formats
// -------------------------------------------------------------------------------------

void CompileText(std::string_view field, const std::string& text, AccessLog& log,
                 base::FieldErrors& errors) {
  const base::FieldErrors::Scope scope(errors, field);
  if (text.empty()) {
    errors.Add("empty; write a format that ends with \\n, or leave it out for the default");
    return;
  }
  log.format = CompileFormat(text, errors);
}

void CompileTextSource(const corev3::DataSource& source, AccessLog& log,
                       base::FieldErrors& errors) {
  std::optional<std::string> text;
  {
    const base::FieldErrors::Scope scope(errors, "text_format_source");
    text = ReadDataSource(source, kFormatBytesMax, errors);
  }
  if (text) CompileText("text_format_source", *text, log, errors);
}

void CompileJson(std::string_view field, const Struct& proto, JsonLeaves leaves, AccessLog& log,
                 base::FieldErrors& errors) {
  const base::FieldErrors::Scope scope(errors, field);
  log.json = CompileJsonFormat(proto, leaves, errors);
}

void CompileDefault(AccessLog& log, base::FieldErrors& errors) {
  log.format = CompileFormat(DefaultAccessLogFormat(), errors);
}

void CompileLogFormat(const corev3::SubstitutionFormatString& proto, AccessLog& log,
                      base::FieldErrors& errors) {
  const base::FieldErrors::Scope scope(errors, "log_format");
  log.omit_empty_values = proto.omit_empty_values();
  switch (proto.format_case()) {
    case corev3::SubstitutionFormatString::kTextFormat:
      CompileText("text_format", proto.text_format(), log, errors);
      return;
    case corev3::SubstitutionFormatString::kJsonFormat:
      CompileJson("json_format", proto.json_format(), JsonLeaves::kTyped, log, errors);
      return;
    case corev3::SubstitutionFormatString::kTextFormatSource:
      CompileTextSource(proto.text_format_source(), log, errors);
      return;
    case corev3::SubstitutionFormatString::FORMAT_NOT_SET:
      errors.Add("no format; write text_format or json_format");
      return;
  }
}

// ---- filters
// -------------------------------------------------------------------------------------

class FilterCompiler {
 public:
  explicit FilterCompiler(base::FieldErrors& errors) : errors_(errors) {}

  AccessLogFilter Compile(const accesslogv3::AccessLogFilter& proto, int depth) {
    AccessLogFilter out;
    if (depth > kDepthMax) {
      errors_.Add(base::Cat("nested more than ", kDepthMax,
                            " deep; use fewer and_filter and "
                            "or_filter inside each other"));
      return out;
    }
    switch (proto.filter_specifier_case()) {
      case accesslogv3::AccessLogFilter::kStatusCodeFilter:
        out.kind = AccessLogFilter::Kind::kStatus;
        CompileComparison("status_code_filter", proto.status_code_filter(), out);
        break;
      case accesslogv3::AccessLogFilter::kDurationFilter:
        out.kind = AccessLogFilter::Kind::kDuration;
        CompileComparison("duration_filter", proto.duration_filter(), out);
        break;
      case accesslogv3::AccessLogFilter::kHeaderFilter:
        CompileHeader(proto, out);
        break;
      case accesslogv3::AccessLogFilter::kResponseFlagFilter:
        CompileFlags(proto.response_flag_filter(), out);
        break;
      case accesslogv3::AccessLogFilter::kAndFilter:
        out.kind = AccessLogFilter::Kind::kAnd;
        CompileChildren("and_filter", proto.and_filter(), depth, out);
        break;
      case accesslogv3::AccessLogFilter::kOrFilter:
        out.kind = AccessLogFilter::Kind::kOr;
        CompileChildren("or_filter", proto.or_filter(), depth, out);
        break;
      case accesslogv3::AccessLogFilter::FILTER_SPECIFIER_NOT_SET:
        errors_.Add(
            "empty; write status_code_filter, duration_filter, header_filter, "
            "response_flag_filter, and_filter or or_filter, or leave filter out");
        break;
      default:
        break;  // Refused by the field policy.
    }
    return out;
  }

 private:
  template <typename Filter>
  void CompileComparison(std::string_view field, const Filter& proto, AccessLogFilter& out) {
    const base::FieldErrors::Scope scope(errors_, field);
    const base::FieldErrors::Scope comparison(errors_, "comparison");
    if (!proto.has_comparison() || !proto.comparison().has_value()) {
      errors_.Add("needed; write {op: GE, value: {default_value: 400, runtime_key: any}}");
      return;
    }
    out.value = proto.comparison().value().default_value();
    switch (proto.comparison().op()) {
      case accesslogv3::ComparisonFilter::EQ:
        out.compare = AccessLogFilter::Compare::kEq;
        break;
      case accesslogv3::ComparisonFilter::GE:
        out.compare = AccessLogFilter::Compare::kGe;
        break;
      case accesslogv3::ComparisonFilter::LE:
        out.compare = AccessLogFilter::Compare::kLe;
        break;
      case accesslogv3::ComparisonFilter::NE:
        out.compare = AccessLogFilter::Compare::kNe;
        break;
      default:
        break;  // Refused by the field policy.
    }
  }

  void CompileHeader(const accesslogv3::AccessLogFilter& proto, AccessLogFilter& out) {
    out.kind = AccessLogFilter::Kind::kHeader;
    const base::FieldErrors::Scope scope(errors_, "header_filter");
    const base::FieldErrors::Scope header(errors_, "header");
    out.header = CompileHeaderMatcher(proto.header_filter().header(), errors_);
  }

  void CompileFlags(const accesslogv3::ResponseFlagFilter& proto, AccessLogFilter& out) {
    out.kind = AccessLogFilter::Kind::kResponseFlags;
    const base::FieldErrors::Scope scope(errors_, "response_flag_filter");
    for (int i = 0; i < proto.flags_size(); ++i) {
      const auto* const it = std::find(kFlagNames.begin(), kFlagNames.end(), proto.flags(i));
      if (it == kFlagNames.end()) {
        errors_.AddAt(base::Cat("flags[", i, "]"),
                      base::Cat("'", base::Printable(proto.flags(i)),
                                "' is no response flag; write a short name, as UF or DC"));
        continue;
      }
      out.flags |= std::uint64_t{1} << static_cast<unsigned>(it - kFlagNames.begin());
    }
  }

  template <typename Filter>
  void CompileChildren(std::string_view field, const Filter& proto, int depth,
                       AccessLogFilter& out) {
    const base::FieldErrors::Scope scope(errors_, field);
    if (proto.filters_size() < 2) errors_.AddAt("filters", "write at least two filters");
    for (int i = 0; i < proto.filters_size(); ++i) {
      const base::FieldErrors::Scope child(errors_, "filters", static_cast<std::size_t>(i));
      out.children.push_back(Compile(proto.filters(i), depth + 1));
    }
  }

  base::FieldErrors& errors_;
};

AccessLog CompileAccessLog(const accesslogv3::AccessLog& proto, const CompileOptions& options,
                           base::FieldErrors& errors) {
  AccessLog out;
  if (proto.has_filter()) {
    const base::FieldErrors::Scope scope(errors, "filter");
    out.filter = FilterCompiler(errors).Compile(proto.filter(), 0);
  }
  const Extension* extension =
      FindExtension(ExtensionCategory::kAccessLogger, proto.typed_config());
  const base::FieldErrors::Scope scope(errors, "typed_config");
  if (extension == nullptr) {
    AddUnknownExtension(ExtensionCategory::kAccessLogger, proto.name(), proto.typed_config(),
                        errors);
    return out;
  }
  std::get<CompileAccessLogger>(extension->compile)(proto.typed_config(), options, out, errors);
  return out;
}

void SetPath(std::string_view path, AccessLog& log, base::FieldErrors& errors) {
  if (path == "/dev/stdout") {
    log.sink = AccessLog::Sink::kStdout;
  } else if (path == "/dev/stderr") {
    log.sink = AccessLog::Sink::kStderr;
  } else {
    log.sink = AccessLog::Sink::kFile;
    log.path = path;
  }
  if (path.empty() || path.size() > 4095 || path.find('\0') != std::string_view::npos) {
    errors.AddAt("path", "needed; write a file's path, or /dev/stdout");
  }
}

}  // namespace

AccessLogFilter CompileAccessLogFilter(const accesslogv3::AccessLogFilter& proto,
                                       base::FieldErrors& errors) {
  return FilterCompiler(errors).Compile(proto, 0);
}

std::vector<std::string_view> ResponseFlagNames() { return {kFlagNames.begin(), kFlagNames.end()}; }

std::vector<AccessLog> CompileAccessLogs(
    const google::protobuf::RepeatedPtrField<accesslogv3::AccessLog>& protos,
    const CompileOptions& options, base::FieldErrors& errors) {
  std::vector<AccessLog> out;
  for (int i = 0; i < protos.size(); ++i) {
    const base::FieldErrors::Scope scope(errors, "access_log", static_cast<std::size_t>(i));
    out.push_back(CompileAccessLog(protos.Get(i), options, errors));
  }
  return out;
}

AccessLog DefaultFileAccessLog(std::string_view path, base::FieldErrors& errors) {
  AccessLog out;
  SetPath(path, out, errors);
  CompileDefault(out, errors);
  return out;
}

void CompileFileAccessLog(const google::protobuf::Any& any, const CompileOptions& options,
                          AccessLog& log, base::FieldErrors& errors) {
  using envoy::extensions::access_loggers::file::v3::FileAccessLog;
  FileAccessLog proto;
  if (!UnpackAny(any, options, proto, errors)) return;
  SetPath(proto.path(), log, errors);
  switch (proto.access_log_format_case()) {
    case FileAccessLog::kFormat:
      CompileText("format", proto.format(), log, errors);
      return;
    case FileAccessLog::kJsonFormat:
      CompileJson("json_format", proto.json_format(), JsonLeaves::kStrings, log, errors);
      return;
    case FileAccessLog::kTypedJsonFormat:
      CompileJson("typed_json_format", proto.typed_json_format(), JsonLeaves::kTyped, log, errors);
      return;
    case FileAccessLog::kLogFormat:
      CompileLogFormat(proto.log_format(), log, errors);
      return;
    case FileAccessLog::ACCESS_LOG_FORMAT_NOT_SET:
      CompileDefault(log, errors);
      return;
  }
}

void CompileStdoutAccessLog(const google::protobuf::Any& any, const CompileOptions& options,
                            AccessLog& log, base::FieldErrors& errors) {
  envoy::extensions::access_loggers::stream::v3::StdoutAccessLog proto;
  if (!UnpackAny(any, options, proto, errors)) return;
  log.sink = AccessLog::Sink::kStdout;
  if (proto.has_log_format()) {
    CompileLogFormat(proto.log_format(), log, errors);
  } else {
    CompileDefault(log, errors);
  }
}

void CompileStderrAccessLog(const google::protobuf::Any& any, const CompileOptions& options,
                            AccessLog& log, base::FieldErrors& errors) {
  envoy::extensions::access_loggers::stream::v3::StderrAccessLog proto;
  if (!UnpackAny(any, options, proto, errors)) return;
  log.sink = AccessLog::Sink::kStderr;
  if (proto.has_log_format()) {
    CompileLogFormat(proto.log_format(), log, errors);
  } else {
    CompileDefault(log, errors);
  }
}

}  // namespace sluice::config
