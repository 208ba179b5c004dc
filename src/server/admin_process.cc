// What the process says of itself: /server_info, /memory and the "server." gauges.
#include <algorithm>
#include <limits>

#include "config/proto_json.h"
#include "observe/stats.h"
#include "server/admin_handlers.h"
#include "server/json_writer.h"
#include "server/node_proto.h"
#include "server/process_memory.h"
#include "server/version.h"

namespace sluice::server {
namespace {

std::int64_t UptimeSeconds(const AdminSources& sources) {
  return std::chrono::duration_cast<base::seconds>(sources.clock.WallNow() - sources.started)
      .count();
}

std::string SecondsText(std::int64_t seconds) { return base::Cat(seconds, "s"); }

// As protobuf prints a duration: "0.250s", "10s".
std::string MillisecondsText(std::uint64_t ms) {
  if (ms % 1000 == 0) return base::Cat(ms / 1000, "s");
  const std::string rest = base::Cat(ms % 1000 + 1000);
  return base::Cat(ms / 1000, ".", rest.substr(1), "s");
}

std::string_view StateName(ServerState state) {
  switch (state) {
    case ServerState::kLive:
      return "LIVE";
    case ServerState::kDraining:
      return "DRAINING";
    case ServerState::kPreInitializing:
      return "PRE_INITIALIZING";
    case ServerState::kInitializing:
      return "INITIALIZING";
  }
  return "";
}

std::string ComponentLevels(const Options& options) {
  std::string out;
  for (const auto& [component, level] : options.component_log_levels) {
    base::Append(out, out.empty() ? "" : ",", base::ComponentName(component), ":",
                 base::LogLevelName(level));
  }
  return out;
}

void WriteOptions(const Options& options, JsonWriter& json) {
  json.OpenObject("command_line_options");
  json.Member("concurrency", options.concurrency);
  json.Member("config_path", options.config_path);
  // Its text may hold a private key; /config_dump shows it without.
  json.Member("config_yaml", options.config_yaml.empty() ? "" : "[redacted]");
  json.Member("allow_unknown_static_fields", options.overrides.allow_unknown_static_fields);
  json.Member("reject_unknown_dynamic_fields", options.reject_unknown_dynamic_fields);
  json.Member("admin_address_path", options.admin_address_path);
  json.Member("log_level", base::LogLevelName(options.log_level));
  json.Member("component_log_level", ComponentLevels(options));
  json.Member("log_format",
              options.log_format.empty() ? base::kDefaultLogFormat : options.log_format);
  json.Member("log_path", options.log_path);
  json.Member("service_cluster", options.overrides.service_cluster);
  json.Member("service_node", options.overrides.service_node);
  json.Member("service_zone", options.overrides.service_zone);
  json.Member("drain_strategy", options.drain_immediately ? "Immediate" : "Gradual");
  json.Member("mode", options.mode == Options::Mode::kServe ? "Serve" : "Validate");
  json.Member("disable_hot_restart", true);
  json.Member("restart_epoch", 0);
  json.Member("file_flush_interval", MillisecondsText(options.file_flush_interval_ms));
  json.Member("file_flush_min_size_kb", options.file_flush_min_size_kb);
  json.Member("drain_time", SecondsText(options.drain_time_s));
  // Ours alone.
  json.Member("defaults", options.defaults == config::Defaults::kSafe ? "safe" : "envoy");
  json.Member("admin_token_file", options.admin_token_file);
  json.Member("insecure_listen", options.insecure_listen);
  json.Member("state_dir", options.state_dir);
  json.Member("shutdown_time", SecondsText(options.shutdown_time_s));
  json.Member("shutdown_grace", SecondsText(options.shutdown_grace_s));
  json.Close();
}

}  // namespace

std::vector<std::string> InsecureSettings(const AdminSources& sources) {
  std::vector<std::string> out;
  const auto& address = sources.bootstrap.admin_address;
  if (address && !address->IsLoopback() && sources.options.admin_token_file.empty()) {
    out.push_back(base::Cat("admin listens on ", address->ToString(), " without a token"));
  }
  if (sources.options.defaults == config::Defaults::kEnvoy) {
    out.push_back("--defaults=envoy: fields that are not set mean what they mean to Envoy");
  }
  std::vector<std::string> unverified;
  sources.clusters()->ForEach([&](std::string_view name, const auto& view) {
    if (view->config->tls && !view->config->tls->verify) unverified.emplace_back(name);
  });
  std::ranges::sort(unverified);
  for (const std::string& name : unverified) {
    if (out.size() == 100) {
      out.push_back("and more clusters whose certificates are not verified");
      break;
    }
    out.push_back(base::Cat("cluster ", name, ": the upstream's certificate is not verified"));
  }
  return out;
}

ServerState StateOf(const AdminSources& sources) {
  return sources.healthcheck_failed ? ServerState::kDraining : sources.state.load();
}

web::WebResponse HandleServerInfo(AdminSources& sources, const web::WebRequest&) {
  std::string out;
  JsonWriter json(&out);
  const std::string uptime = SecondsText(UptimeSeconds(sources));
  json.OpenObject();
  json.Member("version", base::Cat("sluice/", kVersion));
  json.Member("state", StateName(StateOf(sources)));
  json.Member("hot_restart_version", "disabled");
  WriteOptions(sources.options, json);
  json.Key("node");
  json.BeginValue();
  config::AppendBytesJson("type.googleapis.com/envoy.config.core.v3.Node",
                          NodeBytes(sources.bootstrap.node), {.level = json.level()}, out);
  json.Member("uptime_current_epoch", uptime);
  json.Member("uptime_all_epochs", uptime);
  json.Member("configuration", ConfigOrigin(sources));
  json.OpenList("insecure");
  for (const std::string& line : InsecureSettings(sources)) json.Text(line);
  json.Close();
  json.Close();
  return AdminJson(std::move(out));
}

web::WebResponse HandleMemory(AdminSources&, const web::WebRequest&) {
  const ProcessMemory memory = ReadProcessMemory();
  std::string out;
  JsonWriter json(&out);
  json.OpenObject();
  json.Member("allocated", base::Cat(memory.allocated));
  json.Member("heap_size", base::Cat(memory.heap));
  json.Member("pageheap_free", base::Cat(memory.heap_free));
  json.Member("total_physical_bytes", base::Cat(memory.physical));
  json.Close();
  return AdminJson(std::move(out));
}

void UpdateServerGauges(AdminSources& sources) {
  observe::ServerStats& stats = sources.stats;
  const ServerState state = StateOf(sources);
  stats.uptime.Set(UptimeSeconds(sources));
  stats.config_age_seconds.Set(ConfigAgeSeconds(sources));
  stats.live.Set(state == ServerState::kLive ? 1 : 0);
  stats.state.Set(static_cast<std::int64_t>(state));
  stats.version.Set(kVersionMajor * 10'000 + kVersionMinor * 100 + kVersionPatch);
  stats.total_connections.Set(sources.registry.GaugeValue("worker.connections").value_or(0));
  std::optional<base::WallTime> first = sources.expiries.First(*sources.clusters());
  if (sources.listener_certificates) {
    const auto other = sources.expiries.FirstOfListeners(sources.listener_certificates());
    if (other && (!first || *other < *first)) first = other;
  }
  if (first) {
    stats.days_until_first_cert_expiring.Set(DaysUntil(*first, sources.clock.WallNow()));
  } else if (stats.days_until_first_cert_expiring.Used()) {
    // The last one went. Envoy's value for none: an alert must not go on firing.
    stats.days_until_first_cert_expiring.Set(std::numeric_limits<std::int32_t>::max());
  }
  const ProcessMemory memory = ReadProcessMemory();
  stats.memory_allocated.Set(static_cast<std::int64_t>(memory.allocated));
  stats.memory_heap_size.Set(static_cast<std::int64_t>(memory.heap));
  stats.memory_physical_size.Set(static_cast<std::int64_t>(memory.physical));
}

}  // namespace sluice::server
