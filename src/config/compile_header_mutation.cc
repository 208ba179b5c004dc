#include "config/compile_header_mutation.h"

#include "base/field_errors.h"
#include "config/compile.h"
#include "config/compile_headers.h"
#include "config/proto_values.h"
#include "envoy/extensions/filters/http/header_mutation/v3/header_mutation.pb.h"
#include "google/protobuf/any.pb.h"

namespace sluice::config {
namespace {

namespace mutationv3 = envoy::extensions::filters::http::header_mutation::v3;

MessageSteps CompileSteps(const mutationv3::Mutations& proto, base::FieldErrors& errors) {
  const base::FieldErrors::Scope scope(errors, "mutations");
  return {
      .request = CompileHeaderSteps(proto.request_mutations(), "request_mutations", errors),
      .request_trailers = CompileHeaderSteps(proto.request_trailers_mutations(),
                                             "request_trailers_mutations", errors),
      .response = CompileHeaderSteps(proto.response_mutations(), "response_mutations", errors),
      .response_trailers = CompileHeaderSteps(proto.response_trailers_mutations(),
                                              "response_trailers_mutations", errors),
  };
}

}  // namespace

std::optional<HttpFilterConfig> CompileHeaderMutation(const google::protobuf::Any& any,
                                                      const CompileOptions& options,
                                                      base::FieldErrors& errors) {
  mutationv3::HeaderMutation proto;
  if (!UnpackAny(any, options, proto, errors)) return std::nullopt;
  return HeaderMutationFilter{.steps = CompileSteps(proto.mutations(), errors),
                              .most_specific_wins = proto.most_specific_header_mutations_wins()};
}

std::optional<PerFilterConfig> CompileHeaderMutationPerRoute(const google::protobuf::Any& any,
                                                             const CompileOptions& options,
                                                             base::FieldErrors& errors) {
  mutationv3::HeaderMutationPerRoute proto;
  if (!UnpackAny(any, options, proto, errors)) return std::nullopt;
  return CompileSteps(proto.mutations(), errors);
}

}  // namespace sluice::config
