#!/usr/bin/env bash
# Everything that only a GPU can show, in under ten minutes, from the source tree alone: nothing is installed or fetched.
#
#   OUT=folder PYTHON=python3 TIMERNN_DATA=folder-of-ptb bash benchmarks/gpu/run.sh
#
# It needs Python with CuPy, NumPy and pytest; PyTorch, compute-sanitizer and ncu are used where they are. Each phase
# has a time limit of its own and leaves its record whatever becomes of the others. OUT gets gpu.json, gpu.md, gpu.png,
# ncu.txt and log.txt. The exit code is 0 if everything that judges correctness passed.
#
# Rehearsed without a GPU by: TIMERNN_REHEARSAL=1 PYTHON="python3 -m cuda_on_host" bash benchmarks/gpu/run.sh
set -uo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
out="${OUT:-$root/runs/gpu}"
read -r -a python <<<"${PYTHON:-python3}"
mkdir -p "$out" || exit 1
work="$(mktemp -d)"
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT
trap 'echo "interrupted: what was done by then is not kept" >&2; exit 130' INT TERM
export PYTHONPATH="$root/impls:$root/suite:$here${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
export TIMERNN_CACHE="${TIMERNN_CACHE:-$work/cache}" PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
cd "$root" || exit 1

# phase NAME SECONDS COMMAND...: its output to NAME.out, what it says besides to NAME.log, how it ended to NAME.status
phase() {
  local name="$1" limit="$2" begun=$SECONDS code
  shift 2
  timeout --kill-after=10 "$limit" "$@" >"$work/$name.out" 2>"$work/$name.log"
  code=$?
  echo "$code $((SECONDS - begun)) $limit" >"$work/$name.status"
  echo "$name: $([ $code = 0 ] && echo done || echo "exit code $code") after $((SECONDS - begun)) s"
}
# absent NAME REASON
absent() { echo "$2" >"$work/$1.absent"; echo "$1: left out, $2"; }

conformance() {
  local name="$1" class="$2" cases="$3"
  shift 3
  phase "conformance-$name" 150 "${python[@]}" -m pytest -q -p no:cacheprovider \
    -p timernn_suite.conformance.plugin suite/timernn_suite/conformance -W ignore \
    --rnn-backend "timernn.cupy_backend:$class" --rnn-cases "$cases" --junitxml "$work/conformance-$name.xml" "$@"
}

sanitizer() {
  phase "$1" 110 compute-sanitizer --tool "$1" --error-exitcode 9 "${python[@]}" "$here/tiny.py"
}

phase environment 60 "${python[@]}" "$here/environment.py"
if [ "$(cut -d' ' -f1 "$work/environment.status")" != 0 ]; then
  tail -n 5 "$work/environment.log" >&2
  exit 2
fi

# What judges correctness, side by side: times mean nothing here. The oracle is NumPy's, and nine processes with a
# thread a core each would stand in each other's way.
export OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2 MKL_NUM_THREADS=2
few=()
[ -n "${TIMERNN_REHEARSAL:-}" ] && few=(-k "test_values and not 20x35")
conformance by-shape CupyBackend 200 "${few[@]}" &
conformance stepwise CupyStepwiseBackend 60 "${few[@]}" &
conformance graph CupyGraphBackend 60 "${few[@]}" &
conformance persistent CupyPersistentBackend 60 "${few[@]}" &
if command -v compute-sanitizer >/dev/null; then
  sanitizer memcheck &
  sanitizer racecheck &
  sanitizer initcheck &
  sanitizer synccheck &
else
  for tool in memcheck racecheck initcheck synccheck; do absent "$tool" "there is no compute-sanitizer"; done
fi
wait

# What is timed, one after the other, alone.
unset OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS
phase follow-numpy 90 "${python[@]}" "$here/follow_numpy.py"
phase ceilings 60 "${python[@]}" "$here/ceilings.py"
phase capture-step 60 "${python[@]}" "$here/capture_step.py"
phase device-times 170 "${python[@]}" "$here/device_times.py" "$work/device-times.json" 130
if command -v ncu >/dev/null; then
  phase ncu 60 ncu --clock-control none --section SpeedOfLight --section Occupancy --section LaunchStats \
    --section SchedulerStats --section WarpStateStats --section MemoryWorkloadAnalysis --kernel-name regex:block_ \
    "${python[@]}" "$here/profiled.py"
else
  absent ncu "there is no ncu"
fi

"${python[@]}" "$here/summary.py" "$work" "$out"
