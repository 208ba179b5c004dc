#include "filters/missing.h"

#include "observe/stream_info.h"

namespace sluice::filters {
namespace {

class MissingFilter final : public Filter {
 public:
  explicit MissingFilter(Context& context) : context_(context) {}

  // Fails closed: what the filter would have refused is not let through without it.
  Verdict OnRequestHead(http::RequestHead&, End) override {
    LocalReply& reply = context_.reply();
    reply.status = 500;
    reply.details = "filter_config_not_found";
    reply.flags |= observe::FlagBit(observe::ResponseFlag::kNoFilterConfigFound);
    return Verdict::kReply;
  }
  Verdict OnRequestBody(Body&, End) override { return Verdict::kContinue; }
  Verdict OnRequestTrailers(http::Fields&) override { return Verdict::kContinue; }
  Verdict OnResponseHead(http::ResponseHead&, End) override { return Verdict::kContinue; }
  Verdict OnResponseBody(Body&, End) override { return Verdict::kContinue; }
  Verdict OnResponseTrailers(http::Fields&) override { return Verdict::kContinue; }
  void OnDone(const Outcome&) noexcept override {}

 private:
  Context& context_;
};

}  // namespace

std::unique_ptr<Filter> MakeMissingFilter(Context& context) {
  return std::make_unique<MissingFilter>(context);
}

}  // namespace sluice::filters
