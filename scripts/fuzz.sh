#!/usr/bin/env bash
# Fuzzes each target (or those named) for FUZZ_SECONDS. The corpora outlive checkouts; the seeds
# of fuzz/seeds, one a line, are put into them first. An input that breaks a rule is kept beside
# the corpora, and its path is printed.
#
# Built without a sanitizer, which needs a nightly toolchain: what is tested has no `unsafe`.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=$HOME/.cache/mooring
seconds=${FUZZ_SECONDS:-60}
version=0.13.2
export PATH=$cache/tools/bin:$PATH

if [ "$(cargo fuzz --version 2>/dev/null)" != "cargo-fuzz $version" ]; then
  cargo install --quiet --locked --root "$cache/tools" "cargo-fuzz@$version"
fi

# One file a line, named by its number.
plant() {
  local seeds=$1 corpus=$2 number=0 line
  while IFS= read -r line; do
    number=$((number + 1))
    case $seeds in
      *.hex) node -e 'process.stdout.write(Buffer.from(process.argv[1], "hex"))' "$line" ;;
      *) printf '%s' "$line" ;;
    esac >"$corpus/seed-$number"
  done <"$seeds"
}

if [ $# -gt 0 ]; then targets=("$@"); else mapfile -t targets < <(scripts/cargo fuzz list); fi
scripts/cargo fuzz build --sanitizer none
for target in "${targets[@]}"; do
  corpus=$cache/fuzz/corpus/$target findings=$cache/fuzz/findings/$target
  mkdir -p "$corpus" "$findings"
  for seeds in fuzz/seeds/"$target".*; do
    [ ! -e "$seeds" ] || plant "$seeds" "$corpus"
  done
  options=(-max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -artifact_prefix="$findings/")
  [ ! -e "fuzz/dictionaries/$target" ] || options+=(-dict="fuzz/dictionaries/$target")
  [ "$target" != rpc_params ] || options+=(-max_len=4096)
  echo "fuzz: $target for $seconds s" >&2
  scripts/cargo fuzz run --sanitizer none "$target" "$corpus" -- "${options[@]}" -print_final_stats=1
done
