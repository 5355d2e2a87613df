"""Compile a JSON schema in a throw-away process: one that can't be compiled would end the engine."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

TIMEOUT_S = 90.0
_COMPILE = """
import json, sys
import xgrammar
xgrammar.Grammar.from_json_schema(sys.stdin.read())
"""


def problem_of(schema: dict[str, object]) -> str:
    """Why a schema can't be used, "" where it can. Each schema is tried once in a process."""
    return _problem(json.dumps(schema, sort_keys=True))


@cache
def _problem(text: str) -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-c", _COMPILE], input=text, capture_output=True, text=True, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return f"the JSON schema did not compile within {TIMEOUT_S:.0f} s; make it simpler"
    if done.returncode == 0:
        return ""
    said = done.stderr.strip().splitlines()
    return f"the JSON schema can't be compiled: {said[-1][:200] if said else f'signal {-done.returncode}'}"
