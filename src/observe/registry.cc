#include "observe/registry.h"

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"
#include "observe/registry_state.h"

namespace sluice::observe {
namespace {

// Keeps what a block counted after it is freed; gauges say what is now, and go with it.
void Fold(Entry& entry, const void* block) {
  if (entry.remainder == nullptr) entry.remainder = std::make_unique<Totals>();
  Totals& totals = *entry.remainder;
  totals.counters.resize(entry.type.rows.size());
  for (std::size_t i = 0; i < entry.type.rows.size(); ++i) {
    const StatRow& row = entry.type.rows[i];
    if (row.kind == StatRow::Kind::kCounter) {
      totals.counters[i] += CellAt<Counter>(block, row).Get();
    } else if (row.kind == StatRow::Kind::kCodes) {
      CellAt<CodeCounters>(block, row).ForEach([&](int code, std::uint64_t count) {
        totals.codes[code] += count;
      });
    } else if (row.kind == StatRow::Kind::kHistogram) {
      const auto& histogram = CellAt<Histogram>(block, row);
      if (histogram.Count() == 0) continue;
      HistogramTotals& sums = totals.histograms[i];
      sums.buckets.resize(Histogram::kBuckets);
      histogram.ForEach(
          [&](unsigned bucket, std::uint64_t count) { sums.buckets[bucket] += count; });
      sums.count += histogram.Count();
      sums.sum += histogram.Sum();
    }
  }
}

// "cluster.python.upstream_rq_total" at its last dot: statistics have none in their names.
std::pair<std::string_view, std::string_view> SplitName(std::string_view full_name) {
  const std::size_t dot = full_name.rfind('.');
  if (dot == std::string_view::npos) return {};
  return {full_name.substr(0, dot + 1), full_name.substr(dot + 1)};
}

}  // namespace

std::uint64_t RawCounter(const Entry& entry, std::size_t row) {
  std::uint64_t sum = entry.remainder == nullptr ? 0 : entry.remainder->counters[row];
  for (const Entry::Held& held : entry.blocks) {
    sum += CellAt<Counter>(held.block, entry.type.rows[row]).Get();
  }
  return sum;
}

std::map<int, std::uint64_t> RawCodes(const Entry& entry, std::size_t row) {
  std::map<int, std::uint64_t> sums;
  if (entry.remainder != nullptr) sums = entry.remainder->codes;
  for (const Entry::Held& held : entry.blocks) {
    CellAt<CodeCounters>(held.block, entry.type.rows[row])
        .ForEach([&](int code, std::uint64_t count) { sums[code] += count; });
  }
  return sums;
}

std::uint64_t BaselineCounter(const Entry& entry, std::size_t row) {
  return entry.baseline == nullptr ? 0 : entry.baseline->counters[row];
}

std::uint64_t BaselineCode(const Entry& entry, int code) {
  if (entry.baseline == nullptr) return 0;
  const auto found = entry.baseline->codes.find(code);
  return found == entry.baseline->codes.end() ? 0 : found->second;
}

Registry::Registry() : state_(std::make_unique<State>()) {}
Registry::~Registry() = default;

template <typename Block>
Block& Registry::Get(Scope scope, std::string_view name, unsigned owner) {
  SLUICE_CHECK(&BlockTypeOf(scope) == &BlockTypeFor<Block>());
  return *static_cast<Block*>(GetBlock(scope, name, owner));
}
template ClusterStats& Registry::Get<ClusterStats>(Scope, std::string_view, unsigned);
template ClusterMainStats& Registry::Get<ClusterMainStats>(Scope, std::string_view, unsigned);
template HttpStats& Registry::Get<HttpStats>(Scope, std::string_view, unsigned);
template ListenerStats& Registry::Get<ListenerStats>(Scope, std::string_view, unsigned);
template TlsStats& Registry::Get<TlsStats>(Scope, std::string_view, unsigned);
template TlsInspectorStats& Registry::Get<TlsInspectorStats>(Scope, std::string_view, unsigned);
template ProxyProtoStats& Registry::Get<ProxyProtoStats>(Scope, std::string_view, unsigned);
template TcpStats& Registry::Get<TcpStats>(Scope, std::string_view, unsigned);
template CorsStats& Registry::Get<CorsStats>(Scope, std::string_view, unsigned);
template ListenerManagerStats& Registry::Get<ListenerManagerStats>(Scope, std::string_view,
                                                                   unsigned);
template ClusterManagerStats& Registry::Get<ClusterManagerStats>(Scope, std::string_view, unsigned);
template SubscriptionStats& Registry::Get<SubscriptionStats>(Scope, std::string_view, unsigned);
template ControlPlaneStats& Registry::Get<ControlPlaneStats>(Scope, std::string_view, unsigned);
template ServerStats& Registry::Get<ServerStats>(Scope, std::string_view, unsigned);
template RuntimeStats& Registry::Get<RuntimeStats>(Scope, std::string_view, unsigned);
template StateFileStats& Registry::Get<StateFileStats>(Scope, std::string_view, unsigned);
template WorkerStats& Registry::Get<WorkerStats>(Scope, std::string_view, unsigned);
template AccessLogStats& Registry::Get<AccessLogStats>(Scope, std::string_view, unsigned);
template Http2Stats& Registry::Get<Http2Stats>(Scope, std::string_view, unsigned);

void* Registry::GetBlock(Scope scope, std::string_view name, unsigned owner) {
  ScopeNames names = NamesOf(scope, name);
  const base::MutexLock lock(state_->mutex);
  State::Entries& entries = state_->groups[{scope, names.family_prefix}];
  auto found = entries.find(names.prefix);
  if (found == entries.end()) {
    auto made = std::make_shared<Entry>(scope, std::move(names));
    const std::string_view prefix = made->names.prefix;
    found = entries.emplace(prefix, std::move(made)).first;
  }
  Entry* entry = found->second.get();
  for (Entry::Held& held : entry->blocks) {
    if (held.owner != owner) continue;
    ++held.references;
    return held.block;
  }
  entry->blocks.push_back({owner, 1, entry->type.make()});
  return entry->blocks.back().block;
}

void Registry::Release(Scope scope, std::string_view name, unsigned owner) {
  const ScopeNames names = NamesOf(scope, name);
  const base::MutexLock lock(state_->mutex);
  const auto group = state_->groups.find({scope, names.family_prefix});
  SLUICE_CHECK(group != state_->groups.end());
  const auto found = group->second.find(names.prefix);
  SLUICE_CHECK(found != group->second.end());
  Entry& entry = *found->second;
  const auto held = std::ranges::find(entry.blocks, owner, &Entry::Held::owner);
  SLUICE_CHECK(held != entry.blocks.end());
  if (--held->references > 0) return;
  if (entry.blocks.size() > 1) Fold(entry, held->block);
  entry.type.destroy(held->block);
  entry.blocks.erase(held);
  if (!entry.blocks.empty()) return;
  const std::shared_ptr<Entry> last = found->second;  // The key is inside it.
  group->second.erase(found);
  if (group->second.empty()) state_->groups.erase(group);
}

void Registry::Visit(const std::function<void(const Sample&)>& visit) const {
  Cursor cursor(*this, Cursor::Order::kByFamily);
  Sample sample;
  while (cursor.Next(sample)) visit(sample);
}

std::uint64_t Registry::CounterValue(std::string_view full_name) const {
  const auto [prefix, stat] = SplitName(full_name);
  const base::MutexLock lock(state_->mutex);
  std::uint64_t sum = 0;
  for (const auto& [key, entries] : state_->groups) {
    const auto found = entries.find(prefix);
    if (found == entries.end()) continue;
    const Entry& entry = *found->second;
    for (std::size_t i = 0; i < entry.type.rows.size(); ++i) {
      const StatRow& row = entry.type.rows[i];
      if (row.kind == StatRow::Kind::kCounter && row.name == stat) {
        sum += RawCounter(entry, i) - BaselineCounter(entry, i);
      } else if (row.kind == StatRow::Kind::kCodes && stat.starts_with(row.name)) {
        const auto code = base::ParseUint(stat.substr(row.name.size()));
        if (!code.has_value() || *code > 599) continue;
        const std::map<int, std::uint64_t> codes = RawCodes(entry, i);
        const auto count = codes.find(static_cast<int>(*code));
        if (count == codes.end()) continue;
        sum += count->second - BaselineCode(entry, count->first);
      }
    }
  }
  return sum;
}

std::optional<std::int64_t> Registry::GaugeValue(std::string_view full_name) const {
  const auto [prefix, stat] = SplitName(full_name);
  const base::MutexLock lock(state_->mutex);
  std::optional<std::int64_t> sum;
  for (const auto& [key, entries] : state_->groups) {
    const auto found = entries.find(prefix);
    if (found == entries.end()) continue;
    for (const StatRow& row : found->second->type.rows) {
      if (row.kind != StatRow::Kind::kGauge || row.name != stat) continue;
      for (const Entry::Held& held : found->second->blocks) {
        sum = sum.value_or(0) + CellAt<Gauge>(held.block, row).Get();
      }
    }
  }
  return sum;
}

void Registry::SetText(std::string_view name, std::string_view value) {
  const base::MutexLock lock(state_->mutex);
  const auto found = state_->texts.find(name);
  if (value.empty()) {
    if (found != state_->texts.end()) state_->texts.erase(found);
  } else if (found != state_->texts.end()) {
    found->second = value;
  } else {
    state_->texts.emplace(name, value);
  }
}

std::vector<std::pair<std::string, std::string>> Registry::Texts() const {
  const base::MutexLock lock(state_->mutex);
  return {state_->texts.begin(), state_->texts.end()};
}

void Registry::ResetCounters() {
  std::vector<std::shared_ptr<Entry>> all;
  {
    const base::MutexLock lock(state_->mutex);
    for (const auto& [key, entries] : state_->groups) {
      for (const auto& [prefix, entry] : entries) all.push_back(entry);
    }
  }
  for (const std::shared_ptr<Entry>& entry : all) {
    const base::MutexLock lock(state_->mutex);  // Anew for each: a worker may be waiting for it.
    auto baseline = std::make_unique<Totals>();
    baseline->counters.resize(entry->type.rows.size());
    for (std::size_t i = 0; i < entry->type.rows.size(); ++i) {
      const StatRow::Kind kind = entry->type.rows[i].kind;
      if (kind == StatRow::Kind::kCounter) baseline->counters[i] = RawCounter(*entry, i);
      if (kind == StatRow::Kind::kCodes) baseline->codes = RawCodes(*entry, i);
    }
    entry->baseline = std::move(baseline);
  }
}

}  // namespace sluice::observe
