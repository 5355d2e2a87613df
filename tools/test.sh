#!/usr/bin/env bash
# Every test but the long ones: first those in the browser, alone; then those on real models beside those that need none.
set -uo pipefail
cd "$(dirname "$0")/.."
python="${VENV:-.venv}/bin/python"

"$python" -m pytest tests/e2e -m "not long" --durations=5
browser=$?
OMP_NUM_THREADS=1 "$python" -m pytest tests --ignore=tests/e2e -m "not models and not long" --durations=12 >quick-tests.log 2>&1 &
quick=$!
# One thread each: threads that wait for each other in turns waste most of two busy cores.
OMP_NUM_THREADS=1 VLLM_CPU_OMP_THREADS_BIND=nobind \
  "$python" -m pytest tests --ignore=tests/e2e -m "models and not long" -n 2 --dist loadfile --durations=45
models=$?
wait "$quick"
others=$?
printf '\nThe tests that need no models:\n'
cat quick-tests.log
exit $((browser != 0 || models != 0 || others != 0))
