#include "upstream/retry_credit.h"

#include "base/check.h"
#include "upstream/cluster.h"

namespace sluice::upstream {

bool RetryCredit::Take(Cluster& cluster) {
  SLUICE_DCHECK(cluster_ == nullptr);
  if (!cluster.TakeRetry()) return false;
  cluster_ = &cluster;
  cluster_->Retain();
  return true;
}

void RetryCredit::Release() {
  if (cluster_ == nullptr) return;
  Cluster* cluster = std::exchange(cluster_, nullptr);
  cluster->GiveRetry();
  cluster->Unretain();  // May delete the cluster.
}

}  // namespace sluice::upstream
