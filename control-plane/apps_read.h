#pragma once
// The reader behind ParseApps(): a YAML tree to specs, every mistake with its line. Internal to
// apps_read*.cc; one per call, on the caller's stack.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps.h"
#include "base/field_errors.h"
#include "config/yaml_to_proto.h"
#include "config/yaml_tree.h"

namespace sluice::control {

class AppsReader {
 public:
  // Errors get their lines; `locations` gets the line of everything that was read.
  AppsReader(const config::YamlTree& tree, std::string_view file, base::FieldErrors& errors,
             config::LocationMap& locations)
      : tree_(tree), file_(file), errors_(errors), locations_(locations) {}

  void ReadConfig(const config::YamlNode& node, AppsConfig& out);
  void ReadApp(const config::YamlNode& node, AppSpec& out);
  void ReadHost(const config::YamlNode& node, HostSpec& out);
  void ReadRoute(const config::YamlNode& node, RouteSpec& out);

 private:
  using Node = config::YamlNode;
  struct Field {
    std::string_view name;
    std::function<void(const Node&)> read;
  };
  using Fields = std::vector<Field>;

  void Error(const Node& node, std::string_view message);
  void Expected(const Node& node, std::string_view what);
  // Counts and locates; false when this node must not be read.
  bool Enter(const Node& node);
  // A mapping with these keys and no others.
  void ReadFields(const Node& node, const Fields& fields);
  // A mapping from names to anything; `section` as in EntryPath().
  void ReadEntries(const Node& node, std::string_view section, std::size_t max,
                   const std::function<void(const std::string&, const Node&)>& read);
  // A list, or one value that stands for a list of one.
  void ReadList(const Node& node, std::string_view name, std::size_t max,
                const std::function<void(const Node&)>& read);

  void ReadListener(const Node& node, ListenerSpec& out);
  void ReadUrl(const Node& node, AppSpec& out);
  void ReadGrpcService(const Node& node, GrpcServiceSpec& out);
  Fields PartFields(AppsParts& out);
  void ReadHosts(const Node& node, AppsParts& out);
  void ReadFleet(const Node& node, FleetSpec& out);
  void ReadMatch(const Node& node, FleetMatch& out);
  void ReadCors(const Node& node, CorsSpec& out);
  void ReadSplit(const Node& node, RouteSpec& out);
  void ReadRespond(const Node& node, RouteSpec& out);
  void ReadRedirect(const Node& node, RouteSpec& out);
  void ReadHeaders(const Node& node, RouteSpec& out);
  void ReadRetries(const Node& node, RouteSpec& out);
  void ReadEdits(const Node& node, HeaderEdits& out);
  void ReadPairs(const Node& node, std::vector<std::pair<std::string, std::string>>& out);
  void ReadPath(const Node& node, RouteSpec::Match match, RouteSpec& out);

  void String(const Node& node, std::string& out);
  void Bool(const Node& node, bool& out);
  void Number(const Node& node, std::uint64_t high, std::uint64_t& out);
  void DurationMs(const Node& node, std::optional<std::uint64_t>& out);
  void Strings(const Node& node, std::string_view name, std::vector<std::string>& out);
  // Of several fields of which one may be given, the one given first; "" otherwise.
  void OnlyOne(const Node& node, std::string_view name, std::string_view& given);

  const config::YamlTree& tree_;
  const std::string_view file_;
  base::FieldErrors& errors_;
  config::LocationMap& locations_;
  std::size_t visited_ = 0;
};

}  // namespace sluice::control
