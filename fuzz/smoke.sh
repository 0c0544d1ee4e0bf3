#!/usr/bin/env bash
# Builds every target and lets each run for some seconds from the seed corpora: fuzz/smoke.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-15}
cargo run --quiet --manifest-path fuzz/Cargo.toml --example seed
cargo +nightly fuzz build
for target in $(cargo +nightly fuzz list); do
  echo "-- fuzz $target for ${seconds}s"
  cargo +nightly fuzz run "$target" -- \
    -max_total_time="$seconds" -max_len=16384 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 2>&1 |
    grep -E 'stat::number_of_executed_units|stat::peak_rss_mb|SUMMARY|ERROR|panicked' || {
    echo "fuzz $target failed" >&2
    exit 1
  }
done
