#!/usr/bin/env bash
# Builds every target and lets each run for some seconds from the seed corpora: fuzz/smoke.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-15}
cargo run --quiet --manifest-path fuzz/Cargo.toml --example seed
cargo +nightly fuzz build
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for target in $(cargo +nightly fuzz list); do
  echo "-- fuzz $target for ${seconds}s"
  if ! cargo +nightly fuzz run "$target" -- \
    -max_total_time="$seconds" -max_len=16384 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 >"$log" 2>&1; then
    # What was violated, and the input to replay; the lists of seeds and the stack would drown both.
    grep -aE -A1 'panicked|SUMMARY|Test unit written' "$log" | cut -c1-600
    for crash in fuzz/artifacts/"$target"/*; do
      [ -f "$crash" ] && echo "$crash (gzip, base64):" && gzip -9c "$crash" | base64 -w 160
    done
    echo "fuzz $target failed" >&2
    exit 1
  fi
  grep -aE 'stat::number_of_executed_units|stat::peak_rss_mb' "$log"
done
