#!/usr/bin/env bash
# Each header compiles alone: tools/check_headers.sh [HEADER...], by default every header of the tree.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then
  mapfile -t headers < <(git ls-files -co --exclude-standard 'src/*.h' 'control-plane/*.h' 'tests/*.h')
else
  headers=("$@")
fi
[ ${#headers[@]} -gt 0 ] || exit 0
tools/dev/cc --quiet "${headers[@]}"
echo "${#headers[@]} headers compile alone"
