#pragma once
// How the API's answers look. Pure; any thread.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/field_errors.h"
#include "web/message.h"

namespace sluice::control {

web::WebResponse TextAnswer(unsigned status, std::string body);
web::WebResponse JsonAnswer(unsigned status, std::string body);
// {"error": ..., "errors": [{"path", "message", "location"}]}
web::WebResponse ErrorAnswer(unsigned status, std::string_view error,
                             const std::vector<base::FieldError>& errors = {});
// 405.
web::WebResponse MethodAnswer(std::string_view allow);
// 415 unless the body says that it is JSON, or nothing.
std::optional<web::WebResponse> WrongJson(const web::WebRequest& request);

// As a JSON string.
std::string Quoted(std::string_view text);

class JsonObject {
 public:
  // `json` is a whole value.
  void Add(std::string_view name, std::string_view json);
  std::string Text() const { return text_ + "}\n"; }

 private:
  std::string text_ = "{";
};

}  // namespace sluice::control
