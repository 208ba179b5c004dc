#!/usr/bin/env bash
# Runs the tests of a coverage build and prints line coverage per file: tools/coverage.sh BUILD_DIR
set -euo pipefail
build=$1
rm -rf "$build/profiles"
status=0
LLVM_PROFILE_FILE="$PWD/$build/profiles/%p-%m.profraw" \
  ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$(nproc)" || status=$?
llvm-profdata-19 merge -sparse "$build"/profiles/*.profraw -o "$build/tests.profdata"
objects=()
for program in "$build"/bin/*; do objects+=(-object "$program"); done
llvm-cov-19 report -instr-profile="$build/tests.profdata" "${objects[@]}" \
  -ignore-filename-regex='(^|/)(build|tests)/|^/usr/'
exit $status
