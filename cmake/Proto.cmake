# proto/**/*.proto -> C++ in <build>/proto -> sluice_proto, a SYSTEM library without warnings or sanitizers.
#
# No gRPC code is generated: transports use generic stubs on bytes, so that gRPC's threads parse nothing.
# A file whose services need stubs is named here, relative to proto/.
set(SLUICE_GRPC_PROTOS "")

file(GLOB_RECURSE sluice_proto_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/proto/*.proto)
set(SLUICE_PROTO_DIR ${CMAKE_BINARY_DIR}/proto)
file(MAKE_DIRECTORY ${SLUICE_PROTO_DIR})

set(sluice_proto_sources "")
foreach(file IN LISTS sluice_proto_files)
  file(RELATIVE_PATH name ${CMAKE_SOURCE_DIR}/proto ${file})
  string(REGEX REPLACE "\\.proto$" "" stem ${name})
  set(outputs ${SLUICE_PROTO_DIR}/${stem}.pb.h ${SLUICE_PROTO_DIR}/${stem}.pb.cc)
  set(plugin "")
  if(name IN_LIST SLUICE_GRPC_PROTOS)
    list(APPEND outputs ${SLUICE_PROTO_DIR}/${stem}.grpc.pb.h ${SLUICE_PROTO_DIR}/${stem}.grpc.pb.cc)
    set(plugin --grpc_out=${SLUICE_PROTO_DIR} --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>)
  endif()
  # An import's change matters to generated code only where names move, and then the C++ compiler sees it.
  add_custom_command(
    OUTPUT ${outputs}
    COMMAND protobuf::protoc -I ${CMAKE_SOURCE_DIR}/proto --cpp_out=${SLUICE_PROTO_DIR} ${plugin} ${name}
    DEPENDS ${file}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/proto
    COMMENT "protoc ${name}"
    VERBATIM)
  list(APPEND sluice_proto_sources ${outputs})
endforeach()

if(sluice_proto_sources)
  add_library(sluice_proto STATIC ${sluice_proto_sources})
  # Size and build time matter here, not speed: nothing on the request path touches a proto.
  target_compile_options(sluice_proto PRIVATE -w -g0 -O1)
  if(sluice_sanitize_flags)
    target_compile_options(sluice_proto PRIVATE -fno-sanitize=all)
  endif()
  # One translation unit per dozen files: parsing protobuf's own headers is most of the time. Each
  # generated file defines the same two static names, so each include gets them under names of its own.
  set_target_properties(sluice_proto PROPERTIES
    UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 12 UNITY_BUILD_UNIQUE_ID SLUICE_PROTO_FILE
    UNITY_BUILD_CODE_BEFORE_INCLUDE [[
#include "google/protobuf/generated_message_reflection.h"
#include "google/protobuf/generated_message_util.h"
#define SLUICE_JOIN_(a, b) a##_##b
#define SLUICE_JOIN(a, b) SLUICE_JOIN_(a, b)
#define schemas SLUICE_JOIN(schemas, SLUICE_PROTO_FILE)
#define file_default_instances SLUICE_JOIN(file_default_instances, SLUICE_PROTO_FILE)
]]
    UNITY_BUILD_CODE_AFTER_INCLUDE [[
#undef schemas
#undef file_default_instances
]])
  set(scope PUBLIC)
else()
  add_library(sluice_proto INTERFACE)
  set(scope INTERFACE)
endif()
target_include_directories(sluice_proto SYSTEM ${scope} ${SLUICE_PROTO_DIR})
target_link_libraries(sluice_proto ${scope} protobuf::libprotobuf)
