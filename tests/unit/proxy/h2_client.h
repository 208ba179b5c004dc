#pragma once
// An HTTP/2 client of the proxy in memory: our own session in the client's role on a Peer.

#include <memory>
#include <string>
#include <string_view>

#include "proxy_fixture.h"
#include "tests/unit/http/h2_drive.h"

namespace sluice::proxy {

class H2Client {
 public:
  explicit H2Client(ProxyFixture& fixture, const http::H2Options& options = {})
      : fixture_(fixture),
        peer_(fixture.Connect()),
        drive_(http::H2Session::Role::kClient, options) {
    drive_.Stall();
    peer_->Send(drive_.sent());
    Settle();
  }

  // Until nothing moves in either direction.
  void Settle() {
    for (int i = 0; i < 1000; ++i) {
      Push();
      fixture_.Settle();
      const std::string received = peer_->TakeReceived();
      if (!received.empty()) drive_.Feed(received);
      if (received.empty() && drive_.session().pending().empty()) return;
    }
  }
  void Push() {
    const std::string bytes(drive_.session().pending());
    if (bytes.empty()) return;
    drive_.session().Sent(bytes.size());
    peer_->Send(bytes);
  }

  http::DrivenStream& Ask(std::string_view method, std::string_view path, bool end = true,
                          const http::FieldList& fields = {}) {
    http::RequestHead head;
    head.method = http::FindMethod(method);
    head.method_text = method;
    head.path = path;
    head.authority = "a.test";
    for (const auto& [name, value] : fields) head.fields.Add(name, value);
    http::DrivenStream& stream = drive_.NewStream();
    drive_.session().SendRequest(stream, head, end);
    Settle();
    return stream;
  }
  // An upgrade by extended CONNECT.
  http::DrivenStream& Upgrade(std::string_view protocol, std::string_view path) {
    http::RequestHead head;
    head.path = path;
    head.authority = "a.test";
    head.upgrade = true;
    head.fields.Add(http::Name::kUpgrade, protocol);
    http::DrivenStream& stream = drive_.NewStream();
    drive_.session().SendRequest(stream, head, false);
    Settle();
    return stream;
  }
  void SendRaw(std::string_view bytes) {
    peer_->Send(bytes);
    Settle();
  }

  http::H2Drive& drive() { return drive_; }
  http::H2Session& session() { return drive_.session(); }
  std::string Text() { return drive_.Text(); }
  bool Saw(std::string_view text) { return drive_.Text().find(text) != std::string::npos; }
  Peer& peer() { return *peer_; }

 private:
  ProxyFixture& fixture_;
  std::shared_ptr<Peer> peer_;
  http::H2Drive drive_;
};

}  // namespace sluice::proxy
