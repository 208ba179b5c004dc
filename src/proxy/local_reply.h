#pragma once
// Responses made here: from a failure, a redirect, a direct response or a filter.
// envoy-behaviour.md 2.8. Pure functions over values; worker's thread.

#include <string>
#include <string_view>

#include "filters/filter.h"
#include "http/head.h"
#include "observe/stream_info.h"
#include "proxy/failure.h"

namespace sluice::proxy {

struct FailureContext {
  std::string_view transport_failure;  // Of the last try; "": none.
  bool request_complete = true;
  bool replayed = false;
  int cluster_not_found_status = 503;
};

// Fills `reply` with what Describe() says, in Envoy's words. status 0: nothing to answer.
void FailureToReply(FailureKind kind, const FailureContext& context, filters::LocalReply& reply);

// Of a body of ours when nobody said otherwise.
inline constexpr std::string_view kDefaultContentType = "text/plain";

// RESPONSE_CODE_DETAILS of a response that broke off behind its head; "" if the kind has its own.
std::string DetailsBehindHead(FailureKind kind);

// What local_reply_config makes of `reply`. Sets what formats ask for in `info`.
void MapReply(const config::LocalReplyConfig& config, base::WallTime now, unsigned worker,
              observe::StreamInfo& info, filters::LocalReply& reply);

// Turns `reply` into a response head; `body` is what is to be sent behind it. gRPC requests get
// their status in fields and an empty body. The head announces the body also to HEAD.
void ReplyToHead(const filters::LocalReply& reply, const http::RequestHead& request,
                 http::ResponseHead& head, std::string_view& body);

}  // namespace sluice::proxy
