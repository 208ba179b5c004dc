#include "filters/table.h"

#include <variant>

#include "filters/cors.h"
#include "filters/header_mutation.h"
#include "filters/missing.h"

namespace sluice::filters {
namespace {

struct Make {
  const config::HttpFilter& filter;
  Context& context;
  const http::RequestHead& head;
  observe::CorsStats& cors;

  std::unique_ptr<Filter> operator()(const config::RouterFilter&) const { return nullptr; }
  std::unique_ptr<Filter> operator()(const config::CorsFilter&) const {
    return MakeCorsFilter(filter.name, context, head, cors);
  }
  std::unique_ptr<Filter> operator()(const config::HeaderMutationFilter& config) const {
    return MakeHeaderMutationFilter(filter.name, config, context);
  }
  std::unique_ptr<Filter> operator()(const config::MissingFilter&) const {
    return MakeMissingFilter(context);
  }
};

}  // namespace

std::unique_ptr<Filter> MakeFilter(const config::HttpFilter& filter, Context& context,
                                   const http::RequestHead& head, observe::CorsStats& cors) {
  if (context.filter_disabled(filter.name).value_or(filter.disabled)) return nullptr;
  return std::visit(Make{filter, context, head, cors}, filter.config);
}

}  // namespace sluice::filters
