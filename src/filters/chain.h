#pragma once
// The filters of one exchange in their order: requests pass first to last, responses last to first.
//
// Worker's thread; lives in the exchange. The chain only walks: the exchange awaits Resume and
// sends replies. A walk that a filter paused is continued by calling the same function again with
// the same message: it goes on behind that filter.

#include <cstddef>
#include <memory>
#include <vector>

#include "filters/filter.h"

namespace sluice::filters {

class Chain {
 public:
  // A piece of a body may not grow beyond this in a filter.
  static constexpr std::size_t kBodyBytesMax = 1024 * 1024;

  bool empty() const { return filters_.empty(); }
  std::size_t size() const { return filters_.size(); }
  void Add(std::unique_ptr<Filter> filter) { filters_.push_back(std::move(filter)); }

  Verdict RequestHead(http::RequestHead& head, End end);
  Verdict RequestBody(Body& body, End end);
  Verdict RequestTrailers(http::Fields& trailers);
  Verdict ResponseHead(http::ResponseHead& head, End end);
  Verdict ResponseBody(Body& body, End end);
  Verdict ResponseTrailers(http::Fields& trailers);

  // A reply takes the response's place: it passes the filters that have not seen the head of that
  // response, so a response filter that replies does not see its own reply.
  void BeginReply();

  // OnDone of every filter, in order; then the chain is empty.
  void Done(const Outcome& outcome) noexcept;

 private:
  template <typename Call>
  Verdict WalkRequest(Call call);
  template <typename Call>
  Verdict WalkResponse(Call call);

  std::vector<std::unique_ptr<Filter>> filters_;
  std::size_t request_at_ = 0;      // The next filter of an interrupted walk.
  std::size_t response_done_ = 0;   // How many have seen the message of an interrupted walk.
  std::size_t response_first_ = 0;  // Filters counted from the last that responses do not pass.
};

}  // namespace sluice::filters
