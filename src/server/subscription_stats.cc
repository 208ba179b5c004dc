#include "server/subscription_stats.h"

#include <algorithm>
#include <utility>

namespace sluice::server {
namespace {

using xds::ResourceType;

constexpr unsigned kOwner = observe::Registry::kMainOwner;

}  // namespace

SubscriptionTable::~SubscriptionTable() {
  for (auto& rows : rows_) {
    for (auto& [name, row] : rows) Drop(row);
  }
}

void SubscriptionTable::Drop(Row& row) {
  if (row.deadline) --waiting_;
  registry_.SetText(base::Cat(row.scope, "version_text"), "");
  registry_.Release(observe::Scope::kSubscription, row.scope, kOwner);
}

SubscriptionTable::Row* SubscriptionTable::Find(ResourceType type, std::string_view name) {
  auto& rows = rows_[IndexOf(type)];
  const auto it = rows.find(name);
  return it == rows.end() ? nullptr : &it->second;
}

// The subscription that a resource belongs to: its own name, the table of a virtual host, the set.
SubscriptionTable::Row* SubscriptionTable::RowFor(ResourceType type, std::string_view resource) {
  if (Row* row = Find(type, resource)) return row;
  if (IsNamespaced(type)) {
    for (auto& [name, row] : rows_[IndexOf(type)]) {
      if (resource.size() > name.size() && resource.starts_with(name) &&
          resource[name.size()] == '/') {
        return &row;
      }
    }
  }
  return Find(type, "");
}

void SubscriptionTable::SetWhole(ResourceType type, std::string_view scope,
                                 std::uint64_t fetch_timeout_ms, base::Monotonic now) {
  if (Find(type, "") != nullptr) return;
  Row row;
  row.scope = scope;
  row.stats =
      &registry_.Get<observe::SubscriptionStats>(observe::Scope::kSubscription, scope, kOwner);
  if (fetch_timeout_ms > 0) {
    row.deadline = now + base::milliseconds(static_cast<std::int64_t>(fetch_timeout_ms));
    ++waiting_;
  }
  rows_[IndexOf(type)].emplace("", std::move(row));
}

void SubscriptionTable::SetWanted(ResourceType type, const std::vector<xds::Want>& wants,
                                  base::Monotonic now) {
  auto& before = wants_[IndexOf(type)];
  if (before == wants) return;
  before = wants;
  auto& rows = rows_[IndexOf(type)];
  base::StringMap<Row> next;
  for (const xds::Want& want : wants) {
    if (next.contains(want.name) || want.stats.empty()) continue;
    if (const auto it = rows.find(want.name); it != rows.end() && it->second.scope == want.stats) {
      next.emplace(want.name, std::move(it->second));
      rows.erase(it);
      continue;
    }
    Row row;
    row.scope = want.stats;
    row.stats = &registry_.Get<observe::SubscriptionStats>(observe::Scope::kSubscription,
                                                           want.stats, kOwner);
    if (want.fetch_timeout_ms > 0) {
      row.deadline = now + base::milliseconds(static_cast<std::int64_t>(want.fetch_timeout_ms));
      ++waiting_;
    }
    next.emplace(want.name, std::move(row));
  }
  if (const auto whole = rows.find(""); whole != rows.end()) {
    next.emplace("", std::move(whole->second));
    rows.erase(whole);
  }
  for (auto& [name, row] : rows) Drop(row);
  rows = std::move(next);
}

void SubscriptionTable::Count(Row& row, const xds::Response& response, Outcome outcome,
                              Times times) {
  observe::SubscriptionStats& stats = *row.stats;
  row.fetched = true;
  if (std::exchange(row.deadline, std::nullopt)) --waiting_;
  stats.update_attempt.Add();
  if (outcome.changed) stats.config_reload.Add();
  if (outcome.accepted) {
    stats.update_success.Add();
    stats.version.Set(
        static_cast<std::int64_t>(base::StringHash{}(response.version) & 0x3fffffffffffffffU));
    if (response.type != ResourceType::kEndpoints) {
      registry_.SetText(base::Cat(row.scope, "version_text"), response.version);
    }
  } else {
    stats.update_rejected.Add();
  }
  stats.rejected_resources.Set(static_cast<std::int64_t>(row.rejected.size()));
  stats.update_duration.Record(times.took_ms);
  stats.update_time.Set(
      std::chrono::duration_cast<base::milliseconds>(times.now.time_since_epoch()).count());
}

void SubscriptionTable::OnResponse(const xds::Response& response, const xds::Verdict& verdict,
                                   Times times) {
  base::StringSet bad;
  for (const xds::RejectedResource& each : verdict.rejected) bad.insert(each.name);
  const auto settle = [&](std::string_view name) {
    Row* row = RowFor(response.type, name);
    if (row == nullptr) return row;
    if (bad.contains(name)) {
      row->rejected.emplace(name);
    } else {
      row->rejected.erase(name);
    }
    return row;
  };
  Row* whole = Find(response.type, "");
  if (whole != nullptr && response.whole) {
    base::StringSet kept;
    for (const std::string_view name : response.kept) {
      if (whole->rejected.contains(name)) kept.emplace(name);
    }
    whole->rejected = std::move(kept);  // What is not listed is not there.
  }
  struct Touched {
    Row* row;
    bool good;
    std::string_view name;
  };
  std::vector<Touched> touched;
  const auto touch = [&](std::string_view name) {
    Row* row = settle(name);
    if (row == nullptr || row == whole) return;
    if (!touched.empty() && touched.back().row == row) {
      touched.back().good = touched.back().good && !bad.contains(name);
    } else {
      touched.push_back({row, !bad.contains(name), name});
    }
  };
  for (const xds::RawResource& each : response.resources) touch(each.name);
  for (const std::string& name : bad) settle(name);
  for (const std::string_view name : response.removed) touch(name);
  if (response.expired) {
    for (const Touched& each : touched) {
      Row* row = each.row;
      row->stats->rejected_resources.Set(static_cast<std::int64_t>(row->rejected.size()));
    }
    return;
  }
  if (whole != nullptr) {
    Count(*whole, response, {verdict.error.empty(), !verdict.changed.empty()}, times);
  }
  base::StringSet changed;
  for (const std::string& name : verdict.changed) changed.insert(name);
  for (auto& [row, good, name] : touched) {
    Count(*row, response, {good && (verdict.error.empty() || !bad.empty()), changed.contains(name)},
          times);
  }
}

void SubscriptionTable::OnRefused(ResourceType type) {
  for (auto& [name, row] : rows_[IndexOf(type)]) {
    row.stats->update_attempt.Add();
    row.stats->update_rejected.Add();
  }
}

void SubscriptionTable::OnFailure(ResourceType type, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (Row* row = Find(type, name)) row->stats->update_failure.Add();
  }
}

std::optional<base::Monotonic> SubscriptionTable::NextTimeout() const {
  std::optional<base::Monotonic> next;
  if (waiting_ == 0) return next;
  for (const auto& rows : rows_) {
    for (const auto& [name, row] : rows) {
      if (row.deadline && (!next || *row.deadline < *next)) next = row.deadline;
    }
  }
  return next;
}

std::vector<std::string> SubscriptionTable::TakeTimeouts(base::Monotonic now) {
  std::vector<std::string> late;
  if (waiting_ == 0) return late;
  for (auto& rows : rows_) {
    for (auto& [name, row] : rows) {
      if (!row.deadline || *row.deadline > now) continue;
      row.deadline.reset();
      --waiting_;
      row.stats->init_fetch_timeout.Add();
      late.push_back(row.scope);
    }
  }
  std::sort(late.begin(), late.end());
  return late;
}

}  // namespace sluice::server
