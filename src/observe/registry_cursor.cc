#include <algorithm>
#include <tuple>

#include "base/strings.h"
#include "observe/registry_state.h"

namespace sluice::observe {
namespace {

using Sample = Registry::Sample;

// The entries of one group at the time of construction, sorted by prefix.
struct GroupView {
  std::string family_prefix;
  std::span<const StatRow> rows;
  std::vector<std::shared_ptr<const Entry>> entries;
  std::size_t at = 0;

  const Entry* Head() const { return at < entries.size() ? entries[at].get() : nullptr; }
};

// One row of one group.
struct Source {
  std::string family;
  std::string_view stat;
  std::size_t group;
  std::size_t row;
};

// One row of one entry: what a sample is summed from.
struct Part {
  const Entry* entry;
  std::size_t row;
};

void AddHistogram(const Part& part, Sample& sample) {
  sample.buckets.resize(Histogram::kBuckets);
  if (part.entry->remainder != nullptr) {
    const auto found = part.entry->remainder->histograms.find(part.row);
    if (found != part.entry->remainder->histograms.end()) {
      for (unsigned b = 0; b < Histogram::kBuckets; ++b) {
        sample.buckets[b] += found->second.buckets[b];
      }
      sample.sum += found->second.sum;
    }
  }
  for (const Entry::Held& held : part.entry->blocks) {
    const auto& histogram = CellAt<Histogram>(held.block, part.entry->type.rows[part.row]);
    if (histogram.Count() == 0) continue;
    histogram.ForEach(
        [&](unsigned bucket, std::uint64_t count) { sample.buckets[bucket] += count; });
    sample.sum += histogram.Sum();
  }
  // Not the count cells: a value recorded meanwhile must not make "+Inf" disagree with the buckets.
  sample.count = 0;
  for (const std::uint64_t n : sample.buckets) sample.count += n;
  sample.used = sample.count != 0;
}

// Needs the mutex.
void AddPart(const Part& part, Sample& sample) {
  const StatRow& row = part.entry->type.rows[part.row];
  switch (row.kind) {
    case StatRow::Kind::kCounter: {
      const std::uint64_t raw = RawCounter(*part.entry, part.row);
      sample.kind = Sample::Kind::kCounter;
      sample.counter += raw - BaselineCounter(*part.entry, part.row);
      sample.used = sample.used || raw != 0;
      break;
    }
    case StatRow::Kind::kGauge:
      sample.kind = Sample::Kind::kGauge;
      for (const Entry::Held& held : part.entry->blocks) {
        const auto& gauge = CellAt<Gauge>(held.block, row);
        sample.gauge += gauge.Get();
        sample.used = sample.used || gauge.Used();
      }
      break;
    case StatRow::Kind::kHistogram:
      sample.kind = Sample::Kind::kHistogram;
      AddHistogram(part, sample);
      break;
    case StatRow::Kind::kCodes:
      break;  // Many samples: Walk::LoadCodes.
  }
}

}  // namespace

struct Registry::Cursor::Walk {
  const State* state = nullptr;
  Order order = Order::kByFamily;
  std::vector<GroupView> groups;

  std::vector<Source> sources;  // kByFamily: sorted by family, statistic.
  std::size_t source = 0;       // First source of the current statistic,
  std::size_t source_end = 0;   // and the one after its last.
  std::vector<Part> row_parts;  // kByName: rows of the current prefix, sorted by statistic.
  std::size_t row_at = 0;

  // Code counters give several samples; these wait to be handed out.
  std::vector<std::pair<int, std::pair<std::uint64_t, std::uint64_t>>> codes;  // Shown, raw.
  std::size_t code_at = 0;
  Part code_part{};

  // What the current sample's views point to.
  std::string name;
  std::string full_name;
  std::string family;
  std::vector<Label> labels;

  bool NextParts(std::vector<Part>& parts);
  bool NextByFamily(std::vector<Part>& parts);
  bool NextByName(std::vector<Part>& parts);
  void LoadCodes(const Part& part);
  void Describe(const Part& part, int code, Sample& sample);
};

Registry::Cursor::Cursor(const Registry& registry, Order order) : walk_(std::make_unique<Walk>()) {
  walk_->state = registry.state_.get();
  walk_->order = order;
  {
    const base::MutexLock lock(registry.state_->mutex);
    for (const auto& [key, entries] : registry.state_->groups) {
      GroupView view{key.second, BlockTypeOf(key.first).rows, {}, 0};
      view.entries.reserve(entries.size());
      for (const auto& [prefix, entry] : entries) view.entries.push_back(entry);
      walk_->groups.push_back(std::move(view));
    }
  }
  if (order == Order::kByName) return;
  for (std::size_t g = 0; g < walk_->groups.size(); ++g) {
    const GroupView& group = walk_->groups[g];
    for (std::size_t r = 0; r < group.rows.size(); ++r) {
      walk_->sources.push_back(
          {base::Cat(group.family_prefix, group.rows[r].family), group.rows[r].name, g, r});
    }
  }
  std::ranges::sort(walk_->sources, {}, [](const Source& source) {
    return std::tie(source.family, source.stat, source.group, source.row);
  });
}

Registry::Cursor::~Cursor() = default;

bool Registry::Cursor::Next(Sample& sample) {
  Walk& walk = *walk_;
  std::vector<Part> parts;
  for (;;) {
    if (walk.code_at < walk.codes.size()) {
      const auto& [code, counts] = walk.codes[walk.code_at++];
      walk.Describe(walk.code_part, code, sample);
      sample.counter = counts.first;
      sample.used = counts.second != 0;
      return true;
    }
    if (!walk.NextParts(parts)) return false;
    const Part& part = parts.front();
    if (part.entry->type.rows[part.row].kind == StatRow::Kind::kCodes) {
      walk.LoadCodes(part);
      continue;
    }
    walk.Describe(part, 0, sample);
    const base::MutexLock lock(walk.state->mutex);
    bool lives = false;
    for (const Part& each : parts) {
      lives = lives || !each.entry->blocks.empty();
      AddPart(each, sample);
    }
    if (lives) return true;  // Else it was released since the walk began.
  }
}

bool Registry::Cursor::Walk::NextParts(std::vector<Part>& parts) {
  parts.clear();
  return order == Order::kByFamily ? NextByFamily(parts) : NextByName(parts);
}

// Merges the sorted entries of all groups that have the current statistic.
bool Registry::Cursor::Walk::NextByFamily(std::vector<Part>& parts) {
  for (;;) {
    const Entry* least = nullptr;
    for (std::size_t s = source; s < source_end; ++s) {
      const Entry* head = groups[sources[s].group].Head();
      if (head != nullptr && (least == nullptr || head->names.prefix < least->names.prefix)) {
        least = head;
      }
    }
    if (least != nullptr) {
      const std::string& prefix = least->names.prefix;
      for (std::size_t s = source; s < source_end; ++s) {
        GroupView& group = groups[sources[s].group];
        const Entry* head = group.Head();
        if (head == nullptr || head->names.prefix != prefix) continue;
        parts.push_back({head, sources[s].row});
        ++group.at;
      }
      return true;
    }
    source = source_end;
    if (source == sources.size()) return false;
    while (source_end < sources.size() && sources[source_end].family == sources[source].family &&
           sources[source_end].stat == sources[source].stat) {
      groups[sources[source_end].group].at = 0;
      ++source_end;
    }
  }
}

bool Registry::Cursor::Walk::NextByName(std::vector<Part>& parts) {
  const auto stat = [](const Part& part) { return part.entry->type.rows[part.row].name; };
  if (row_at == row_parts.size()) {
    row_parts.clear();
    row_at = 0;
    const Entry* least = nullptr;
    for (const GroupView& group : groups) {
      const Entry* head = group.Head();
      if (head != nullptr && (least == nullptr || head->names.prefix < least->names.prefix)) {
        least = head;
      }
    }
    if (least == nullptr) return false;
    for (GroupView& group : groups) {
      const Entry* head = group.Head();
      if (head == nullptr || head->names.prefix != least->names.prefix) continue;
      for (std::size_t r = 0; r < group.rows.size(); ++r) row_parts.push_back({head, r});
      ++group.at;
    }
    std::ranges::sort(row_parts, {}, stat);
  }
  do {
    parts.push_back(row_parts[row_at++]);
  } while (row_at < row_parts.size() && stat(row_parts[row_at]) == stat(parts.front()));
  return true;
}

void Registry::Cursor::Walk::LoadCodes(const Part& part) {
  codes.clear();
  code_at = 0;
  code_part = part;
  const base::MutexLock lock(state->mutex);
  if (part.entry->blocks.empty()) return;
  for (const auto& [code, raw] : RawCodes(*part.entry, part.row)) {
    codes.emplace_back(code, std::pair(raw - BaselineCode(*part.entry, code), raw));
  }
}

void Registry::Cursor::Walk::Describe(const Part& part, int code, Sample& sample) {
  const ScopeNames& names = part.entry->names;
  const StatRow& row = part.entry->type.rows[part.row];
  name = row.name;
  if (code != 0) base::Append(name, code);
  full_name.assign(names.prefix).append(name);
  family.assign(names.family_prefix).append(row.family);
  labels = names.labels;
  if (code != 0) labels.push_back({"envoy_response_code", base::Cat(code)});
  if (!row.class_value.empty()) {
    labels.push_back({"envoy_response_code_class", std::string(row.class_value)});
  }
  sample.scope = part.entry->scope;
  sample.scope_name = names.labels.empty() ? std::string_view() : names.labels.front().value;
  sample.name = name;
  sample.full_name = full_name;
  sample.family = family;
  sample.labels = labels;
  sample.kind = Sample::Kind::kCounter;
  sample.counter = 0;
  sample.gauge = 0;
  sample.buckets.clear();
  sample.sum = 0;
  sample.count = 0;
  sample.used = false;
}

}  // namespace sluice::observe
