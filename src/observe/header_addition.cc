#include "observe/header_addition.h"

#include <string>

#include "observe/format.h"

namespace sluice::observe {
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

}  // namespace

void ApplyAddition(const config::HeaderAddition& addition, const StreamInfo& info,
                   base::WallTime now, http::Fields& fields) {
  if (const auto constant = addition.value.Constant()) {
    AddOne(addition, *constant, fields);
    return;
  }
  std::string rendered;
  if (RenderHeaderValue(addition.value, info, now, rendered)) AddOne(addition, rendered, fields);
}

void ApplySteps(const config::HeaderSteps& steps, const StreamInfo& info, base::WallTime now,
                unsigned worker, http::Fields& fields) {
  for (const config::HeaderStep& step : steps) {
    if (step.add.has_value()) {
      ApplyAddition(*step.add, info, now, fields);
    } else if (step.remove_matching.has_value()) {
      for (std::size_t i = fields.size(); i-- > 0;) {
        if (step.remove_matching->Matches(fields.At(i).name, worker)) fields.RemoveAt(i);
      }
    } else {
      fields.Remove(step.remove);
    }
  }
}

}  // namespace sluice::observe
