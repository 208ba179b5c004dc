#pragma once
// Renders compiled command operators (config/format.h) over what is known of an exchange: text and
// JSON access logs, header values, local replies. envoy-behaviour.md 2.10. Any thread; no I/O.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/clock.h"
#include "config/format.h"
#include "observe/stream_info.h"

namespace sluice::observe {

struct RenderOptions {
  base::WallTime now;              // %EMIT_TIME%.
  bool omit_empty_values = false;  // Missing values: "" instead of "-"; JSON members left out.
  // Values as a text log needs them: control bytes, quotes, backslashes and what is not ASCII
  // become
  // \xNN, so that no request can forge a field or a line. Literals are the operator's, and stay.
  bool escape = false;
  std::string_view access_log_type = "NotSet";
};

// Appends to `out`.
void Render(const config::Format& format, const StreamInfo& info, const RenderOptions& options,
            std::string& out);

// Appends one JSON value. A leaf of a single operator keeps its type, and is null when missing.
void RenderJson(const config::JsonFormat& format, const StreamInfo& info,
                const RenderOptions& options, std::string& out);

// The body of a response made here, from %LOCAL_REPLY_BODY% and the rest. Replaces `out`.
void RenderBody(const config::BodyFormat& format, const StreamInfo& info, base::WallTime now,
                std::string& out);
std::string_view ContentTypeOf(const config::BodyFormat& format);

// For header additions: missing values are empty. Replaces `out`; false, and the addition must be
// dropped, when the value could not stand in a header (a control byte: request splitting).
bool RenderHeaderValue(const config::Format& format, const StreamInfo& info, base::WallTime now,
                       std::string& out);

// What an operator gives before it is laid out.
struct OperatorValue {
  enum class Kind : std::uint8_t { kMissing, kText, kNumber };
  Kind kind = Kind::kMissing;
  std::string_view text;     // kText; into the exchange or into the scratch string.
  std::uint64_t number = 0;  // kNumber.
};

// The table behind Render (format_values.cc). `scratch` may back the result.
OperatorValue ValueOf(const config::FormatItem& item, const StreamInfo& info,
                      const RenderOptions& options, std::string& scratch);

// Faster than Address::ToString for IPv4, and without allocation.
void AppendIp(const base::Address& address, std::string& out);
void AppendAddress(const base::Address& address, std::string& out);

// Canonical gRPC status for an HTTP status that carried none.
std::uint32_t GrpcStatusOfHttp(int status);

}  // namespace sluice::observe
