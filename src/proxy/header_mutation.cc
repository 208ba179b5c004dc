#include "proxy/header_mutation.h"

#include "observe/format.h"

namespace sluice::proxy {
namespace {

using Action = config::HeaderAddition::Action;

void AddOne(const config::HeaderAddition& addition, std::string_view value, http::Fields& fields) {
  if (value.empty() && !addition.keep_empty) return;
  const http::Name id = http::FindName(addition.name);
  if (addition.action == Action::kAppend) {
    fields.Add(id, addition.name, value);
    return;
  }
  const bool present = fields.Get(std::string_view(addition.name)).has_value();
  switch (addition.action) {
    case Action::kAppend:
      return;
    case Action::kAddIfAbsent:
      if (!present) fields.Add(id, addition.name, value);
      return;
    case Action::kOverwrite:
      if (present) {
        fields.Set(std::string_view(addition.name), value);
      } else {
        fields.Add(id, addition.name, value);
      }
      return;
    case Action::kOverwriteIfExists:
      if (present) fields.Set(std::string_view(addition.name), value);
      return;
  }
}

const config::HeaderMutations& Pick(const config::MutationsBothWays& both, Direction direction) {
  return direction == Direction::kRequest ? both.request : both.response;
}

}  // namespace

void ApplyMutations(const config::HeaderMutations& mutations, const observe::StreamInfo& info,
                    base::WallTime now, http::Fields& fields) {
  for (const std::string& name : mutations.remove) fields.Remove(name);
  std::string rendered;
  for (const config::HeaderAddition& addition : mutations.add) {
    if (const auto constant = addition.value.Constant()) {
      AddOne(addition, *constant, fields);
    } else if (observe::RenderHeaderValue(addition.value, info, now, rendered)) {
      AddOne(addition, rendered, fields);
    }
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
