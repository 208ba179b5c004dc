#include "harness/tls_config.h"

#include "base/strings.h"

namespace sluice::harness {

std::string QuotedText(std::string_view pem) {
  std::string out;
  base::AppendJsonString(out, pem);
  return out;
}

std::string InlineCertificate(const Identity& identity) {
  return base::Cat("{ certificate_chain: { inline_string: ", QuotedText(identity.certificate_pem),
                   " }, private_key: { inline_string: ", QuotedText(identity.private_key_pem),
                   " } }");
}

// A chain with a connection manager that answers `body`. `tls`: fields of the context, "": none.
std::string TlsChain(std::string_view name, std::string_view match, std::string_view tls,
                     std::string_view body) {
  return base::Cat(
      "    - name: ", name, "\n      filter_chain_match: { ", match, " }\n",
      tls.empty() ? std::string()
                  : base::Cat("      transport_socket: { name: tls, typed_config: { \"@type\": "
                              "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
                              "DownstreamTlsContext, ",
                              tls, " } }\n"),
      "      filters:\n"
      "      - name: hcm\n"
      "        typed_config:\n"
      "          \"@type\": type.googleapis.com/envoy.extensions.filters.network."
      "http_connection_manager.v3.HttpConnectionManager\n"
      "          stat_prefix: ",
      name,
      "\n          route_config: { virtual_hosts: [ { name: a, domains: [\"*\"], routes: [ { "
      "match: { prefix: /who, tls_context: { presented: true, validated: true } }, "
      "direct_response: { status: 200, body: { inline_string: known } } }, { match: "
      "{ prefix: /who, tls_context: { presented: false } }, "
      "direct_response: { status: 200, body: { inline_string: nobody } } }, { match: "
      "{ prefix: / }, direct_response: { status: 200, body: { inline_string: ",
      body,
      " } } } ] } ] }\n"
      "          http_filters: [ { name: router, typed_config: { \"@type\": type.googleapis.com/"
      "envoy.extensions.filters.http.router.v3.Router } } ]\n");
}

std::string TlsBootstrap(const std::vector<std::string>& chains, std::string_view listener) {
  std::string out =
      "admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }\n"
      "static_resources:\n"
      "  listeners:\n"
      "  - name: in\n"
      "    stat_prefix: in\n"
      "    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }\n";
  base::Append(out, listener, "    filter_chains:\n");
  for (const std::string& chain : chains) out += chain;
  return out;
}

std::string TlsFields(std::string_view fields) {
  return base::Cat("common_tls_context: { ", fields, " }");
}

}  // namespace sluice::harness
