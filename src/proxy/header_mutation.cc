#include "proxy/header_mutation.h"

#include "observe/header_addition.h"

namespace sluice::proxy {
namespace {

const config::HeaderMutations& Pick(const config::MutationsBothWays& both, Direction direction) {
  return direction == Direction::kRequest ? both.request : both.response;
}

}  // namespace

void ApplyMutations(const config::HeaderMutations& mutations, const observe::StreamInfo& info,
                    base::WallTime now, http::Fields& fields) {
  for (const std::string& name : mutations.remove) fields.Remove(name);
  for (const config::HeaderAddition& addition : mutations.add) {
    observe::ApplyAddition(addition, info, now, fields);
  }
}

void MutateFields(const MutationLevels& levels, Direction direction,
                  const observe::StreamInfo& info, base::WallTime now, http::Fields& fields) {
  const config::HeaderMutations* order[4] = {
      levels.weighted == nullptr ? nullptr : &Pick(levels.weighted->mutations, direction),
      levels.route == nullptr ? nullptr : &Pick(levels.route->mutations, direction),
      levels.virtual_host == nullptr ? nullptr : &Pick(levels.virtual_host->mutations, direction),
      levels.table == nullptr ? nullptr : &Pick(levels.table->mutations, direction),
  };
  const bool reversed = levels.table != nullptr && levels.table->most_specific_mutations_win;
  for (std::size_t i = 0; i < 4; ++i) {
    const config::HeaderMutations* mutations = order[reversed ? 3 - i : i];
    if (mutations != nullptr && !mutations->empty()) {
      ApplyMutations(*mutations, info, now, fields);
    }
  }
}

}  // namespace sluice::proxy
