#include "filters/chain.h"

namespace sluice::filters {

template <typename Call>
Verdict Chain::WalkRequest(Call call) {
  while (request_at_ < filters_.size()) {
    const Verdict verdict = call(*filters_[request_at_++]);
    if (verdict != Verdict::kContinue) return verdict;
  }
  request_at_ = 0;
  return Verdict::kContinue;
}

template <typename Call>
Verdict Chain::WalkResponse(Call call) {
  while (response_first_ + response_done_ < filters_.size()) {
    const std::size_t index = filters_.size() - 1 - response_first_ - response_done_++;
    const Verdict verdict = call(*filters_[index]);
    if (verdict != Verdict::kContinue) return verdict;
  }
  response_done_ = 0;
  return Verdict::kContinue;
}

Verdict Chain::RequestHead(http::RequestHead& head, End end) {
  return WalkRequest([&](Filter& filter) { return filter.OnRequestHead(head, end); });
}

Verdict Chain::RequestBody(Body& body, End end) {
  return WalkRequest([&](Filter& filter) { return filter.OnRequestBody(body, end); });
}

Verdict Chain::RequestTrailers(http::Fields& trailers) {
  return WalkRequest([&](Filter& filter) { return filter.OnRequestTrailers(trailers); });
}

Verdict Chain::ResponseHead(http::ResponseHead& head, End end) {
  return WalkResponse([&](Filter& filter) { return filter.OnResponseHead(head, end); });
}

Verdict Chain::ResponseBody(Body& body, End end) {
  return WalkResponse([&](Filter& filter) { return filter.OnResponseBody(body, end); });
}

Verdict Chain::ResponseTrailers(http::Fields& trailers) {
  return WalkResponse([&](Filter& filter) { return filter.OnResponseTrailers(trailers); });
}

void Chain::BeginReply() {
  response_first_ += response_done_;
  response_done_ = 0;
}

void Chain::Done(const Outcome& outcome) noexcept {
  for (const auto& filter : filters_) filter->OnDone(outcome);
  filters_.clear();
  request_at_ = 0;
  response_done_ = 0;
  response_first_ = 0;
}

}  // namespace sluice::filters
