#include "proxy/response_headers.h"

#include <charconv>
#include <string>

#include "base/strings.h"

namespace sluice::proxy {
namespace {

using http::Name;
using ServerHeader = config::HttpConnectionManager::ServerHeader;

void SetOrAdd(http::Fields& fields, Name name, std::string_view value) {
  if (fields.Has(name)) {
    fields.Set(name, value);
  } else {
    fields.Add(name, value);
  }
}

}  // namespace

void PrepareResponseFields(const config::HttpConnectionManager& http, const ResponseFacts& facts,
                           http::Fields& fields) {
  if (facts.upstream_ms.has_value()) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof(digits), *facts.upstream_ms).ptr;
    SetOrAdd(fields, Name::kXEnvoyUpstreamServiceTime,
             {digits, static_cast<std::size_t>(end - digits)});
  }
  if (!fields.Has(Name::kDate)) fields.Add(Name::kDate, facts.date);
  switch (http.server_header) {
    case ServerHeader::kOverwrite:
      SetOrAdd(fields, Name::kServer, http.server_name);
      break;
    case ServerHeader::kAppendIfAbsent:
      if (!fields.Has(Name::kServer)) fields.Add(Name::kServer, http.server_name);
      break;
    case ServerHeader::kPassThrough:
      break;
  }
  if (!http.via.empty()) {
    std::string scratch;
    const auto via = fields.GetJoined("via", scratch);
    const std::string value = via.has_value() ? base::Cat(*via, ", ", http.via) : http.via;
    fields.Set(Name::kVia, value);
  }
  if (http.request_id_in_response && !facts.request_id.empty()) {
    SetOrAdd(fields, Name::kXRequestId, facts.request_id);
  }
}

}  // namespace sluice::proxy
