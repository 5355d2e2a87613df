#!/usr/bin/env bash
# Every test: first those in the browser, alone; then the quick ones beside those of the workers.
set -uo pipefail
cd "$(dirname "$0")/.."
python="${VENV:-.venv}/bin/python"

"$python" -m pytest tests/e2e
browser=$?
OMP_NUM_THREADS=1 "$python" -m pytest tests --ignore=tests/e2e --ignore=tests/workers >quick-tests.log 2>&1 &
quick=$!
"$python" -m pytest tests/workers
slow=$?
wait "$quick"
fast=$?
printf '\nThe quick tests:\n'
cat quick-tests.log
exit $((browser != 0 || slow != 0 || fast != 0))
