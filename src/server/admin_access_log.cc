#include "server/admin_access_log.h"

#include "base/strings.h"

namespace sluice::server {
namespace {

http::RequestHead HeadOf(const web::WebRequest& request) {
  http::RequestHead head;
  head.method_text = request.is_head ? "HEAD" : request.method;
  head.method = http::FindMethod(head.method_text);
  head.scheme = "http";
  head.path = request.raw_path;
  for (std::size_t i = 0; i < request.query.size(); ++i) {
    const auto& [name, value] = request.query[i];
    base::Append(head.path, i == 0 ? "?" : "&", web::PercentEncode(name));
    if (!value.empty()) base::Append(head.path, "=", web::PercentEncode(value));
  }
  for (const web::WebHeader& header : request.headers) {
    if (base::EqualsIgnoreCase(header.name, "host")) {
      head.authority = header.value;
    } else if (!base::EqualsIgnoreCase(header.name, "authorization")) {  // Holds the token.
      head.fields.Add(header.name, header.value);
    }
  }
  return head;
}

}  // namespace

// Logs when it is destroyed.
struct AdminAccessLog::Record {
  Record(AdminAccessLog& owner, const web::WebRequest& request)
      : log(owner), head(HeadOf(request)), remote(request.remote) {
    info.direct_remote = &remote;
    info.request = &head;
    info.bytes_received = request.body.size();
    info.start_wall = log.sources_.clock.WallNow();
    info.start = info.request_end = log.sources_.clock.Now();
  }
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;
  ~Record() {
    info.end = log.sources_.clock.Now();
    response.status = info.response_code;
    info.response = &response;
    for (const config::AccessLog& each : log.sources_.bootstrap.admin_access_logs) {
      log.logger_.Log(each, info);
    }
  }

  AdminAccessLog& log;
  http::RequestHead head;
  http::ResponseHead response;
  base::Address remote;
  observe::StreamInfo info;
};

AdminAccessLog::AdminAccessLog(AdminSources& sources)
    : sources_(sources),
      logger_(
          {sources.log_writer, sources.log_writer.AddProducer(), sources.clock,
           config::Regex::kNoWorker,
           sources.registry.Get<observe::WorkerStats>(observe::Scope::kWorker, "", kAdminOwner)}) {}

web::WebResponse AdminAccessLog::Logged(const web::WebRequest& request,
                                        web::WebResponse (*handler)(AdminSources&,
                                                                    const web::WebRequest&)) {
  auto record = std::make_shared<Record>(*this, request);
  web::WebResponse response = handler(sources_, request);
  record->info.response_code = static_cast<int>(response.status);
  record->info.response_code_details = "admin";
  if (!response.chunks) {
    if (!request.is_head) record->info.bytes_sent = response.body.size();
    return response;
  }
  response.chunks = [record = std::move(record),
                     inner = std::move(response.chunks)](std::string& chunk) mutable {
    const bool more = inner(chunk);
    record->info.bytes_sent += chunk.size();
    return more;
  };
  return response;
}

}  // namespace sluice::server
