# One library per room of src/, linking exactly its row of the table in ARCHITECTURE.md.
# Files are globbed: a new file needs no edit here. tests/lint/check_layers.py checks the includes.

# sluice_room(<room> ROOMS <rooms it may include> LIBS <foreign libraries>)
function(sluice_room room)
  cmake_parse_arguments(arg "" "" "ROOMS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${room}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/src/server/main\\.cc$")
  sluice_library(sluice_${room} "${sources}" ${CMAKE_SOURCE_DIR}/src)
  list(TRANSFORM arg_ROOMS PREPEND sluice_)
  get_target_property(type sluice_${room} TYPE)
  if(type STREQUAL "INTERFACE_LIBRARY")
    target_link_libraries(sluice_${room} INTERFACE ${arg_ROOMS} ${arg_LIBS})
  else()
    target_link_libraries(sluice_${room} PUBLIC ${arg_ROOMS} ${arg_LIBS})
  endif()
endfunction()

# A static library of ours, or an interface one while it has no source file yet.
function(sluice_library target sources include_dir)
  if(sources)
    add_library(${target} STATIC ${sources})
    target_include_directories(${target} PUBLIC ${include_dir})
    target_link_libraries(${target} PRIVATE sluice_flags)
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE ${include_dir})
  endif()
endfunction()

sluice_room(base
  LIBS sluice_absl spdlog::spdlog Threads::Threads)
sluice_room(http ROOMS base
  LIBS PkgConfig::sluice_nghttp2)
sluice_room(config ROOMS base http
  LIBS sluice_proto yaml-cpp PkgConfig::sluice_re2 OpenSSL::SSL OpenSSL::Crypto)
sluice_room(observe ROOMS base http config
  LIBS prometheus-cpp::core ZLIB::ZLIB)
sluice_room(net ROOMS base
  LIBS OpenSSL::SSL OpenSSL::Crypto PkgConfig::sluice_cares)
sluice_room(web ROOMS base http net
  LIBS sluice_boost)
sluice_room(filters ROOMS base http config observe)
sluice_room(upstream ROOMS base http config observe net)
sluice_room(proxy ROOMS base http config observe net filters upstream)
sluice_room(xds ROOMS base http config observe
  LIBS sluice_proto)
sluice_room(server ROOMS base http config observe net web filters upstream proxy xds
  LIBS sluice_proto gRPC::grpc++)

# The table above, for tests that link what they include.
set(SLUICE_ROOMS base http config observe net web filters upstream proxy xds server)

# SLUICE_PROGRAMS: what `make build` builds and e2e tests start.
set(SLUICE_PROGRAMS "")

function(sluice_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE sluice_flags)
  target_include_directories(${name} SYSTEM PRIVATE ${SLUICE_CLI11_DIR})
  target_compile_definitions(${name} PRIVATE SLUICE_VERSION="${PROJECT_VERSION}")
  list(APPEND SLUICE_PROGRAMS ${name})
  set(SLUICE_PROGRAMS ${SLUICE_PROGRAMS} PARENT_SCOPE)
endfunction()

file(GLOB main CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/server/main.cc)
if(main)
  sluice_program(sluice ${main})
  target_link_libraries(sluice PRIVATE sluice_server)
endif()

# control-plane/: main.cc is sluice-control, sluicectl*.cc the command line, the rest a library for both and for tests.
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/control-plane/*.cc)
set(main ${sources})
set(ctl ${sources})
list(FILTER main INCLUDE REGEX "/control-plane/main\\.cc$")
list(FILTER ctl INCLUDE REGEX "/control-plane/sluicectl[^/]*\\.cc$")
list(FILTER sources EXCLUDE REGEX "/control-plane/(main|sluicectl[^/]*)\\.cc$")
sluice_library(sluice_control_plane "${sources}" ${CMAKE_SOURCE_DIR})
set(control_plane_libs sluice_base sluice_http sluice_config sluice_net sluice_web
    sluice_proto gRPC::grpc++ yaml-cpp)
if(sources)
  target_link_libraries(sluice_control_plane PUBLIC ${control_plane_libs})
  target_include_directories(sluice_control_plane SYSTEM PRIVATE ${SLUICE_CLI11_DIR})
  target_compile_definitions(sluice_control_plane PRIVATE SLUICE_VERSION="${PROJECT_VERSION}")
else()
  target_link_libraries(sluice_control_plane INTERFACE ${control_plane_libs})
endif()
if(main)
  sluice_program(sluice-control ${main})
  target_link_libraries(sluice-control PRIVATE sluice_control_plane)
endif()
if(ctl)
  sluice_program(sluicectl ${ctl})
  target_link_libraries(sluicectl PRIVATE sluice_control_plane)
endif()

if(TARGET sluice_server)
  get_target_property(type sluice_server TYPE)
  if(NOT type STREQUAL "INTERFACE_LIBRARY")
    target_include_directories(sluice_server SYSTEM PRIVATE ${SLUICE_CLI11_DIR})
    target_compile_definitions(sluice_server PRIVATE SLUICE_VERSION="${PROJECT_VERSION}")
  endif()
endif()

add_custom_target(programs DEPENDS ${SLUICE_PROGRAMS})
