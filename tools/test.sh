#!/usr/bin/env bash
# Every test: the quick ones beside those that wait for models, workers and the browser.
set -uo pipefail
cd "$(dirname "$0")/.."
python="${VENV:-.venv}/bin/python"

OMP_NUM_THREADS=1 "$python" -m pytest tests --ignore=tests/e2e --ignore=tests/workers >quick-tests.log 2>&1 &
quick=$!
"$python" -m pytest tests/e2e tests/workers
slow=$?
wait "$quick"
fast=$?
printf '\nThe quick tests:\n'
cat quick-tests.log
exit $((slow != 0 || fast != 0))
