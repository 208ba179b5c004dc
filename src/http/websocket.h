#pragma once
// The handshake of WebSocket over HTTP/1, for a side of the proxy that speaks HTTP/2 and has none
// (RFC 6455 section 4.2.2, RFC 8441 section 5). Pure.

#include <string>
#include <string_view>

namespace sluice::http {

// Sec-WebSocket-Accept for the client's Sec-WebSocket-Key.
std::string WebSocketAccept(std::string_view key);

}  // namespace sluice::http
