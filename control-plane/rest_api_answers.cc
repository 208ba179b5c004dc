#include "rest_api_answers.h"

#include <utility>

#include "base/strings.h"

namespace sluice::control {

using web::WebRequest;
using web::WebResponse;

WebResponse TextAnswer(unsigned status, std::string body) {
  WebResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

WebResponse JsonAnswer(unsigned status, std::string body) {
  WebResponse response = TextAnswer(status, std::move(body));
  if (!response.body.ends_with('\n')) response.body += '\n';
  response.content_type = "application/json";
  return response;
}

WebResponse ErrorAnswer(unsigned status, std::string_view error,
                        const std::vector<base::FieldError>& errors) {
  std::string body = base::Cat("{\"error\":", Quoted(error), ",\"errors\":[");
  for (std::size_t i = 0; i < errors.size(); ++i) {
    base::Append(body, i > 0 ? "," : "", "{\"path\":", Quoted(errors[i].path),
                 ",\"message\":", Quoted(errors[i].message),
                 ",\"location\":", Quoted(errors[i].location), "}");
  }
  return JsonAnswer(status, base::Cat(body, "]}\n"));
}

WebResponse MethodAnswer(std::string_view allow) {
  WebResponse response = ErrorAnswer(405, base::Cat("use ", allow));
  response.headers.push_back({"Allow", std::string(allow)});
  return response;
}

std::optional<WebResponse> WrongJson(const WebRequest& request) {
  const auto type = request.Header("Content-Type");
  if (!type || base::Lowercase(*type).find("json") != std::string::npos) return std::nullopt;
  return ErrorAnswer(415, "Content-Type: use application/json");
}

std::string Quoted(std::string_view text) {
  std::string out;
  base::AppendJsonString(out, text);
  return out;
}

void JsonObject::Add(std::string_view name, std::string_view json) {
  if (text_.size() > 1) text_ += ',';
  base::AppendJsonString(text_, name);
  text_ += ':';
  while (json.ends_with('\n')) json.remove_suffix(1);
  text_ += json;
}

}  // namespace sluice::control
