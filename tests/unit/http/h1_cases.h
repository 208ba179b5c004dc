#pragma once
// The tables of HTTP/1 messages that the codec's tests share.

#include <span>
#include <string_view>

#include "http/h1_framing.h"
#include "http/head.h"

namespace sluice::http {

// Input that must be refused, and by which rule. It is the first message of its connection.
struct H1Attack {
  std::string_view name;
  std::string_view input;
  H1Rule rule;
  Method method = Method::kGet;  // Of the request a response answers.
};

// Input that must be understood; `want` is H1Drive's text, without end of connection.
struct H1Good {
  std::string_view name;
  std::string_view input;
  std::string_view want;
  Method method = Method::kGet;
};

std::span<const H1Attack> RequestAttacks();
std::span<const H1Attack> ResponseAttacks();
std::span<const H1Good> GoodRequests();
std::span<const H1Good> GoodResponses();

}  // namespace sluice::http
