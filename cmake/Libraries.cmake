# Foreign libraries: Debian 12's packages (tools/install_deps.sh lists them). Rooms name them in Rooms.cmake.

find_package(Threads REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(Protobuf 3.21 MODULE REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(Boost 1.81 CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(yaml-cpp CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED COMPONENTS core)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
# Names of our own: "re2" would make gRPC's finder believe that it had already run.
pkg_check_modules(sluice_re2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(sluice_cares REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(sluice_nghttp2 REQUIRED IMPORTED_TARGET libnghttp2)
find_path(SLUICE_CLI11_DIR CLI/CLI.hpp REQUIRED)

# The parts of abseil that are allowed everywhere.
add_library(sluice_absl INTERFACE)
target_link_libraries(sluice_absl INTERFACE
  absl::status absl::statusor absl::flat_hash_map absl::hash absl::any_invocable absl::random_random absl::cleanup)

# Asio and Beast, header only. One way of building them, said once: no deprecated interfaces.
add_library(sluice_boost INTERFACE)
target_link_libraries(sluice_boost INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(sluice_boost INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_BEAST_USE_STD_STRING_VIEW)
