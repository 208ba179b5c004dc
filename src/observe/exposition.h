#pragma once
// Renders the registry for readers: Prometheus text, and Envoy's /stats as text or JSON.
//
// Each writer hands out one piece of at most some 64 KiB per Next, so that a scrape of 10,000
// clusters costs little memory and a slow reader holds nothing up. One thread each; the registry
// must outlive them.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "observe/registry.h"

namespace sluice::observe {

// Whether a full name ("cluster.web.upstream_rq_total") is wanted.
using StatFilter = std::function<bool(std::string_view full_name)>;

// ?filter=: RE2, anywhere in the name. An error says what is wrong with `pattern`.
absl::StatusOr<StatFilter> CompileStatFilter(std::string_view pattern);

enum class HistogramStyle : std::uint8_t { kSummary, kCumulative, kDisjoint };

struct ExpositionOptions {
  bool used_only = true;
  StatFilter filter;  // Unset: all.
  // ?type=
  bool counters = true;
  bool gauges = true;
  bool histograms = true;
  bool texts = true;                                // Not for Prometheus.
  HistogramStyle style = HistogramStyle::kSummary;  // Not for Prometheus.

  bool Wants(const Registry::Sample& sample) const;
};

// Content-Type: text/plain; version=0.0.4. Through prometheus-cpp, family by family, each with #
// HELP and # TYPE. envoy-behaviour.md 5.9.
class PrometheusWriter {
 public:
  PrometheusWriter(const Registry& registry, ExpositionOptions options);
  ~PrometheusWriter();
  PrometheusWriter(const PrometheusWriter&) = delete;
  PrometheusWriter& operator=(const PrometheusWriter&) = delete;

  // Replaces `piece`, at times with nothing; false, and `piece` empty, when all was handed out.
  bool Next(std::string& piece);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// envoy-behaviour.md 5.8. Intervals are not kept: their places say "nan", null or 0.
class StatsWriter {
 public:
  enum class Format : std::uint8_t { kText, kJson };
  StatsWriter(const Registry& registry, ExpositionOptions options, Format format);
  ~StatsWriter();
  StatsWriter(const StatsWriter&) = delete;
  StatsWriter& operator=(const StatsWriter&) = delete;

  bool Next(std::string& piece);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::observe
