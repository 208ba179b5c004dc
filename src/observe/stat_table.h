#pragma once
// What is inside a block of cells: one row per statistic with its name, kind and place, and the
// names and tags that a scope puts around them. Constant tables and pure functions; any thread.
//
// envoy-behaviour of names: "cluster.python.upstream_rq_2xx" is, tags extracted, the family
// "cluster.upstream_rq_xx" with envoy_cluster_name="python" and envoy_response_code_class="2".

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "observe/registry.h"

namespace sluice::observe {

struct StatRow {
  enum class Kind : std::uint8_t { kCounter, kGauge, kHistogram, kCodes };
  std::string_view name;  // "upstream_rq_2xx"; kCodes: "upstream_rq_" before the code.
  Kind kind;
  std::size_t offset;            // Of the cell within its block.
  std::string_view family;       // "upstream_rq_xx"; mostly `name` itself.
  std::string_view class_value;  // "2"; "" when the row has no class tag.
};

struct BlockType {
  std::span<const StatRow> rows;
  void* (*make)();
  void (*destroy)(void* block);
};

// The type of a scope's blocks.
const BlockType& BlockTypeOf(Scope scope);
// REQUIRES: Block is one of stats.h.
template <typename Block>
const BlockType& BlockTypeFor();

// What stands around a block's statistics.
struct ScopeNames {
  std::string prefix;         // "cluster.python.": before a row's name in the full name.
  std::string family_prefix;  // "cluster.": the same without tag values.
  std::vector<Label> labels;  // {envoy_cluster_name, python}
};

// `name` is what Registry::Get was given; bytes that would break an output become '_'.
ScopeNames NamesOf(Scope scope, std::string_view name);

// One sentence for a family ("cluster.upstream_rq_xx"), for # HELP; never empty.
std::string HelpOf(std::string_view family);

}  // namespace sluice::observe
