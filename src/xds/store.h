#pragma once
// The last good version of every resource that xDS delivered, compiled, with what became of the
// latest attempt. One bad resource is quarantined: the others of its response apply.
//
// Config thread; StoreView is an immutable copy that admin reads.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "config/compile.h"
#include "config/snapshot.h"
#include "xds/compile_resource.h"
#include "xds/references.h"
#include "xds/response.h"

namespace sluice::xds {

// What /config_dump tells about one resource.
struct ResourceRecord {
  std::string name;
  std::string version;                       // Of the good one; "" when there is none.
  std::shared_ptr<const std::string> bytes;  // The good one's wire bytes; null when there is none.
  base::WallTime updated;
  bool live = true;  // Clusters and listeners: false while it warms; then `active` serves, if any.
  std::shared_ptr<const ResourceRecord> active = nullptr;
  struct Error {
    std::string details;
    std::string version;
    base::WallTime when;
    std::shared_ptr<const std::string> bytes;  // What was refused.
  };
  std::optional<Error> error;  // The latest attempt failed.
};

struct StoreView {
  std::array<config::ShardedMap<ResourceRecord>, kResourceTypes.size()> records;
  std::array<std::string, kResourceTypes.size()> versions;  // version_info of the last response.
  const config::ShardedMap<ResourceRecord>& Of(ResourceType type) const {
    return records[static_cast<std::size_t>(type)];
  }
};

struct ApplyResult {
  std::vector<std::string> changed;  // New or different compiled values.
  std::vector<std::string> removed;  // No longer listed, or said to be gone.
  std::string error;                 // "": all good; else the text for the NACK.
  std::vector<RejectedResource> rejected;
  std::size_t unchanged = 0;
};

class Store {
 public:
  // `static_clusters` and `static_listeners` can be neither changed nor removed by xDS.
  Store(config::CompileOptions options, std::set<std::string> static_clusters,
        std::set<std::string> static_listeners);

  // Resources of a named type that are not in `wanted` are ignored.
  ApplyResult Apply(const Response& response, const References& wanted, base::WallTime now);
  // A resource of a named type that nobody refers to any more.
  void Forget(ResourceType type, const std::string& name);
  // The newest version of a cluster or listener serves now.
  void MarkLive(ResourceType type, const std::string& name);

  const config::Cluster* cluster(std::string_view name) const { return clusters_.Find(name); }
  const config::ShardedMap<config::Cluster>& clusters() const { return clusters_; }
  const config::ShardedMap<config::Listener>& listeners() const { return listeners_; }
  const config::ShardedMap<config::RouteTable>& routes() const { return routes_; }
  const config::ShardedMap<config::Assignment>& assignments() const { return assignments_; }
  const config::ShardedMap<config::RouteScope>& scopes() const { return scopes_; }
  const config::ShardedMap<config::ExtensionConfig>& extension_configs() const {
    return extension_configs_;
  }
  const config::ShardedMap<config::RuntimeLayerValues>& runtime() const { return runtime_; }
  const config::ShardedMap<config::Secret>& secrets() const { return secrets_; }
  // What VHDS delivered for a table, in order of names; null: it has not answered yet.
  using Hosts = std::map<std::string, std::shared_ptr<const config::VirtualHost>, std::less<>>;
  const Hosts* hosts_of(std::string_view table) const {
    const auto it = hosts_.find(table);
    return it == hosts_.end() ? nullptr : &it->second;
  }
  const StoreView& view() const { return view_; }
  // Resources whose latest version was not accepted.
  std::size_t rejected_now(ResourceType type) const { return rejected_now_[IndexOf(type)]; }

 private:
  // Keeps rejected_now_ right. A null `record` forgets the resource.
  void SetRecord(ResourceType type, std::string_view name,
                 std::shared_ptr<const ResourceRecord> record);
  template <typename T>
  void ApplyOne(const Response& response, const RawResource& resource,
                config::ShardedMap<T>& values, base::WallTime now);
  template <typename T>
  void Check(const Response& response, const T& value, base::FieldErrors& errors) const;
  void ApplyByType(const Response& response, const RawResource& resource, base::WallTime now);
  void UpdateHosts(const References& wanted);
  template <typename T>
  void RemoveNamed(const Response& response, config::ShardedMap<T>& values);
  void CheckClusters(const config::RouteTable& table, base::FieldErrors& errors) const;
  void FindTwice(const Response& response);
  void Reject(const Response& response, const RawResource& resource,
              const base::FieldErrors& errors, base::WallTime now);
  template <typename T>
  void RemoveGone(const Response& response, config::ShardedMap<T>& values);

  config::CompileOptions options_;
  std::set<std::string> static_clusters_;
  std::set<std::string> static_listeners_;
  config::ShardedMap<config::Cluster> clusters_;
  config::ShardedMap<config::Listener> listeners_;
  config::ShardedMap<config::RouteTable> routes_;
  config::ShardedMap<config::Assignment> assignments_;
  config::ShardedMap<config::VirtualHost> virtual_hosts_;  // "<table>/<host>".
  config::ShardedMap<config::RouteScope> scopes_;
  config::ShardedMap<config::ExtensionConfig> extension_configs_;
  config::ShardedMap<config::RuntimeLayerValues> runtime_;
  config::ShardedMap<config::Secret> secrets_;
  std::map<std::string, Hosts, std::less<>> hosts_;  // By table.
  StoreView view_;
  std::array<std::size_t, kResourceTypes.size()> rejected_now_{};

  // While one response is applied.
  ApplyResult result_;
  base::StringSet seen_;   // Names that were handled.
  base::StringSet twice_;  // Names that more than one resource of the response bears.
};

}  // namespace sluice::xds
