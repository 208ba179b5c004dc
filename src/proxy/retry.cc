#include "proxy/retry.h"

namespace sluice::proxy {

bool IsIdempotent(http::Method method) {
  switch (method) {
    case http::Method::kGet:
    case http::Method::kHead:
    case http::Method::kPut:
    case http::Method::kDelete:
    case http::Method::kOptions:
    case http::Method::kTrace:
      return true;
    case http::Method::kPost:
    case http::Method::kConnect:
    case http::Method::kPatch:
    case http::Method::kOther:
      return false;
  }
  return false;
}

bool ShouldReplay(const TryFacts& facts) {
  if (facts.failure != FailureKind::kUpstreamClosed) return false;
  if (facts.replayed_already || !facts.reused_connection || facts.response_begun) return false;
  if (!facts.body_replayable) return false;
  return IsIdempotent(facts.method) || !facts.anything_sent;
}

}  // namespace sluice::proxy
