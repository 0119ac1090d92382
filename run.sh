#!/usr/bin/env bash
# foldwise: a text competition, from the CSVs to submission.csv, in one command.
#
#   ./run.sh                 all stages on the embedded competition movie-reviews
#   ./run.sh all -c SLUG     all stages on input/SLUG
#   ./run.sh test            lint, types and tests
#   ./run.sh bench           speed against the usual ways of training; --quick in under 2 minutes; --gpu on a card
#   ./run.sh --help          the other commands
#
# The first call installs what is needed into .venv, once. An interpreter that already has everything (a Kaggle
# kernel, a GPU image) is used as it is, and nothing is installed.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="$root/.venv"
export PYTHONPATH="$root/src:${PYTHONPATH:-}"
# Python takes an empty part for the current folder, where a random.py would take the place of its own.
while [[ "$PYTHONPATH" == *::* ]]; do PYTHONPATH="${PYTHONPATH//::/:}"; done
PYTHONPATH="${PYTHONPATH%:}"

fail() { printf 'error: %s\n' "$1" >&2; exit 1; }

# A Python that really runs: the first of the tested versions, else the first later one.
find_python() {
  local name newest
  for newest in 14 99; do
    for name in python3 python3.13 python3.12 python3.11 python; do
      if "$name" -P -c "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, $newest))" 2>/dev/null; then
        command -v "$name"
        return
      fi
    done
  done
  fail "no Python of version 3.11 or later on the PATH; install one (python.org, apt, brew, conda) and run again"
}

# Run a long command with its output in a log; on a terminal show the log's last line while it runs.
quietly() {
  local log=$1 pid line
  shift
  "$@" >"$log" 2>&1 &
  pid=$!
  trap 'kill "$pid" 2>/dev/null; exit 1' INT TERM  # a command in the background is deaf to Ctrl-C
  while [ -t 2 ] && kill -0 "$pid" 2>/dev/null; do
    line="$(tail -n 1 "$log" 2>/dev/null | tr -d '\r' | cut -c 1-70)"
    printf '\r\033[K  %3d s  %s' "$SECONDS" "$line" >&2
    sleep 1
  done
  if [ -t 2 ]; then printf '\r\033[K' >&2; fi
  local code=0
  wait "$pid" || code=$?
  trap - INT TERM
  return "$code"
}

# One clear line for the ways an installation fails.
explain_pip() {
  local log=$1
  if grep -qi 'no space left' "$log"; then
    fail "the disk is full; make room (about 3 GB without CUDA, 8 GB with it) and run again; the log is $log"
  elif grep -qiE 'connection|name resolution|network|timed out|retrying|unreachable|proxy|from versions: none|resolutionimpossible' "$log"; then
    fail "the package index cannot be reached, or has nothing for this Python; check the network and run again; the log is $log"
  fi
  fail "installing failed: $(grep -iE '^error' "$log" | tail -n 1); the log is $log"
}

# Install a requirements file into .venv unless its stamp says that this very content is there already.
install() {
  local file=$1 stamp log
  stamp="$venv/.$(basename "$file" .txt).stamp"
  log="${TMPDIR:-/tmp}/foldwise-install-$$.log"
  if cmp -s "$file" "$stamp"; then return; fi
  local size=""
  if [ "$file" = "$root/requirements.txt" ]; then size=" (1 to 2 minutes; 1.4 GB, with CUDA more)"; fi
  printf 'installing %s into .venv, once%s …\n' "$(basename "$file")" "$size" >&2
  # pip says what it would install; it then installs just that, if requirements.lock.txt has the checksum of every file.
  local work pip=("$venv/bin/python" -P -m pip install --disable-pip-version-check --progress-bar off)
  work="$(mktemp -d)"
  trap "rm -rf '$work'" EXIT
  "$venv/bin/python" -P "$root/src/foldwise/requirements.py" pins >"$work/pins"
  quietly "$log" "${pip[@]}" --dry-run --report "$work/plan" -r "$file" -c "$work/pins" || explain_pip "$log"
  "$venv/bin/python" -P "$root/src/foldwise/requirements.py" check "$work/plan" >"$work/checked" 2>"$log" ||
    fail "a file that the package index offers is not the one foldwise was tested with, so nothing is installed
  $(tail -n 1 "$log")
  if you trust it, install it yourself: $venv/bin/python -m pip install -r $file && cp $file $stamp"
  quietly "$log" "${pip[@]}" --no-deps --require-hashes -r "$work/checked" || explain_pip "$log"
  cp "$file" "$stamp" || fail "cannot write to $venv; is the disk full?"
  rm -rf "$log" "$work"
}

make_venv() {
  local found=$1 log="${TMPDIR:-/tmp}/foldwise-venv-$$.log"
  shift
  if [ -x "$venv/bin/python" ] && "$venv/bin/python" -P -c '' 2>/dev/null; then return; fi
  rm -rf "$venv"
  quietly "$log" "$found" -P -m venv "$@" "$venv" || {
    rm -rf "$venv"
    if grep -qi 'no space left' "$log"; then fail "the disk is full; make room (about 3 GB) and run again"; fi
    fail "$found cannot make a virtual environment: $(tail -n 1 "$log") (on Debian and Ubuntu: apt install python3-venv)"
  }
  rm -f "$log"
}

# Sets $python to an interpreter with the run dependencies; $1 = test or bench adds those of requirements-$1.txt.
set_up() {
  local found
  if cmp -s "$root/requirements.txt" "$venv/.requirements.stamp" && "$venv/bin/python" -P -c '' 2>/dev/null; then
    python="$venv/bin/python"
  else
    found="$(find_python)"
    if "$found" "$root/src/foldwise/requirements.py" >/dev/null 2>&1; then
      python="$found"
      # Tests and benchmarks need more than such an image has: a .venv on top of it, which sees its packages.
      if [ "$1" != run ]; then make_venv "$found" --system-site-packages; fi
    else
      make_venv "$found"
      install "$root/requirements.txt"
      python="$venv/bin/python"
    fi
  fi
  if [ "$1" != run ]; then
    install "$root/requirements-$1.txt"
    python="$venv/bin/python"
  fi
}

if [ "${1:-}" = test ]; then
  shift
  set_up test
  cd "$root"
  "$python" -m ruff check .
  "$python" -m ruff format --check .
  "$python" -m mypy
  exec "$python" -m pytest -n auto --maxprocesses 4 --dist worksteal "$@"
fi

if [ "${1:-}" = bench ]; then
  shift
  case "${1:-}" in -h | --help)
    cat <<'HELP'
Usage: ./run.sh bench [--quick | --gpu [--help]]

Times training beside a plain DataLoader, Hugging Face's Trainer and the bare LSTM, and whole jobs beside TF-IDF and
fastText, in about 12 minutes. Prints tables and writes them into BENCHMARKS.md, with a chart.
  --quick   training only, each way once, on 100,000 rows instead of 150,000, in under 2 minutes on 2 quiet cores; its
            ratios are within a quarter of the full run's; prints tables and writes nothing
  --gpu     on an NVIDIA card: its tests, a step taken apart, speed, scores and a contest of 1.3 million rows, in at
            most 8 minutes; prints tables and writes nothing
HELP
    exit ;;
  --gpu)
    shift
    set_up run
    # An image that has what foldwise needs is used as it is; a part whose packages it lacks is left out and named.
    if [ "$python" = "$venv/bin/python" ]; then set_up test; set_up bench; fi
    exec "$python" "$root/tests/benchmarks/gpu_proof.py" "$@" ;;
  esac
  set_up bench
  exec "$python" "$root/tests/benchmarks/throughput.py" "$@"
fi

set_up run
exec "$python" -P -m foldwise "$@"
