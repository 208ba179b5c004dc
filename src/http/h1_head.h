#pragma once
// One line of an HTTP/1 head at a time, into values. RFC 9112 sections 3 to 5.
//
// Lines come without their CRLF and hold no LF. Pure functions, any thread.

#include <string_view>

#include "http/h1_framing.h"
#include "http/head.h"

namespace sluice::http {

// Fills version, method, method_text, path and, from absolute and authority form, authority.
H1Rule ReadRequestLine(std::string_view line, const H1Limits& limits, RequestHead& head);
// Fills version and status.
H1Rule ReadStatusLine(std::string_view line, ResponseHead& head);

struct FieldLine {
  Name id = Name::kOther;
  std::string_view name;   // As received: any case.
  std::string_view raw;    // Everything behind the colon.
  std::string_view value;  // Without the white space around it.
};
H1Rule ReadFieldLine(std::string_view line, FieldLine& field);

}  // namespace sluice::http
