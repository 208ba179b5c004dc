#pragma once
// A route with a retry policy, and upstreams that answer by script.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "proxy/retry.h"
#include "serve_fixture.h"

namespace sluice::proxy {

inline constexpr std::string_view k503 =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nbad";

class RetryPolicy : public Serve {
 protected:
  RetryPolicy() { policy_.retry.emplace(); }

  config::RetryPolicy& retry() { return *policy_.retry; }
  void RetryOn(std::string_view conditions, std::uint32_t retries) {
    retry().on = config::ParseRetryOn(conditions);
    retry().retries_max = retries;
  }
  void Publish() {
    auto& forward = std::get<config::ForwardAction>(fixture_.host().routes.back().action);
    forward.tries = config::SharedTryPolicy(policy_);
    fixture_.Publish();
  }
  // The nth whole request that any upstream got is answered with the nth of `answers`; the last one
  // answers all that follow. "" closes the connection, "-" says nothing.
  void Answer(std::vector<std::string> answers) {
    answers_ = std::move(answers);
    fixture_.on_turn = [this] {
      for (const auto& peer : fixture_.upstreams()) {
        if (!Whole(peer->received())) continue;
        const std::string& answer = answers_[std::min(seen_.size(), answers_.size() - 1)];
        seen_.push_back(peer->TakeReceived());
        if (answer.empty()) {
          peer->Close();
        } else if (answer != "-") {
          peer->Send(answer);
        }
      }
    };
  }
  // Back-offs are over.
  void Wait() {
    for (int i = 0; i < 8; ++i) fixture_.Pass(250);
  }
  observe::ClusterStats& stats() { return fixture_.cluster_stats(); }

  static bool Whole(const std::string& request) {
    const std::size_t head = request.find("\r\n\r\n");
    if (head == std::string::npos) return false;
    if (request.find("transfer-encoding: chunked") != std::string::npos) {
      const std::size_t last = request.find("\r\n0\r\n", head);
      return last != std::string::npos && request.ends_with("\r\n\r\n");
    }
    const std::size_t at = request.find("content-length: ");
    if (at == std::string::npos) return true;
    return request.size() == head + 4 + std::stoul(request.substr(at + 16));
  }
  static std::string BodyOf(const std::string& request) {
    return request.substr(request.find("\r\n\r\n") + 4);
  }

  config::TryPolicy policy_;
  std::vector<std::string> answers_;
  std::vector<std::string> seen_;
};

#define RESPONSE(line, fields) "HTTP/1.1 " line "\r\nContent-Length: 0\r\n" fields "\r\n"

}  // namespace sluice::proxy
