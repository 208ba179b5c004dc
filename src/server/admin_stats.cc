// /stats, /stats/prometheus and /metrics: streamed, some 64 KiB at a time. envoy-behaviour.md 5.8.
#include "base/status.h"
#include "observe/exposition.h"
#include "server/admin_handlers.h"

namespace sluice::server {
namespace {

constexpr std::string_view kPrometheusType = "text/plain; version=0.0.4; charset=utf-8";

// ?usedonly, ?usedonly=off: the word alone means yes.
bool UsedOnly(const web::WebRequest& request, bool absent) {
  const auto value = request.Query("usedonly");
  if (!value) return absent;
  return *value != "off" && *value != "false" && *value != "0";
}

// ?type=, ?filter=; a text for the 400 when one is no good.
std::string ReadCommon(const web::WebRequest& request, observe::ExpositionOptions& options) {
  if (const auto type = request.Query("type"); type && *type != "All") {
    options.counters = *type == "Counters";
    options.gauges = *type == "Gauges";
    options.histograms = *type == "Histograms";
    options.texts = *type == "TextReadouts";
    if (!options.counters && !options.gauges && !options.histograms && !options.texts) {
      return "invalid &type= param\n";
    }
  }
  if (const auto pattern = request.Query("filter"); pattern && !pattern->empty()) {
    absl::StatusOr<observe::StatFilter> filter = observe::CompileStatFilter(*pattern);
    if (!filter.ok()) return base::Cat(base::MessageOf(filter.status()), "\n");
    options.filter = *std::move(filter);
  }
  return "";
}

template <typename Writer>
web::WebResponse Stream(std::shared_ptr<Writer> writer, std::string_view content_type) {
  web::WebResponse response = AdminText("");
  response.content_type = content_type;
  response.chunks = [writer = std::move(writer)](std::string& chunk) {
    return writer->Next(chunk);
  };
  return response;
}

}  // namespace

web::WebResponse HandlePrometheus(AdminSources& sources, const web::WebRequest& request) {
  observe::ExpositionOptions options;
  // What never moved is left out: a million series of zeros help nobody.
  options.used_only = UsedOnly(request, true);
  if (std::string wrong = ReadCommon(request, options); !wrong.empty()) {
    return AdminText(std::move(wrong), 400);
  }
  UpdateServerGauges(sources);
  return Stream(std::make_shared<observe::PrometheusWriter>(sources.registry, std::move(options)),
                kPrometheusType);
}

web::WebResponse HandleStats(AdminSources& sources, const web::WebRequest& request) {
  const std::string_view format = request.Query("format").value_or("text");
  if (format == "prometheus") return HandlePrometheus(sources, request);
  if (format != "text" && format != "json") {
    return AdminText("usage: /stats?format=(json|prometheus|text)\n\n", 400);
  }
  observe::ExpositionOptions options;
  options.used_only = UsedOnly(request, false);
  if (std::string wrong = ReadCommon(request, options); !wrong.empty()) {
    return AdminText(std::move(wrong), 400);
  }
  const std::string_view style = request.Query("histogram_buckets").value_or("summary");
  if (style == "cumulative") {
    options.style = observe::HistogramStyle::kCumulative;
  } else if (style == "disjoint") {
    options.style = observe::HistogramStyle::kDisjoint;
  } else if (style != "summary") {
    return AdminText("usage: /stats?histogram_buckets=(cumulative|disjoint|summary)\n", 400);
  }
  UpdateServerGauges(sources);
  const bool json = format == "json";
  return Stream(std::make_shared<observe::StatsWriter>(sources.registry, std::move(options),
                                                       json ? observe::StatsWriter::Format::kJson
                                                            : observe::StatsWriter::Format::kText),
                json ? "application/json" : "text/plain; charset=UTF-8");
}

}  // namespace sluice::server
