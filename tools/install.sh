#!/usr/bin/env bash
# Make the virtual environment of a checkout; what this machine can run is installed by kdcore/install.py. Safe to repeat.
set -euo pipefail
python="${PYTHON:-python3}"
venv="${VENV:-.venv}"

say() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 2; }

command -v "$python" >/dev/null || fail "$python is missing; install Python 3.11 or newer and run make again."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$python" --version) is too old; install Python 3.11 or newer, then: make run PYTHON=python3.11"
"$python" -c 'import venv, ensurepip' 2>/dev/null || fail "Python's venv is missing; on Debian: apt-get install python3-venv"

[ -x "$venv/bin/python" ] || { say "making $venv"; "$python" -m venv "$venv"; }
say "installing the app"
"$venv/bin/python" -m pip --disable-pip-version-check -q install -e . || fail "pip could not install kdcore; its message is above."
"$venv/bin/python" -m kdcore.install
say "installing what developers need"
"$venv/bin/python" -m pip --disable-pip-version-check -q install -e ".[dev,bench]" ||
  fail "pip could not install kdcore[dev,bench]; its message is above."
