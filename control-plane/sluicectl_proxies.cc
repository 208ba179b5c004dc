// What the connected proxies have, and waiting until they have the newest.
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <iostream>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/yaml_tree.h"
#include "sluicectl.h"

namespace sluice::control {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kLookEveryMs = 50;
constexpr double kMomentS = 2;

struct Proxy {
  std::string node, cluster, fleet, peer, state, since, error;
};

// Nullopt after telling why.
std::optional<std::vector<Proxy>> ParseProxies(const CtlServer& server, const std::string& json) {
  config::YamlTree tree;
  base::FieldErrors errors;
  const config::YamlNode* list = nullptr;
  if (tree.Parse(json, server.url, errors)) list = tree.Find(tree.root(), "proxies");
  if (list == nullptr) {
    Fail("the server's answer cannot be read; try -o json");
    return std::nullopt;
  }
  const auto text = [&tree](const config::YamlNode& node, std::string_view name) {
    const config::YamlNode* value = tree.Find(node, name);
    return value == nullptr ? std::string() : base::Printable(value->text, 200);
  };
  std::vector<Proxy> proxies;
  for (const std::uint32_t index : list->children) {
    const config::YamlNode& node = tree.node(index);
    Proxy& proxy = proxies.emplace_back();
    const config::YamlNode* types = tree.Find(node, "types");
    for (std::size_t i = 0; types != nullptr && i + 1 < types->children.size(); i += 2) {
      const std::string one = text(tree.node(types->children[i + 1]), "error");
      if (!one.empty() && proxy.error.empty()) {
        proxy.error = base::Cat(tree.node(types->children[i]).text, ": ", one);
      }
    }
    proxy.node = text(node, "node");
    proxy.cluster = text(node, "cluster");
    proxy.fleet = text(node, "fleet");
    proxy.peer = text(node, "peer");
    proxy.state = text(node, "state");
    proxy.since = text(node, "since");
  }
  return proxies;
}

// Of those that do not have the newest; "" when all have it.
std::string Behind(const std::vector<Proxy>& proxies) {
  std::string names;
  std::size_t more = 0, named = 0;
  for (const Proxy& proxy : proxies) {
    if (proxy.state == "current") continue;
    if (named++ >= 10) {
      ++more;
      continue;
    }
    base::Append(names, names.empty() ? "" : ", ", proxy.node, " (", proxy.state, ")");
  }
  if (more > 0) base::Append(names, " and ", more, " more");
  return names;
}

}  // namespace

void PrintTable(const std::vector<TableRow>& rows) {
  std::vector<std::size_t> widths;
  for (const TableRow& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const TableRow& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    std::cout << line << "\n";
  }
}

int Proxies(const CtlServer& server, Output output) {
  int code = kOk;
  const CtlReply reply = CallApi(server, {.path = "/v1/proxies"}, code);
  if (code != kOk) return code;
  if (output == Output::kJson) {
    std::cout << reply.body;
    return kOk;
  }
  const auto proxies = ParseProxies(server, reply.body);
  if (!proxies.has_value()) return kFailed;
  std::vector<TableRow> rows = {{"NODE", "CLUSTER", "FLEET", "PEER", "STATE", "SINCE", "ERROR"}};
  for (const Proxy& proxy : *proxies) {
    rows.push_back({proxy.node, proxy.cluster, proxy.fleet, proxy.peer, proxy.state, proxy.since,
                    proxy.error});
  }
  PrintTable(rows);
  return kOk;
}

int AwaitProxies(const CtlServer& server) {
  const auto deadline =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(
                         std::chrono::duration<double>(server.wait_s.value_or(kMomentS)));
  std::vector<Proxy> proxies;
  std::string behind;
  for (;;) {
    int code = kOk;
    const CtlReply reply = CallApi(server, {.path = "/v1/proxies"}, code);
    if (code != kOk) return code;
    auto parsed = ParseProxies(server, reply.body);
    if (!parsed.has_value()) return kFailed;
    proxies = *std::move(parsed);
    behind = Behind(proxies);
    const bool pending = std::any_of(proxies.begin(), proxies.end(),
                                     [](const Proxy& proxy) { return proxy.state == "pending"; });
    if (!pending || Clock::now() >= deadline) break;
    ::poll(nullptr, 0, kLookEveryMs);
  }
  if (proxies.empty()) {
    std::cout << "no proxy is connected\n";
    return kOk;
  }
  if (behind.empty()) {
    std::cout << "acknowledged by all proxies: " << proxies.size() << "\n";
    return kOk;
  }
  const auto current = std::count_if(proxies.begin(), proxies.end(),
                                     [](const Proxy& proxy) { return proxy.state == "current"; });
  std::cout << "acknowledged by " << current << " of " << proxies.size()
            << " proxies; not by: " << behind << "\n";
  bool refused = false;
  for (const Proxy& proxy : proxies) {
    if (proxy.error.empty()) continue;
    refused = true;
    std::cerr << "sluicectl: " << proxy.node << " refuses " << proxy.error << "\n";
  }
  if (!server.wait_s.has_value()) return kOk;
  return refused ? kRefused : kFailed;
}

}  // namespace sluice::control
