// sluicectl: the command line of sluice-control.
#include "sluicectl.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "base/strings.h"

namespace sluice::control {
namespace {

constexpr char kAbout[] =
    "sluicectl: look at and change what sluice-control serves\n"
    "\n"
    "Examples:\n"
    "  sluicectl validate -f apps.yaml               check a file, without a server\n"
    "  sluicectl apply -f apps.yaml                  serve it\n"
    "  sluicectl get routes                          what is served now\n"
    "  sluicectl app set python --url http://127.0.0.1:9001     move an app; nothing is dropped\n"
    "  sluicectl route add '*' --path /v2 --app python          before a last catch-all route\n"
    "  sluicectl route rm '*' v2\n"
    "  sluicectl explain http://shop.example.com/v2/x           why a request goes where it goes\n"
    "  sluicectl proxies                             who is connected, and what each refused\n";
constexpr char kFooter[] =
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no connection, 4 refused by validation,\n"
    "5 somebody else changed it first (--if-match).\n"
    "Changes tell which proxies acknowledged them; with --wait it is a failure when one does not.";

// Everything the flags can hold; the command that was given reads its part.
struct Flags {
  CtlServer server;
  bool version = false;
  std::string file, if_match, what = "routes", output = "table", host, id, shell;
  std::string admin = "127.0.0.1:9901";
  AppFlags app;
  RouteFlags route;
  ExplainFlags explain;

  Output OutputKind() const {
    return output == "json" ? Output::kJson : output == "yaml" ? Output::kYaml : Output::kTable;
  }
};

void AddWait(CLI::App& command, Flags& flags) {
  command.add_flag_function(
      "--wait{30}",
      [&flags](std::int64_t seconds) { flags.server.wait_s = static_cast<double>(seconds); },
      "Wait until every connected proxy acknowledged it, at most SECONDS (--wait=SECONDS, 30); "
      "without it only a moment");
}

void AddApply(CLI::App& app, Flags& flags, int& code) {
  CLI::App* apply = app.add_subcommand("apply", "Replace the whole configuration by a file");
  apply->add_option("-f,--file", flags.file, "The apps file, YAML or JSON; - is stdin")->required();
  apply->add_option("--if-match", flags.if_match, "Only when the ETag is still this one");
  AddWait(*apply, flags);
  apply->footer("Example: sluicectl apply -f apps.yaml --wait=10");
  apply->callback([&] { code = Apply(flags.server, flags.file, flags.if_match); });

  CLI::App* validate = app.add_subcommand("validate", "Check a file as proxies would, offline");
  validate->add_option("-f,--file", flags.file, "The apps file; - is stdin")->required();
  validate->footer("Errors are `file:line: field: what is wrong`; exit code 4 then.");
  validate->callback([&] { code = Validate(flags.file); });
}

void AddGet(CLI::App& app, Flags& flags, int& code) {
  CLI::App* get = app.add_subcommand("get", "Print what is served");
  get->add_option("what", flags.what, "apps, hosts, routes or config (default: routes)")
      ->check(CLI::IsMember({"apps", "hosts", "routes", "config"}));
  get->add_option("-o,--output", flags.output, "table, yaml or json")
      ->check(CLI::IsMember({"table", "yaml", "json"}));
  get->footer("Example: sluicectl get config -o yaml > apps.yaml   (and apply it again)");
  get->callback([&] { code = Get(flags.server, flags.what, flags.OutputKind()); });

  CLI::App* proxies = app.add_subcommand("proxies", "Print the connected proxies");
  proxies->add_option("-o,--output", flags.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  proxies->callback([&] { code = Proxies(flags.server, flags.OutputKind()); });
}

void AddApp(CLI::App& app, Flags& flags, int& code) {
  CLI::App* apps = app.add_subcommand("app", "Add, change or remove an app");
  apps->require_subcommand(1);
  CLI::App* set = apps->add_subcommand("set", "Add an app, or change what is given of it");
  set->add_option("name", flags.app.name, "Its name")->required();
  set->add_option("--url", flags.app.urls, "http(s)://host[:port]; several are balanced");
  set->add_option("--connect-timeout", flags.app.connect_timeout, "As 2s");
  set->add_option("--ca-file", flags.app.ca_file, "On the server: CAs instead of the system's");
  AddWait(*set, flags);
  set->footer("Example: sluicectl app set api --url http://10.0.0.1:80 --url http://10.0.0.2:80");
  set->callback([&] { code = SetApp(flags.server, flags.app); });
  CLI::App* rm = apps->add_subcommand("rm", "Remove an app that no route names");
  rm->add_option("name", flags.app.name, "Its name")->required();
  AddWait(*rm, flags);
  rm->callback([&] { code = RemoveApp(flags.server, flags.app.name); });
}

void AddMatchFlags(CLI::App& add, RouteFlags& route) {
  CLI::Option_group* match = add.add_option_group("match", "What it matches (one of these)");
  match->add_option("--path", route.path, "That path and below");
  match->add_option("--prefix", route.prefix, "Whatever begins with it");
  match->add_option("--exact", route.exact, "That path alone");
  match->add_option("--regex", route.regex, "RE2, over the whole path");
  match->require_option(1);
  CLI::Option_group* action = add.add_option_group("action", "What it does (one of these)");
  action->add_option("--app", route.app, "Forward to this app");
  action->add_option("--split", route.split, "APP=WEIGHT, several times")->allow_extra_args(false);
  action->add_option("--respond", route.respond, "Answer with this status")
      ->check(CLI::Range(200, 599));
  action->add_option("--redirect", route.redirect, "A path or a URL");
  action->require_option(1);
}

void AddRoutes(CLI::App& app, Flags& flags, int& code) {
  CLI::App* routes = app.add_subcommand("route", "Add or remove a route");
  routes->require_subcommand(1);
  CLI::App* add = routes->add_subcommand("add", "Add a route to a host");
  RouteFlags& route = flags.route;
  add->add_option("host", route.host, "A host of the configuration, as '*'")->required();
  AddMatchFlags(*add, route);
  add->add_option("--body", route.body, "With --respond")->needs("--respond");
  add->add_option("--status", route.status, "With --redirect")
      ->needs("--redirect")
      ->check(CLI::IsMember({"301", "302", "303", "307", "308"}));
  add->add_flag("--strip-prefix", route.strip_prefix, "/x/a reaches the app as /a");
  add->add_option("--rewrite", route.rewrite, "Another prefix for the app");
  add->add_option("--host-header", route.host_header, "The Host that the app sees");
  add->add_option("--timeout", route.timeout, "For the whole answer, as 30s");
  add->add_option("--method", route.methods, "Only this method; several times")
      ->allow_extra_args(false);
  add->add_option("--set-header", route.set_headers, "\"name: value\" to the app")
      ->allow_extra_args(false);
  add->add_option("--set-response-header", route.set_response_headers,
                  "\"name: value\" to the client")
      ->allow_extra_args(false);
  add->add_option("--id", route.id, "Its name; else made of the path");
  add->add_option("--before", route.before, "The id of the route that comes next");
  AddWait(*add, flags);
  add->footer(
      "Example: sluicectl route add '*' --path /beta --split new=10 --split old=90\n"
      "Without --before it goes last, but before a last route for /.");
  add->callback([&] { code = AddRoute(flags.server, flags.route); });
  CLI::App* rm = routes->add_subcommand("rm", "Remove a route of a host");
  rm->add_option("host", flags.host, "The host")->required();
  rm->add_option("id", flags.id, "Its id, as `sluicectl get routes` prints it")->required();
  AddWait(*rm, flags);
  rm->callback([&] { code = RemoveRoute(flags.server, flags.host, flags.id); });
}

void AddOthers(CLI::App& app, Flags& flags, int& code) {
  CLI::App* explain = app.add_subcommand("explain", "Tell which route a request takes, and why");
  explain->add_option("url", flags.explain.url, "http://host[:port]/path, or a path alone")
      ->required();
  explain->add_option("--method", flags.explain.method, "Default: GET");
  explain->add_option("--header", flags.explain.headers, "\"name: value\"; several times")
      ->allow_extra_args(false);
  explain->add_option("-f,--file", flags.explain.file, "An apps file instead of the server");
  explain->footer("Example: sluicectl explain http://shop.example.com/v2/x -f apps.yaml");
  explain->callback([&] { code = Explain(flags.server, flags.explain); });

  CLI::App* status = app.add_subcommand("status", "Ask a proxy's admin port whether it is ready");
  status->add_option("--admin", flags.admin, "HOST:PORT (default: 127.0.0.1:9901)");
  status->callback([&] { code = Status(flags.admin); });

  CLI::App* completion = app.add_subcommand("completion", "Print a completion script");
  completion->add_option("shell", flags.shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->footer("Example: source <(sluicectl completion bash)");
  completion->callback([&] { code = Completion(flags.shell); });
}

int Run(int argc, char** argv) {
  Flags flags;
  int code = kOk;
  CLI::App app(kAbout, "sluicectl");
  app.footer(kFooter);
  app.add_option("--server", flags.server.url, "The API (default: http://127.0.0.1:18001)")
      ->envname("SLUICE_API");
  app.add_option("--token-file", flags.server.token_file, "A file that holds the API's token");
  app.set_version_flag("--version", base::Cat("sluicectl ", SLUICE_VERSION));
  app.require_subcommand(1);
  app.fallthrough();  // --server may stand behind the command, too.
  AddApply(app, flags, code);
  AddGet(app, flags, code);
  AddApp(app, flags, code);
  AddRoutes(app, flags, code);
  AddOthers(app, flags, code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version are "errors" with code 0.
    return app.exit(error, std::cout, std::cerr) == 0 ? kOk : kUsage;
  }
  return code;
}

}  // namespace
}  // namespace sluice::control

int main(int argc, char** argv) { return sluice::control::Run(argc, argv); }
