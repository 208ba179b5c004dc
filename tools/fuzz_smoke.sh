#!/usr/bin/env bash
# Runs every libFuzzer target for a while over a copy of its corpus: tools/fuzz_smoke.sh BUILD_DIR SECONDS
# What it finds beyond the corpus stays in BUILD_DIR/corpus; a crash leaves its input in BUILD_DIR/crashes.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1 seconds=$2
shopt -s nullglob
targets=("$build"/bin/fuzz_*)
if [ ${#targets[@]} -eq 0 ]; then
  echo "No fuzz target was built in $build." >&2
  exit 1
fi
mkdir -p "$build/crashes"
failed=0
for target in "${targets[@]}"; do
  name=${target##*/fuzz_}
  mkdir -p "$build/corpus/$name"
  log=$build/$name.log
  if "$target" -max_total_time="$seconds" -print_final_stats=1 -rss_limit_mb=2048 -timeout=10 -max_len=65536 \
      -artifact_prefix="$build/crashes/$name-" "$build/corpus/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
    runs=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    printf '%-24s %8s runs/s %8s edges\n' "$name" "${runs:-?}" "${edges:-?}"
  else
    cat "$log"
    echo "FAILED: $name" >&2
    failed=1
  fi
done
exit $failed
