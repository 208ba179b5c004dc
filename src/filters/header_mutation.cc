#include "filters/header_mutation.h"

#include <algorithm>
#include <vector>

#include "observe/header_addition.h"

namespace sluice::filters {
namespace {

using config::MessageSteps;
using Part = config::HeaderSteps MessageSteps::*;

class HeaderMutation final : public Filter {
 public:
  HeaderMutation(Context& context, std::vector<const MessageSteps*> order)
      : context_(context), order_(std::move(order)) {
    for (const MessageSteps* steps : order_) response_trailers_.push_back(steps->response_trailers);
  }

  Verdict OnRequestHead(http::RequestHead& head, End) override {
    return Apply(&MessageSteps::request, head.fields);
  }
  Verdict OnRequestBody(Body&, End) override { return Verdict::kContinue; }
  Verdict OnRequestTrailers(http::Fields& trailers) override {
    return Apply(&MessageSteps::request_trailers, trailers);
  }
  Verdict OnResponseHead(http::ResponseHead& head, End) override {
    return Apply(&MessageSteps::response, head.fields);
  }
  Verdict OnResponseBody(Body&, End) override { return Verdict::kContinue; }
  // The configuration may be gone by now.
  Verdict OnResponseTrailers(http::Fields& trailers) override {
    for (const config::HeaderSteps& steps : response_trailers_) ApplyOne(steps, trailers);
    return Verdict::kContinue;
  }
  void OnDone(const Outcome&) noexcept override {}

 private:
  Verdict Apply(Part part, http::Fields& fields) {
    for (const MessageSteps* steps : order_) ApplyOne(steps->*part, fields);
    return Verdict::kContinue;
  }
  void ApplyOne(const config::HeaderSteps& steps, http::Fields& fields) {
    if (steps.empty()) return;
    observe::ApplySteps(steps, context_.info(), context_.now(), context_.worker(), fields);
  }

  Context& context_;
  const std::vector<const MessageSteps*> order_;  // Used until the response head is out.
  std::vector<config::HeaderSteps> response_trailers_;
};

}  // namespace

std::unique_ptr<Filter> MakeHeaderMutationFilter(std::string_view filter_name,
                                                 const config::HeaderMutationFilter& config,
                                                 Context& context) {
  std::vector<const MessageSteps*> order;
  for (const config::PerFilterConfig* level : context.per_filter_levels(filter_name)) {
    const auto* steps = level == nullptr ? nullptr : std::get_if<MessageSteps>(level);
    if (steps != nullptr) order.push_back(steps);
  }
  if (config.most_specific_wins) std::reverse(order.begin(), order.end());
  order.insert(order.begin(), &config.steps);
  std::erase_if(order, [](const MessageSteps* steps) { return *steps == MessageSteps{}; });
  if (order.empty()) return nullptr;
  return std::make_unique<HeaderMutation>(context, std::move(order));
}

}  // namespace sluice::filters
