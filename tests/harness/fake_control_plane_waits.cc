// What tests wait for: answers and subscriptions.
#include <gtest/gtest.h>

#include "base/strings.h"
#include "harness/fake_control_plane.h"

namespace sluice::harness {

const SeenRequest* FakeControlPlane::AnswerTo(std::string_view type) const {
  const auto it = resources_.find(type);
  if (it == resources_.end()) return nullptr;
  const std::string version = base::Cat(it->second.version);
  for (auto seen = seen_.rbegin(); seen != seen_.rend(); ++seen) {
    if (seen->type != type || seen->nonce.empty()) continue;
    const auto sent = version_of_nonce_.find(seen->nonce);
    if (sent != version_of_nonce_.end() && sent->second == version) return &*seen;
  }
  return nullptr;
}

bool FakeControlPlane::WaitForAck(std::string_view type) {
  std::string error;
  const bool answered = Eventually([&] {
    const std::lock_guard lock(mutex_);
    const SeenRequest* answer = AnswerTo(type);
    if (answer == nullptr) return false;
    error = answer->error;
    return true;
  });
  EXPECT_TRUE(answered) << "no answer to the newest " << type;
  EXPECT_EQ(error, "");
  return answered && error.empty();
}

std::string FakeControlPlane::WaitForNack(std::string_view type) {
  std::string error;
  EXPECT_TRUE(Eventually([&] {
    const std::lock_guard lock(mutex_);
    const SeenRequest* answer = AnswerTo(type);
    if (answer == nullptr) return false;
    error = answer->error;
    return true;
  })) << "no answer to the newest "
      << type;
  return error;
}

bool FakeControlPlane::WaitForSubscription(std::string_view type) {
  return Eventually([&] {
    const std::lock_guard lock(mutex_);
    for (const SeenRequest& each : seen_) {
      if (each.type == type) return true;
    }
    return false;
  });
}

}  // namespace sluice::harness
