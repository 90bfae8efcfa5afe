#!/usr/bin/env bash
# Builds both programs, runs examples/hello.conf on slaves on this host's loopback, shows what each slave printed, and
# writes a report. It starts as many slaves as the host has cores, from two to four: more slaves would wait for a core,
# and this wait would be part of the skew. It uses only loopback, needs no root, and leaves only the report behind.
# SYNEXEC_PORT chooses another port, SYNEXEC_REPORT another directory for the report.
set -euo pipefail
cd "$(dirname "$0")/.."

port=${SYNEXEC_PORT:-5165}
slaves=$(nproc)
slaves=$((slaves < 2 ? 2 : slaves > 4 ? 4 : slaves))
pids=()
work=$(mktemp -d)

finish() {
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${pids[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

cargo build --release --locked --quiet --bin synexec_master --bin synexec_slave
target=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
bin=$target/release
report=${SYNEXEC_REPORT:-$target/quickstart}
mkdir -p "$report"

for n in $(seq "$slaves"); do
    mkdir "$work/vm$n"
    "$bin/synexec_slave" --quiet --once --interface lo --port "$port" --name "vm$n" --work-dir "$work/vm$n" &
    pids+=($!)
done

status=0
"$bin/synexec_master" --interface lo --port "$port" --wait 10 --gather --json "$report/report.json" \
    --html "$report/report.html" "$slaves" examples/hello.conf || status=$?

printf '\nHTML report: %s\n' "$report/report.html"
exit "$status"
