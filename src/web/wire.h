#pragma once
// Pure pieces of a WebServer's connection: targets into requests, responses into heads.

#include <string>
#include <string_view>

#include "web/message.h"

namespace sluice::web {

// Fills path, raw_path and query; false when `target` is not an origin-form we take.
bool ParseTarget(std::string_view target, WebRequest& request);

struct HeadOptions {
  bool keep_alive = false;
  bool http_1_0 = false;
};

// The response's head with its empty line. Control bytes of names and values become spaces, so no
// text, however it came about, splits a response.
std::string ResponseHead(const WebResponse& response, const HeadOptions& options);

// `bytes` as one chunk of a chunked body, into `framed`.
void FrameChunk(std::string_view bytes, std::string& framed);

}  // namespace sluice::web
