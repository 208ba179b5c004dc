#pragma once
// gRPC server reflection (v1 and v1alpha, whose bytes are the same): which services there are and
// what their messages look like, for tools such as grpcurl. gRPC's own implementation lists only
// services with generated code, and ours are generic.
//
// Pure; any thread. grpc/reflection/v1/reflection.proto.

#include <string>
#include <string_view>

namespace sluice::control {

bool IsReflection(std::string_view method);

// A serialised ServerReflectionRequest to a serialised ServerReflectionResponse.
std::string ReflectionAnswer(std::string_view request);

}  // namespace sluice::control
