#pragma once
// Who refers to which resource: what to subscribe to, and what may be forgotten.
//
// Kept change by change: an update of one listener among 10,000 touches the names of that one.
// Config thread.

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "xds/resource_type.h"
#include "xds/want.h"

namespace sluice::xds {

struct Reference {
  ResourceType type;
  Want want;
  bool operator==(const Reference&) const = default;
};

class References {
 public:
  // Replaces all that `owner` refers to; an empty list forgets the owner.
  void Set(std::string_view owner, std::vector<Reference> references);

  bool Contains(ResourceType type, std::string_view name) const {
    return names_[IndexOf(type)].contains(name);
  }
  std::set<std::string> Names(ResourceType type) const;
  // Each name once, as its first owner wants it; in order of names.
  std::vector<Want> Wants(ResourceType type) const;
  std::set<std::string> Owners(ResourceType type, std::string_view name) const;
  // Grows whenever the names of the type, or where they come from, change.
  std::uint64_t generation(ResourceType type) const { return generations_[IndexOf(type)]; }
  // Names that nobody refers to any more, since the last call.
  std::vector<std::pair<ResourceType, std::string>> TakeDropped();

 private:
  base::StringMap<std::vector<Reference>> owners_;
  // Name to its owners, in order, and what they want.
  using Owned = std::map<std::string, Want>;
  std::array<std::map<std::string, Owned, std::less<>>, kResourceTypes.size()> names_;
  std::array<std::uint64_t, kResourceTypes.size()> generations_{};
  std::set<std::pair<ResourceType, std::string>> dropped_;
};

}  // namespace sluice::xds
