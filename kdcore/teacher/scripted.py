"""A test double that answers by rule and keeps its own fsynced ledger: the oracle of the fault tests.

Never offered in the app. ``script`` understands ``delay_s`` (before each reply), ``ledger`` (a file),
``batch`` (replies in flight at once), ``fail_every`` and ``top_k``.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.teacher.base import StopCheck
from kdcore.types import Reply, Request


class ScriptedTeacher:
    """Answers "Answer to: <question>" and writes down every call it was paid for."""

    def __init__(self, config: TeacherConfig, model_path: Path | None, sampling: SamplingConfig) -> None:
        self._script = config.script
        self._batch = config.max_concurrency
        ledger = config.script.get("ledger")
        self._ledger = open(ledger, "ab") if ledger else None  # noqa: SIM115 - open for the object's life

    def generate(self, requests: Iterable[Request], sampling: SamplingConfig, check: StopCheck) -> Iterator[Reply]:
        """See Teacher: calls are paid for a window at a time, then answered one by one."""
        waiting = iter(requests)
        while window := list(islice(waiting, self._batch)):
            for request in window:
                self._pay(request)
            for request in window:
                check()
                time.sleep(float(self._script.get("delay_s", 0.0)))
                for n in range(sampling.n):
                    yield self._reply(request, n)

    def _reply(self, request: Request, n: int) -> Reply:
        question = request.messages[-1]["content"]
        every = int(self._script.get("fail_every", 0))
        if every and int(request.request_id[-6:], 16) % every == 0:
            return Reply(request.request_id, n, "", "error", error="scripted failure")
        text = f"Answer {n} to: {question}"
        return Reply(request.request_id, n, text, "stop", len(question.split()), len(text.split()))

    def _pay(self, request: Request) -> None:
        if self._ledger is not None:
            self._ledger.write(json.dumps({"request_id": request.request_id}).encode() + b"\n")
            self._ledger.flush()
            os.fsync(self._ledger.fileno())

    def close(self) -> None:
        """Close the ledger."""
        if self._ledger is not None:
            self._ledger.close()
