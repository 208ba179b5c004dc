// /clusters: every cluster with its hosts, as text or JSON, streamed. envoy-behaviour.md 5.4.
#include <algorithm>

#include "base/strings.h"
#include "server/admin_handlers.h"
#include "server/json_writer.h"

namespace sluice::server {
namespace {

using config::Endpoint;
using upstream::ClusterView;
using upstream::Host;
using upstream::HostStats;

constexpr std::size_t kPieceBytes = 48 * 1024;

// One host, summed over the workers.
struct HostSums {
  std::uint64_t cx_connect_fail = 0, cx_total = 0;
  std::uint64_t rq_error = 0, rq_success = 0, rq_timeout = 0, rq_total = 0;
  std::int64_t cx_active = 0, rq_active = 0;
};

HostSums SumsOf(const Host& host) {
  HostSums sums;
  if (host.stats == nullptr) return sums;
  for (const HostStats::PerWorker& worker : host.stats->workers) {
    sums.cx_connect_fail += worker.cx_connect_fail.Get();
    sums.cx_total += worker.cx_total.Get();
    sums.rq_error += worker.rq_error.Get();
    sums.rq_success += worker.rq_success.Get();
    sums.rq_timeout += worker.rq_timeout.Get();
    sums.rq_total += worker.rq_total.Get();
    sums.cx_active += worker.cx_active.Get();
    sums.rq_active += worker.rq_active.Get();
  }
  return sums;
}

std::string_view HealthFlags(Endpoint::Health health) {
  switch (health) {
    case Endpoint::Health::kUnknown:
    case Endpoint::Health::kHealthy:
      return "healthy";
    case Endpoint::Health::kUnhealthy:
    case Endpoint::Health::kDraining:
    case Endpoint::Health::kTimeout:
      return "/failed_eds_health";
    case Endpoint::Health::kDegraded:
      return "/degraded_eds_health";
  }
  return "";
}

void AppendHostText(const std::string& cluster, const Host& host, std::string& out) {
  const HostSums sums = SumsOf(host);
  const std::string prefix = base::Cat(cluster, "::", host.address.ToString(), "::");
  const auto line = [&](std::string_view name, const auto& value) {
    base::Append(out, prefix, name, "::", value, "\n");
  };
  line("cx_active", sums.cx_active);
  line("cx_connect_fail", sums.cx_connect_fail);
  line("cx_total", sums.cx_total);
  line("rq_active", sums.rq_active);
  line("rq_error", sums.rq_error);
  line("rq_success", sums.rq_success);
  line("rq_timeout", sums.rq_timeout);
  line("rq_total", sums.rq_total);
  line("hostname", base::Printable(host.hostname));
  line("health_flags", HealthFlags(host.health));
  line("weight", host.weight);
  line("region", "");
  line("zone", "");
  line("sub_zone", "");
  line("canary", "false");
  line("priority", 0);
  line("success_rate", "-1");
  line("local_origin_success_rate", "-1");
}

void WriteHostJson(const Host& host, JsonWriter& json) {
  const HostSums sums = SumsOf(host);
  const auto stat = [&](std::string_view name, auto value, bool gauge) {
    json.OpenObject();
    if (gauge) json.Member("type", "GAUGE");
    if (value != 0) json.Member("value", base::Cat(value));
    json.Member("name", name);
    json.Close();
  };
  json.OpenObject();
  json.Key("address");
  WriteAddressJson(host.address, json);
  json.OpenList("stats");
  stat("cx_connect_fail", sums.cx_connect_fail, false);
  stat("cx_total", sums.cx_total, false);
  stat("rq_error", sums.rq_error, false);
  stat("rq_success", sums.rq_success, false);
  stat("rq_timeout", sums.rq_timeout, false);
  stat("rq_total", sums.rq_total, false);
  stat("cx_active", sums.cx_active, true);
  stat("rq_active", sums.rq_active, true);
  json.Close();
  json.OpenObject("health_status");
  json.Member("eds_health_status", HealthName(host.health));
  json.Close();
  json.Member("weight", host.weight);
  if (!host.hostname.empty()) json.Member("hostname", host.hostname);
  json.Close();
}

// Goes through the clusters as they were at the request, host by host.
class ClustersWriter {
 public:
  ClustersWriter(const AdminSources& sources, bool wants_json)
      : wants_json_(wants_json), json_(&unused_) {
    for (const auto& each : sources.bootstrap.clusters) static_.insert(each.value->name);
    sources.clusters()->ForEach(
        [&](std::string_view, const auto& view) { clusters_.push_back(view); });
    std::ranges::sort(clusters_, {},
                      [](const auto& view) -> const std::string& { return view->config->name; });
  }

  bool Next(std::string& chunk) {
    json_.set_out(&chunk);
    if (wants_json_ && !begun_) {
      json_.OpenObject();
      if (!clusters_.empty()) json_.OpenList("cluster_statuses");
    }
    begun_ = true;
    while (chunk.size() < kPieceBytes) {
      if (cluster_ == clusters_.size()) {
        if (wants_json_ && !clusters_.empty()) json_.Close();
        if (wants_json_) json_.Close();
        return false;
      }
      wants_json_ ? StepJson() : StepText(chunk);
    }
    return true;
  }

 private:
  // The host whose turn it is, null when the cluster has no more.
  const Host* NextHost() {
    const auto& hosts = clusters_[cluster_]->hosts;
    if (hosts == nullptr || host_ == hosts->hosts.size()) return nullptr;
    return &hosts->hosts[host_++];
  }
  void NextCluster() {
    ++cluster_;
    host_ = 0;
    head_done_ = false;
  }

  void StepText(std::string& out) {
    const config::Cluster& config = *clusters_[cluster_]->config;
    const std::string name = base::Printable(config.name);
    if (!head_done_) {
      AppendHeadText(config, name, out);
      head_done_ = true;
    } else if (const Host* host = NextHost()) {
      AppendHostText(name, *host, out);
    } else {
      NextCluster();
    }
  }

  void AppendHeadText(const config::Cluster& config, const std::string& name, std::string& out) {
    const auto line = [&](std::string_view key, const auto& value) {
      base::Append(out, name, "::", key, "::", value, "\n");
    };
    line("observability_name", base::Printable(config.stat_name));
    for (std::size_t i = 0; i < config.breakers.size(); ++i) {
      const config::BreakerLimits& limits = config.breakers[i];
      const std::string priority = i == 0 ? "default_priority::" : "high_priority::";
      line(priority + "max_connections", limits.connections_max);
      line(priority + "max_pending_requests", limits.pending_max);
      line(priority + "max_requests", limits.requests_max);
      line(priority + "max_retries", limits.retries_max);
    }
    line("added_via_api", static_.contains(config.name) ? "false" : "true");
    if (!config.eds_service_name.empty()) {
      line("eds_service_name", base::Printable(config.eds_service_name));
    }
  }

  void StepJson() {
    const config::Cluster& config = *clusters_[cluster_]->config;
    if (!head_done_) {
      json_.OpenObject();
      json_.Member("name", config.name);
      if (!static_.contains(config.name)) json_.Member("added_via_api", true);
      head_done_ = true;
    } else if (const Host* host = NextHost()) {
      if (host_ == 1) json_.OpenList("host_statuses");
      WriteHostJson(*host, json_);
    } else {
      if (host_ > 0) json_.Close();
      WriteTailJson(config);
      NextCluster();
    }
  }

  void WriteTailJson(const config::Cluster& config) {
    json_.OpenObject("circuit_breakers");
    json_.OpenList("thresholds");
    for (std::size_t i = 0; i < config.breakers.size(); ++i) {
      const config::BreakerLimits& limits = config.breakers[i];
      json_.OpenObject();
      if (i > 0) json_.Member("priority", "HIGH");
      json_.Member("max_connections", limits.connections_max);
      json_.Member("max_pending_requests", limits.pending_max);
      json_.Member("max_requests", limits.requests_max);
      json_.Member("max_retries", limits.retries_max);
      json_.Close();
    }
    json_.Close();
    json_.Close();
    json_.Member("observability_name", config.stat_name);
    if (!config.eds_service_name.empty()) {
      json_.Member("eds_service_name", config.eds_service_name);
    }
    json_.Close();
  }

  const bool wants_json_;
  base::StringSet static_;
  std::vector<std::shared_ptr<const ClusterView>> clusters_;  // By name.
  std::string unused_;
  JsonWriter json_;
  bool begun_ = false;
  std::size_t cluster_ = 0;
  std::size_t host_ = 0;
  bool head_done_ = false;
};

}  // namespace

std::string_view HealthName(Endpoint::Health health) {
  switch (health) {
    case Endpoint::Health::kUnknown:
    case Endpoint::Health::kHealthy:
      return "HEALTHY";
    case Endpoint::Health::kUnhealthy:
      return "UNHEALTHY";
    case Endpoint::Health::kDraining:
      return "DRAINING";
    case Endpoint::Health::kTimeout:
      return "TIMEOUT";
    case Endpoint::Health::kDegraded:
      return "DEGRADED";
  }
  return "";
}

web::WebResponse HandleClusters(AdminSources& sources, const web::WebRequest& request) {
  const std::optional<bool> wants_json = WantsJson(request);
  if (!wants_json) return AdminText("usage: /clusters?format=(text|json)\n\n", 400);
  web::WebResponse response = *wants_json ? AdminJson("") : AdminText("");
  response.chunks = [writer = std::make_shared<ClustersWriter>(sources, *wants_json)](
                        std::string& chunk) { return writer->Next(chunk); };
  return response;
}

}  // namespace sluice::server
