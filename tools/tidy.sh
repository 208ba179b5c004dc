#!/usr/bin/env bash
# clang-tidy, warnings as errors: tools/tidy.sh [FILE.cc...], by default every source file that is built.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/dev
for candidate in build/dev build/asan build/release; do
  if [ -f "$candidate/compile_commands.json" ]; then build=$candidate; break; fi
done
if [ $# -eq 0 ]; then
  mapfile -t files < <(git ls-files 'src/*.cc' 'control-plane/*.cc' 'tests/*.cc')
else
  files=("$@")
fi
[ ${#files[@]} -gt 0 ] || exit 0
printf '%s\0' "${files[@]}" |
  xargs -0 -P "$(nproc)" -n 4 clang-tidy-19 -p "$build" --quiet --extra-arg=-Wno-unknown-warning-option
echo "clang-tidy: ${#files[@]} files clean"
