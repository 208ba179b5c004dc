#pragma once
// Statistics per subscription, with Envoy's names: cluster_manager.cds., listener_manager.lds.,
// http.<prefix>.rds.<name>., cluster.<name>. for its endpoints, and so on.
//
// Config thread; admin reads the cells.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"
#include "observe/registry.h"
#include "xds/response.h"
#include "xds/want.h"

namespace sluice::server {

class SubscriptionTable {
 public:
  explicit SubscriptionTable(observe::Registry& registry) : registry_(registry) {}
  ~SubscriptionTable();
  SubscriptionTable(const SubscriptionTable&) = delete;
  SubscriptionTable& operator=(const SubscriptionTable&) = delete;

  // A whole set ("": its name), or what is wanted by name.
  void SetWhole(xds::ResourceType type, std::string_view scope, std::uint64_t fetch_timeout_ms,
                base::Monotonic now);
  void SetWanted(xds::ResourceType type, const std::vector<xds::Want>& wants, base::Monotonic now);

  struct Times {
    base::WallTime now;
    std::uint64_t took_ms = 0;
  };
  // After a response was applied, or refused as a whole (then `refused`).
  void OnResponse(const xds::Response& response, const xds::Verdict& verdict, Times times);
  void OnRefused(xds::ResourceType type);
  // The stream or file of these names failed; "" in `names` is the whole set.
  void OnFailure(xds::ResourceType type, const std::vector<std::string>& names);

  // First fetches whose time is over: counted, and named for the log. Each once.
  std::vector<std::string> TakeTimeouts(base::Monotonic now);
  std::optional<base::Monotonic> NextTimeout() const;

 private:
  struct Row {
    std::string scope;
    observe::SubscriptionStats* stats = nullptr;
    bool fetched = false;
    std::optional<base::Monotonic> deadline;
    base::StringSet rejected;  // Names whose latest version was not accepted.
  };
  Row* Find(xds::ResourceType type, std::string_view name);
  Row* RowFor(xds::ResourceType type, std::string_view resource);
  struct Outcome {
    bool accepted, changed;
  };
  void Count(Row& row, const xds::Response& response, Outcome outcome, Times times);
  void Drop(Row& row);

  observe::Registry& registry_;
  std::array<base::StringMap<Row>, xds::kResourceTypes.size()> rows_;
  std::array<std::vector<xds::Want>, xds::kResourceTypes.size()> wants_;
  std::size_t waiting_ = 0;  // Rows with a deadline.
};

}  // namespace sluice::server
