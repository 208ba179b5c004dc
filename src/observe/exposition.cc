#include "observe/exposition.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <sstream>
#include <utility>

#include "base/field_errors.h"
#include "base/status.h"
#include "base/strings.h"
#include "config/matchers.h"
#include "observe/histogram_view.h"
#include "observe/stat_table.h"

namespace sluice::observe {
namespace {

using Kind = Registry::Sample::Kind;

constexpr std::size_t kPieceBytes = 48 * 1024;
// Metrics given to the serializer at a time: each takes half a kilobyte there.
constexpr std::size_t kBatch = 64;
// Looked at per piece: a filter that lets nothing through must not hold other readers up.
constexpr unsigned kSamplesPerPiece = 4096;
constexpr std::size_t kPatternBytesMax = 4096;

// "envoy_" and the family with every other character as '_'.
std::string PrometheusName(std::string_view family) {
  std::string name = base::Cat("envoy_", family);
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain) c = '_';
  }
  return name;
}

prometheus::MetricType TypeOf(Kind kind) {
  switch (kind) {
    case Kind::kCounter:
      return prometheus::MetricType::Counter;
    case Kind::kGauge:
      return prometheus::MetricType::Gauge;
    case Kind::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

// The one name of Envoy's whose unit promtool refuses: Prometheus gets it in seconds.
constexpr std::string_view kDaysFamily = "server.days_until_first_cert_expiring";
constexpr std::string_view kSecondsFamily = "server.seconds_until_first_cert_expiring";
constexpr double kSecondsPerDay = 86'400;

prometheus::ClientMetric ToMetric(const Registry::Sample& sample) {
  prometheus::ClientMetric metric;
  metric.label.reserve(sample.labels.size());
  for (const Label& label : sample.labels) {
    metric.label.push_back({std::string(label.name), label.value});
  }
  switch (sample.kind) {
    case Kind::kCounter:
      metric.counter.value = static_cast<double>(sample.counter);
      break;
    case Kind::kGauge:
      metric.gauge.value = static_cast<double>(sample.gauge);
      if (sample.family == kDaysFamily) metric.gauge.value *= kSecondsPerDay;
      break;
    case Kind::kHistogram: {
      const auto counts = CumulativeCounts(sample.buckets);
      metric.histogram.sample_count = sample.count;
      metric.histogram.sample_sum = static_cast<double>(sample.sum);
      metric.histogram.bucket.reserve(counts.size() + 1);
      for (std::size_t i = 0; i < counts.size(); ++i) {
        metric.histogram.bucket.push_back({counts[i], kEnvoyBounds[i]});
      }
      metric.histogram.bucket.push_back({sample.count, std::numeric_limits<double>::infinity()});
      break;
    }
  }
  return metric;
}

}  // namespace

absl::StatusOr<StatFilter> CompileStatFilter(std::string_view pattern) {
  if (pattern.size() > kPatternBytesMax)
    return base::InvalidArgument("Invalid re2 regex: too long");
  // Alone first: wrapped, an unbalanced pattern could turn into a valid one.
  base::FieldErrors errors;
  if (!config::Regex::Compile(pattern, errors).has_value()) {
    return base::InvalidArgument("Invalid re2 regex");
  }
  auto anywhere = config::Regex::Compile(base::Cat("(?s:.*)(?:", pattern, ")(?s:.*)"), errors);
  if (!anywhere.has_value()) return base::InvalidArgument("Invalid re2 regex");
  return StatFilter([regex = std::move(*anywhere)](std::string_view name) {
    return regex.FullMatch(name, config::Regex::kNoWorker);
  });
}

bool ExpositionOptions::Wants(const Registry::Sample& sample) const {
  if (used_only && !sample.used) return false;
  switch (sample.kind) {
    case Kind::kCounter:
      if (!counters) return false;
      break;
    case Kind::kGauge:
      if (!gauges) return false;
      break;
    case Kind::kHistogram:
      if (!histograms) return false;
      break;
  }
  return filter == nullptr || filter(sample.full_name);
}

struct PrometheusWriter::State {
  State(const Registry& registry, ExpositionOptions options_in)
      : cursor(registry, Registry::Cursor::Order::kByFamily), options(std::move(options_in)) {}

  Registry::Cursor cursor;
  ExpositionOptions options;
  Registry::Sample sample;
  std::vector<prometheus::MetricFamily> one{1};  // The family being gathered.
  std::string family;                            // Its dotted name.
  bool continued = false;                        // Its head is out already.
  prometheus::TextSerializer serializer;

  void Begin() {
    family = sample.family;
    continued = false;
    const std::string_view shown =
        family == kDaysFamily ? kSecondsFamily : std::string_view(family);
    one[0].name = PrometheusName(shown);
    one[0].help = HelpOf(shown);
    one[0].type = TypeOf(sample.kind);
  }

  void Flush(std::string& piece) {
    if (one[0].metric.empty()) return;
    std::ostringstream stream;
    serializer.Serialize(stream, one);
    const std::string text = std::move(stream).str();
    // The serializer heads every call with HELP and TYPE; a family has them once.
    std::size_t start = 0;
    if (continued) start = text.find('\n', text.find("# TYPE")) + 1;
    piece.append(text, start);
    one[0].metric.clear();
    continued = true;
  }
};

PrometheusWriter::PrometheusWriter(const Registry& registry, ExpositionOptions options)
    : state_(std::make_unique<State>(registry, std::move(options))) {}
PrometheusWriter::~PrometheusWriter() = default;

bool PrometheusWriter::Next(std::string& piece) {
  State& state = *state_;
  piece.clear();
  for (unsigned i = 0; i < kSamplesPerPiece && piece.size() < kPieceBytes; ++i) {
    if (!state.cursor.Next(state.sample)) {
      state.Flush(piece);
      return !piece.empty();
    }
    if (!state.options.Wants(state.sample)) continue;
    if (state.sample.family != state.family) {
      state.Flush(piece);
      state.Begin();
    }
    state.one[0].metric.push_back(ToMetric(state.sample));
    if (state.one[0].metric.size() >= kBatch) state.Flush(piece);
  }
  return true;
}

}  // namespace sluice::observe
