#pragma once
// A blocking TLS client over OpenSSL: one connection, HTTP/1.1 with content-length or nothing.
//
// One thread.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/certificates.h"
#include "harness/socket.h"

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

namespace sluice::harness {

struct TlsClientOptions {
  std::string sni = "";
  std::vector<std::string> alpn = {};
  int version_max = 0;       // 0: any; 0x0303: TLS 1.2.
  std::string ciphers = "";  // Of TLS 1.2.
  std::optional<Identity> identity = std::nullopt;
  ssl_session_st* session = nullptr;  // To resume; borrowed.
  bool ask_for_staple = false;
};

class TlsClient {
 public:
  TlsClient(std::uint16_t port, const TlsClientOptions& options = {});
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool shaken() const { return shaken_; }
  // The first DNS name of the server's certificate.
  std::string server_name() const;
  bool server_key_is_rsa() const;
  std::string version() const;
  std::string alpn() const;
  bool resumed() const;
  std::string staple() const;
  // "HTTP/1.1 200 OK...", through the body; "" when the connection broke.
  std::string Get(std::string_view path, std::string_view headers = "");
  // What TLS 1.3 gave after the first response. The caller frees it.
  ssl_session_st* TakeSession();

 private:
  Socket socket_;
  ssl_ctx_st* context_;
  ssl_st* ssl_;
  bool shaken_ = false;
};

}  // namespace sluice::harness
