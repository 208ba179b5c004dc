#pragma once
// worker: a retry in flight, counted against the cluster's max_retries or retry_budget from the
// moment it is decided until its outcome is known.

#include <utility>

#include "upstream/clusters.h"

namespace sluice::upstream {

class RetryCredit {
 public:
  RetryCredit() = default;
  ~RetryCredit() { Release(); }
  RetryCredit(const RetryCredit&) = delete;
  RetryCredit& operator=(const RetryCredit&) = delete;

  // False: the circuit breaker is open. REQUIRES: nothing is held.
  bool Take(Cluster& cluster);
  void Release();

 private:
  Cluster* cluster_ = nullptr;  // Retained.
};

}  // namespace sluice::upstream
