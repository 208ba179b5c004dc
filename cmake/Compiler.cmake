# The compiler, its flags, and where results go.

# A debug-and-destroy bug: GCC 12 destroys aggregate and lambda temporaries twice in a co_await operand.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  message(FATAL_ERROR
    "Sluice cannot be built with GCC ${CMAKE_CXX_COMPILER_VERSION}: before version 14 it destroys temporaries "
    "twice in a co_await operand (a double free at run time). Use clang 19: "
    "cmake --preset release, or -DCMAKE_CXX_COMPILER=clang++-19.")
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(THREADS_PREFER_PTHREAD_FLAG ON)

set(SLUICE_SANITIZE "" CACHE STRING "Sanitizers for our code: address, thread, fuzzer, or empty")
set_property(CACHE SLUICE_SANITIZE PROPERTY STRINGS "" address thread fuzzer)
option(SLUICE_COVERAGE "Instrument for llvm-cov" OFF)
option(SLUICE_CCACHE "Use ccache when it is installed" ON)

if(SLUICE_CCACHE)
  find_program(SLUICE_CCACHE_PROGRAM ccache)
  if(SLUICE_CCACHE_PROGRAM)
    # A second clone elsewhere on the machine shares what the first one compiled.
    set(CMAKE_CXX_COMPILER_LAUNCHER
      env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${SLUICE_CCACHE_PROGRAM})
    set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
  endif()
endif()

# Neither the programs nor their debug information name the machine that built them.
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/= -fno-omit-frame-pointer
                    -ffunction-sections -fdata-sections)
add_link_options(-Wl,--gc-sections)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  find_program(SLUICE_LLD NAMES ld.lld-19 ld.lld)
  if(SLUICE_LLD)
    add_link_options(--ld-path=${SLUICE_LLD})
  endif()
endif()

if(SLUICE_SANITIZE STREQUAL "address")
  set(sluice_sanitize_flags -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(SLUICE_SANITIZE STREQUAL "thread")
  set(sluice_sanitize_flags -fsanitize=thread)
elseif(SLUICE_SANITIZE STREQUAL "fuzzer")
  # The targets of tests/fuzz add libFuzzer's main themselves.
  set(sluice_sanitize_flags -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
elseif(NOT SLUICE_SANITIZE STREQUAL "")
  message(FATAL_ERROR "SLUICE_SANITIZE is '${SLUICE_SANITIZE}'; it may be address, thread, fuzzer or empty.")
endif()
if(sluice_sanitize_flags)
  add_compile_options(${sluice_sanitize_flags})
  add_link_options(${sluice_sanitize_flags})
endif()
if(SLUICE_COVERAGE)
  add_compile_options(-fprofile-instr-generate -fcoverage-mapping)
  add_link_options(-fprofile-instr-generate)
endif()

# What every target of ours links; generated and foreign code does not.
add_library(sluice_flags INTERFACE)
target_compile_options(sluice_flags INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Werror)
target_compile_features(sluice_flags INTERFACE cxx_std_20)
