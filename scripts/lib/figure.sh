# shellcheck shell=bash
# One measured figure as one line, and the ways in which the scripts measure.

# figure GROUP ID VALUE UNIT OP BOUND: prints `group id value unit bound holds|short`, separated
# by tabs. OP is <=, >= or =. A value that is no number is short, whatever the bound.
figure() {
  awk -v group="$1" -v id="$2" -v value="$3" -v unit="$4" -v op="$5" -v bound="$6" 'BEGIN {
    OFS = "\t"
    number = value ~ /^-?[0-9]+(\.[0-9]+)?$/
    if (op == "<=") holds = value + 0 <= bound + 0
    else if (op == ">=") holds = value + 0 >= bound + 0
    else if (op == "=") holds = value + 0 == bound + 0
    else exit 2
    print group, id, value, unit, op " " bound, number && holds ? "holds" : "short"
  }'
}

# of_tests PACKAGE TARGET FILTER…: runs the tests of a target (`lib` or a test binary) whose names
# hold a filter, and prints `ID VALUE` for each line `figure ID VALUE` that they print, and
# `passed N` for how many passed. Without one of those lines a figure has no value and is short.
of_tests() {
  local package=$1 target=$2
  shift 2
  if cargo nextest --version >/dev/null 2>&1; then
    # Of the whole workspace, as scripts/check builds it: of one package alone, the dependencies
    # have other features, and the wasm engine would be built once more.
    local kind="binary(=$target)" names
    [[ $target != lib ]] || kind="kind(lib)"
    names=$(printf ' | test(~%s)' "$@")
    cargo nextest run --locked --workspace --no-capture -E "package(=$package) & $kind & (${names# | })" 2>&1
  else
    local flags=(--test "$target")
    [[ $target != lib ]] || flags=(--lib)
    cargo test --locked --quiet --package "$package" "${flags[@]}" -- --nocapture --test-threads 1 "$@" 2>&1
  fi | sed -n \
    -e 's/^[.]*figure \([a-z-]*\) \([0-9.]*\)$/\1 \2/p' \
    -e 's/^ *Summary .* \([0-9]*\) tests\{0,1\} run: \1 passed.*/passed \1/p' \
    -e 's/^test result: ok[.] \([0-9]*\) passed; 0 failed;.*/passed \1/p'
}

# value ID: the value of a figure among the lines of `of_tests` on standard input.
value() { awk -v id="$1" '$1 == id { found = $2 } END { print found == "" ? "missing" : found }'; }

# median_seconds COMMAND…: of five runs after one that does not count, for what is warm; or
# `failed`, which no bound holds for, with the end of what the command said.
median_seconds() {
  local TIMEFORMAT=%3R run said seconds=()
  said=$("$@" 2>&1 </dev/null) || { tail -n 5 <<<"$said" >&2; echo failed; return; }
  for run in 1 2 3 4 5; do
    seconds[run]=$({ time "$@" >/dev/null 2>&1 </dev/null; } 2>&1) || { echo failed; return; }
  done
  printf '%s\n' "${seconds[@]}" | sort -n | sed -n 3p
}
