#include "xds/references.h"

#include <algorithm>
#include <tuple>

namespace sluice::xds {

void References::Set(std::string_view owner, std::vector<Reference> references) {
  const auto before = [](const Reference& a, const Reference& b) {
    return std::tie(a.type, a.want.name) < std::tie(b.type, b.want.name);
  };
  std::ranges::sort(references, before);
  const auto same = [](const Reference& a, const Reference& b) {
    return a.type == b.type && a.want.name == b.want.name;
  };
  references.erase(std::unique(references.begin(), references.end(), same), references.end());
  std::vector<Reference> old;
  if (const auto it = owners_.find(owner); it != owners_.end()) old = it->second;
  if (old == references) return;
  for (const Reference& reference : references) {
    Owned& owned = names_[IndexOf(reference.type)][reference.want.name];
    const bool fresh = owned.empty();
    Want& want = owned[std::string(owner)];
    if (fresh) dropped_.erase({reference.type, reference.want.name});
    if (fresh || (!(want == reference.want) && owned.begin()->first == owner)) {
      ++generations_[IndexOf(reference.type)];
    }
    want = reference.want;
  }
  for (const Reference& reference : old) {
    if (std::ranges::binary_search(references, reference, before)) continue;
    auto& names = names_[IndexOf(reference.type)];
    const auto it = names.find(reference.want.name);
    const Want first = it->second.begin()->second;
    it->second.erase(std::string(owner));
    if (it->second.empty()) {
      names.erase(it);
      dropped_.emplace(reference.type, reference.want.name);
    } else if (it->second.begin()->second == first) {
      continue;
    }
    ++generations_[IndexOf(reference.type)];
  }
  if (references.empty()) {
    if (const auto it = owners_.find(owner); it != owners_.end()) owners_.erase(it);
  } else {
    owners_[std::string(owner)] = std::move(references);
  }
}

std::set<std::string> References::Names(ResourceType type) const {
  std::set<std::string> names;
  for (const auto& [name, owners] : names_[IndexOf(type)]) names.insert(names.end(), name);
  return names;
}

std::vector<Want> References::Wants(ResourceType type) const {
  std::vector<Want> wants;
  wants.reserve(names_[IndexOf(type)].size());
  for (const auto& [name, owners] : names_[IndexOf(type)]) wants.push_back(owners.begin()->second);
  return wants;
}

std::set<std::string> References::Owners(ResourceType type, std::string_view name) const {
  std::set<std::string> owners;
  const auto& names = names_[IndexOf(type)];
  if (const auto it = names.find(name); it != names.end()) {
    for (const auto& [owner, want] : it->second) owners.insert(owners.end(), owner);
  }
  return owners;
}

std::vector<std::pair<ResourceType, std::string>> References::TakeDropped() {
  std::vector<std::pair<ResourceType, std::string>> dropped(dropped_.begin(), dropped_.end());
  dropped_.clear();
  return dropped;
}

}  // namespace sluice::xds
