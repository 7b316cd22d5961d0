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
