// What the API tells about proxies, health and counters.

#include <array>
#include <ctime>

#include "base/status.h"
#include "base/strings.h"
#include "fetch.h"
#include "rest_api.h"
#include "rest_api_answers.h"
#include "watches_types.h"

namespace sluice::control {
namespace {

using web::WebRequest;
using web::WebResponse;

// "refused" beats "pending" beats "current": of the worst type.
std::string_view StateOf(const ProxyStatus& proxy) {
  std::string_view state = "current";
  for (const ProxyStatus::OfType& type : proxy.types) {
    if (!type.error.empty()) return "refused";
    if (type.subscribed && type.sent_version != type.acked_version) state = "pending";
  }
  if (!proxy.settled) state = "pending";
  return state;
}

std::string TypeJson(const ProxyStatus::OfType& type) {
  JsonObject object;
  object.Add("sent", Quoted(type.sent_version));
  object.Add("acknowledged", Quoted(type.acked_version));
  object.Add("error", Quoted(type.error));
  object.Add("since", Quoted(IsoTime(type.changed)));
  return object.Text();
}

std::string ProxyJson(const ProxyStatus& proxy) {
  JsonObject types;
  for (std::size_t i = 0; i < kTypes; ++i) {
    if (proxy.types[i].subscribed) {
      types.Add(ShortName(static_cast<Type>(i)), TypeJson(proxy.types[i]));
    }
  }
  JsonObject object;
  object.Add("node", Quoted(proxy.node_id));
  object.Add("cluster", Quoted(proxy.node_cluster));
  object.Add("fleet", Quoted(proxy.fleet));
  object.Add("peer", Quoted(proxy.peer));
  object.Add("protocol", Quoted(proxy.delta ? "delta" : "sotw"));
  object.Add("since", Quoted(IsoTime(proxy.since)));
  object.Add("state", Quoted(StateOf(proxy)));
  object.Add("types", types.Text());
  std::string text = object.Text();
  text.pop_back();
  return text;
}

class MetricsText {
 public:
  void Family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    base::Append(text_, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
  }
  // `labels` with their braces, or "".
  void Sample(std::string_view labels, std::uint64_t value) {
    base::Append(text_, name_, labels, " ", value, "\n");
  }
  void PerType(const std::array<std::uint64_t, kTypes>& values) {
    for (std::size_t i = 0; i < kTypes; ++i) {
      Sample(base::Cat("{type=\"", ShortName(static_cast<Type>(i)), "\"}"), values[i]);
    }
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string name_;
  std::string text_;
};

}  // namespace

std::string IsoTime(base::WallTime time) {
  const auto ms = std::chrono::duration_cast<base::milliseconds>(time.time_since_epoch()).count();
  if (ms <= 0) return "";
  const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  const std::size_t size = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
  const std::string fraction = base::Cat(ms % 1000);
  return base::Cat(std::string_view(text, size), ".",
                   std::string_view("000").substr(fraction.size()), fraction, "Z");
}

WebResponse RestApi::Proxies(const WebRequest& request) const {
  if (request.method != "GET") return MethodAnswer("GET");
  std::string body = "{\"proxies\":[";
  bool first = true;
  for (const ProxyStatus& proxy : sources_.proxies()) {
    base::Append(body, first ? "\n" : ",\n", ProxyJson(proxy));
    first = false;
  }
  return JsonAnswer(200, base::Cat(body, "]}\n"));
}

WebResponse RestApi::Discovery(const WebRequest& request, Type type) const {
  if (request.method != "POST") return MethodAnswer("POST");
  if (auto wrong = WrongJson(request)) return std::move(*wrong);
  auto answer = FetchJson(sources_.snapshot ? sources_.snapshot() : nullptr, type, request.body);
  if (!answer.ok()) {
    const bool ours = answer.status().code() != absl::StatusCode::kInvalidArgument;
    return ErrorAnswer(ours ? 503 : 400, base::MessageOf(answer.status()));
  }
  if (answer->has_value()) return JsonAnswer(200, **std::move(answer));
  WebResponse unchanged;
  unchanged.status = 304;
  unchanged.content_type = "";
  return unchanged;
}

WebResponse RestApi::Ready(const WebRequest& request) const {
  if (!request.Query("verbose")) return TextAnswer(200, "ready\n");
  std::size_t refusing = 0;
  const auto proxies = sources_.proxies();
  for (const ProxyStatus& proxy : proxies) refusing += StateOf(proxy) == "refused" ? 1 : 0;
  const std::string file = file_.path.empty() ? "none"
                           : file_.error.empty()
                               ? base::Cat(base::Printable(file_.path, 4096), " ok")
                               : base::Cat("REFUSED: ", base::Printable(file_.error, 65536));
  std::string gone;
  for (const std::string& path : store_.current().snapshot->ca_files.gone) {
    base::Append(gone, "ca_file gone, its last content is used: ", base::Printable(path, 1024),
                 "\n");
  }
  return TextAnswer(200,
                    base::Cat("ready\nconfig: ", store_.current().etag, "\nfile: ", file,
                              "\nproxies: ", proxies.size(), ", refusing: ", refusing, "\n", gone));
}

WebResponse RestApi::Metrics() const {
  const AdsCounters ads = sources_.counters();
  std::uint64_t current = 0, pending = 0, refused = 0;
  for (const ProxyStatus& proxy : sources_.proxies()) {
    const std::string_view state = StateOf(proxy);
    ++(state == "current" ? current : state == "pending" ? pending : refused);
  }
  MetricsText text;
  text.Family("sluice_control_streams", "gauge", "xDS streams that are open, by what they have.");
  text.Sample("{state=\"current\"}", current);
  text.Sample("{state=\"pending\"}", pending);
  text.Sample("{state=\"refused\"}", refused);
  text.Family("sluice_control_streams_opened_total", "counter", "xDS streams that were opened.");
  text.Sample("", ads.streams_opened);
  text.Family("sluice_control_streams_refused_total", "counter",
              "xDS calls turned away: too many, without the token, or of an unknown method.");
  text.Sample("", ads.streams_refused);
  text.Family("sluice_control_streams_failed_total", "counter",
              "xDS streams closed because of what was sent on them.");
  text.Sample("", ads.streams_failed);
  text.Family("sluice_control_requests_total", "counter", "xDS requests received.");
  text.Sample("", ads.watches.requests);
  text.Family("sluice_control_requests_ignored_total", "counter",
              "xDS requests with an old nonce or of a type that is not served.");
  text.Sample("", ads.watches.ignored);
  text.Family("sluice_control_pushes_total", "counter", "xDS responses sent.");
  text.PerType(ads.watches.pushes);
  text.Family("sluice_control_acks_total", "counter", "xDS responses that a proxy accepted.");
  text.PerType(ads.watches.acks);
  text.Family("sluice_control_nacks_total", "counter", "xDS responses that a proxy refused.");
  text.PerType(ads.watches.nacks);
  text.Family("sluice_control_config_changes_total", "counter", "Configurations taken.");
  text.Sample("{source=\"api\"}", changes_);
  text.Sample("{source=\"file\"}", file_.loads);
  text.Family("sluice_control_config_refusals_total", "counter",
              "Configurations refused; the last good one stayed.");
  text.Sample("{source=\"api\"}", refusals_);
  text.Sample("{source=\"file\"}", file_.refusals);
  text.Family("sluice_control_file_in_use", "gauge",
              "1 unless the file of --config was refused when it was last read.");
  text.Sample("", file_.error.empty() ? 1 : 0);
  WebResponse response = TextAnswer(200, text.Take());
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

}  // namespace sluice::control
