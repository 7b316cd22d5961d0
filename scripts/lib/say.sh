# shellcheck shell=bash
# How the scripts talk: progress and problems on standard error, long output in a log.

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 3; }
have() { command -v "$1" >/dev/null 2>&1; }

# limited SECONDS COMMAND…: macOS has no `timeout`, but perl.
limited() {
  if have timeout; then timeout "$@"; else perl -e 'alarm shift; exec @ARGV or die' "$@"; fi
}

# quietly LOG COMMAND…: output goes to LOG; every half minute a sign of life, and on failure
# the end of the output.
quietly() {
  local log=$1 status=0 life
  shift
  mkdir -p "${log%/*}"
  (
    trap 'kill "$nap" 2>/dev/null; exit' TERM
    for ((seconds = 30; ; seconds += 30)); do
      sleep 30 >/dev/null 2>&1 & nap=$!
      wait "$nap"
      say "  … $seconds s: $(tail -n 1 "$log" | tr -s '[:space:]' ' ' | cut -c 1-100)"
    done
  ) &
  life=$!
  "$@" >"$log" 2>&1 </dev/null || status=$?
  kill "$life" 2>/dev/null || true
  wait "$life" 2>/dev/null || true
  [[ $status == 0 ]] || {
    say "\`$*\` failed with $status:"
    tail -n 12 "$log" | sed 's/^/  | /' >&2
  }
  return "$status"
}
