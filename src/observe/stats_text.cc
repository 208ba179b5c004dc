#include <utility>

#include "base/strings.h"
#include "observe/exposition.h"
#include "observe/histogram_view.h"

namespace sluice::observe {
namespace {

using Sample = Registry::Sample;
using Kind = Sample::Kind;

constexpr std::size_t kPieceBytes = 48 * 1024;
constexpr unsigned kStepsPerPiece = 4096;  // See exposition.cc.

// Per bound, either up to it or since the bound before.
std::array<std::uint64_t, kEnvoyBounds.size()> CountsOf(const Sample& sample, bool disjoint) {
  auto counts = CumulativeCounts(sample.buckets);
  for (std::size_t i = counts.size() - 1; disjoint && i > 0; --i) counts[i] -= counts[i - 1];
  return counts;
}

void AppendTextHistogram(const Sample& sample, HistogramStyle style, std::string& out) {
  base::Append(out, sample.full_name, ":");
  if (sample.count == 0) {
    out += " No recorded values\n";
    return;
  }
  if (style == HistogramStyle::kSummary) {
    const auto values = Quantiles(sample.buckets);
    for (std::size_t i = 0; i < values.size(); ++i) {
      out += " P";
      AppendDouble(kEnvoyQuantiles[i] * 100, out);
      out += "(nan,";
      AppendDouble(values[i], out);
      out += ')';
    }
  } else {
    const auto counts = CountsOf(sample, style == HistogramStyle::kDisjoint);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      out += " B";
      AppendDouble(kEnvoyBounds[i], out);
      base::Append(out, "(0,", counts[i], ")");
    }
  }
  out += '\n';
}

void AppendJsonHistogram(const Sample& sample, HistogramStyle style, std::string& out) {
  out += "{\"name\":";
  base::AppendJsonString(out, sample.full_name);
  if (style == HistogramStyle::kSummary) {
    out += ",\"values\":[";
    const auto values = Quantiles(sample.buckets);
    for (std::size_t i = 0; i < values.size(); ++i) {
      base::Append(out, i == 0 ? "" : ",", "{\"interval\":null,\"cumulative\":");
      if (sample.count == 0) {
        out += "null";
      } else {
        AppendDouble(values[i], out);
      }
      out += '}';
    }
  } else {
    out += ",\"buckets\":[";
    const auto counts = CountsOf(sample, style == HistogramStyle::kDisjoint);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      base::Append(out, i == 0 ? "" : ",", "{\"upper_bound\":");
      AppendDouble(kEnvoyBounds[i], out);
      base::Append(out, ",\"interval\":0,\"cumulative\":", counts[i], "}");
    }
  }
  out += "]}";
}

}  // namespace

// Text values, then counters and gauges, then histograms: two walks.
struct StatsWriter::State {
  enum class Part : std::uint8_t { kTexts, kNumbers, kHistograms, kEnd, kDone };

  State(const Registry& registry_in, ExpositionOptions options_in, Format format)
      : registry(registry_in), options(std::move(options_in)), json(format == Format::kJson) {}

  const Registry& registry;
  const ExpositionOptions options;
  const bool json;
  Part part = Part::kTexts;
  std::unique_ptr<Registry::Cursor> cursor;
  Sample sample;
  bool first = true;  // No element of "stats" yet.
  bool first_histogram = true;

  bool NextSample() {
    if (cursor == nullptr) {
      cursor = std::make_unique<Registry::Cursor>(registry, Registry::Cursor::Order::kByName);
    }
    if (cursor->Next(sample)) return true;
    cursor.reset();
    return false;
  }

  void AppendText(std::string_view name, std::string_view value, std::string& out) {
    if (!json) {
      base::Append(out, name, ": ");
      base::AppendJsonString(out, value);
      out += '\n';
      return;
    }
    AppendElement(name, out);
    base::AppendJsonString(out, value);
    out += '}';
  }

  void AppendElement(std::string_view name, std::string& out) {
    out += first ? "{\"name\":" : ",{\"name\":";
    first = false;
    base::AppendJsonString(out, name);
    out += ",\"value\":";
  }

  void AppendNumber(std::string& out) {
    const auto value = [&](const auto& number) {
      if (json) {
        AppendElement(sample.full_name, out);
        base::Append(out, number, "}");
      } else {
        base::Append(out, sample.full_name, ": ", number, "\n");
      }
    };
    if (sample.kind == Kind::kCounter) {
      value(sample.counter);
    } else {
      value(sample.gauge);
    }
  }

  void AppendHistogram(std::string& out) {
    if (!json) {
      AppendTextHistogram(sample, options.style, out);
      return;
    }
    const bool summary = options.style == HistogramStyle::kSummary;
    if (first_histogram) {
      base::Append(out, first ? "" : ",", "{\"histograms\":");
      out += summary ? "{\"supported_quantiles\":[0,25,50,75,90,95,99,99.5,99.9,100],"
                       "\"computed_quantiles\":["
                     : "[";
      first = false;
    } else {
      out += ',';
    }
    first_histogram = false;
    AppendJsonHistogram(sample, options.style, out);
  }

  // One step of work; false at the end.
  bool Step(std::string& out) {
    switch (part) {
      case Part::kTexts:
        if (json) out += "{\"stats\":[";
        for (const auto& [name, value] : registry.Texts()) {
          if (!options.texts || (options.filter != nullptr && !options.filter(name))) continue;
          AppendText(name, value, out);
        }
        part = Part::kNumbers;
        return true;
      case Part::kNumbers:
        if (!NextSample()) {
          part = Part::kHistograms;
        } else if (sample.kind != Kind::kHistogram && options.Wants(sample)) {
          AppendNumber(out);
        }
        return true;
      case Part::kHistograms:
        if (!NextSample()) {
          part = Part::kEnd;
        } else if (sample.kind == Kind::kHistogram && options.Wants(sample)) {
          AppendHistogram(out);
        }
        return true;
      case Part::kEnd:
        if (json) {
          if (!first_histogram) out += options.style == HistogramStyle::kSummary ? "]}}" : "]}";
          out += "]}";
        }
        part = Part::kDone;
        return true;
      case Part::kDone:
        return false;
    }
    return false;
  }
};

StatsWriter::StatsWriter(const Registry& registry, ExpositionOptions options, Format format)
    : state_(std::make_unique<State>(registry, std::move(options), format)) {}
StatsWriter::~StatsWriter() = default;

bool StatsWriter::Next(std::string& piece) {
  piece.clear();
  for (unsigned i = 0; i < kStepsPerPiece && piece.size() < kPieceBytes; ++i) {
    if (!state_->Step(piece)) return !piece.empty();
  }
  return true;
}

}  // namespace sluice::observe
