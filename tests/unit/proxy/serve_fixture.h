#pragma once
// One listener with two routes: /direct, answered here, and / to the cluster.

#include <gtest/gtest.h>

#include "base/strings.h"
#include "proxy_fixture.h"

namespace sluice::proxy {

inline constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

class Serve : public testing::Test {
 protected:
  Serve() {
    config::Route& direct = fixture_.AddRoute("/direct");
    direct.action = config::DirectResponse{200, "fine\n", {}};
    fixture_.AddRoute("/");
  }
  // Answers every request head that an upstream receives.
  void AnswerAll(std::string_view response = kOk) {
    fixture_.on_turn = [this, response] {
      for (const auto& upstream : fixture_.upstreams()) {
        if (upstream->received().find("\r\n\r\n") != std::string::npos) {
          last_request_ = upstream->TakeReceived();
          upstream->Send(response);
        }
      }
    };
  }
  Peer& upstream(std::size_t i = 0) { return *fixture_.upstreams().at(i); }

  ProxyFixture fixture_;
  std::string last_request_;
};

}  // namespace sluice::proxy
