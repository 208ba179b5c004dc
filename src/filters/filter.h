#pragma once
// The HTTP filter interface. Decisions 6.
//
// Worker's thread. A filter is made per exchange and dies with it; configuration it refers to is
// pinned by the exchange, until the response head is out: keep none of it beyond OnResponseHead.
// Filters never block and never await: they Pause and are Resumed. A filter may see a response
// without having seen its request, when one in front of it replied.
//
// A body ends with a call that says End::kYes (often with an empty piece), or with the trailers.

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "config/listener.h"
#include "http/head.h"
#include "observe/stream_info.h"

namespace sluice::filters {

enum class Verdict : std::uint8_t {
  kContinue,
  kPause,  // This direction only: the exchange stops reading it and awaits one Resume().
  kReply,  // Request side, or response side before the head went out: Context::reply is filled.
};

enum class End : bool { kNo, kYes };  // kYes: nothing of this message follows.

// A response made here instead of upstream.
struct LocalReply {
  int status = 0;
  std::string body;
  std::string details;  // RESPONSE_CODE_DETAILS
  http::Fields fields;  // Added to the reply.
  observe::ResponseFlags flags = 0;
  std::optional<std::uint32_t> grpc_status;  // Else what `status` maps to.
};

// A body piece on its way. A filter may edit, empty or grow it (grown ones up to `bytes_max`).
class Body {
 public:
  explicit Body(std::string_view data) : view_(data) {}
  std::string_view data() const { return owned_ ? std::string_view(storage_) : view_; }
  // Replaces the piece; `data` is copied.
  void Assign(std::string_view data) {
    storage_.assign(data);
    owned_ = true;
  }
  bool edited() const { return owned_; }

 private:
  std::string_view view_;
  std::string storage_;
  bool owned_ = false;
};

// Whether, how and why the exchange ended.
struct Outcome {
  const observe::StreamInfo& info;
  bool complete;  // A whole response was delivered.
};

// A call out of a filter (ext_authz and friends): handed in by the exchange; completes later on the
// same thread, or never after the exchange is gone.
struct SideCallResult {
  int status = 0;  // 0: failed.
  http::Fields fields;
  std::string body;
};
using SideCallDone = void (*)(void* owner, SideCallResult& result);

// What a filter may ask of its exchange.
class Context {
 public:
  virtual ~Context() = default;
  virtual const config::RouteTable* route_table() const = 0;
  virtual const config::VirtualHost* virtual_host() const = 0;
  virtual const config::Route* route() const = 0;
  // Per-filter configuration of the most specific level for this filter's name, or null.
  virtual const config::PerFilterConfig* per_filter(std::string_view filter_name) const = 0;
  // The same of each level, null where there is none: weighted cluster, route, virtual host, table.
  virtual std::array<const config::PerFilterConfig*, 4> per_filter_levels(
      std::string_view filter_name) const = 0;
  // What the levels say about whether the filter is in the chain; unset: nothing.
  virtual std::optional<bool> filter_disabled(std::string_view filter_name) const = 0;
  virtual const config::Runtime* runtime() const = 0;  // Null: no layer has a value.
  // The route is chosen anew before the router runs.
  virtual void ClearRoute() = 0;
  virtual observe::StreamInfo& info() = 0;
  virtual base::Random& random() = 0;
  virtual unsigned worker() const = 0;
  virtual base::WallTime now() const = 0;
  virtual LocalReply& reply() = 0;
  // Ends one kPause of that direction. A reply() filled in before makes it a kReply.
  virtual void ResumeRequest() = 0;
  virtual void ResumeResponse() = 0;
  // Changed content: the framing becomes chunked (or Content-Length when known at End).
  virtual void RequestLengthChanges() = 0;
  virtual void ResponseLengthChanges() = 0;
};

class Filter {
 public:
  virtual ~Filter() = default;
  virtual Verdict OnRequestHead(http::RequestHead& head, End end) = 0;
  virtual Verdict OnRequestBody(Body& body, End end) = 0;
  virtual Verdict OnRequestTrailers(http::Fields& trailers) = 0;
  virtual Verdict OnResponseHead(http::ResponseHead& head, End end) = 0;
  virtual Verdict OnResponseBody(Body& body, End end) = 0;
  virtual Verdict OnResponseTrailers(http::Fields& trailers) = 0;
  virtual void OnDone(const Outcome& outcome) noexcept = 0;
};

}  // namespace sluice::filters
