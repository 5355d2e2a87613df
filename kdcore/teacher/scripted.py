"""A test double that answers by rule and keeps its own fsynced ledger: the oracle of the fault tests.

Never offered in the app. ``script`` understands ``delay_s`` (before each reply), ``ledger`` (a file),
``fail_every`` (one in so many calls fails, until the
file ``fail_until`` is there), ``answer`` (a fixed text) and ``random`` (a number after each answer).
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

from kdcore import ids
from kdcore.configs.teacher import Call, SamplingConfig, TeacherConfig
from kdcore.teacher.base import StopCheck
from kdcore.types import Reply, TopK


class ScriptedTeacher:
    """Answers "Answer to: <question>" and writes down every call it was paid for."""

    def __init__(self, config: TeacherConfig, model_path: Path | None, sampling: SamplingConfig) -> None:
        self._script = config.script
        self._batch = config.max_concurrency
        ledger = config.script.get("ledger")
        self._ledger = open(ledger, "ab") if ledger else None  # noqa: SIM115 - open for the object's life

    def generate(self, calls: Iterator[Call | None], check: StopCheck) -> Iterator[Reply]:
        """See Teacher: calls are paid for a window at a time, then answered one by one."""
        window: list[Call] = []
        ended = False
        while not ended or window:
            while not ended and len(window) < self._batch:
                call = next(calls, _END)
                ended = call is _END
                if not isinstance(call, Call):
                    break
                self._pay(call)
                window.append(call)
            for call in window:
                check()
                time.sleep(float(self._script.get("delay_s", 0.0)))
                for n in range(call.sampling.n):
                    yield self._reply(call, n)
            window = []

    def _reply(self, call: Call, n: int) -> Reply:
        question = call.messages[-1]["content"]
        if call.answer is not None:  # a token a word, each as likely as the next
            words = [len(word) for word in call.answer.split()] or [0]
            topk = TopK(ids=[[word, word + 1] for word in words], logprobs=[[-0.7, -0.7] for _ in words])
            return Reply(call.call_id, 0, call.answer, "stop", 1, len(words), words, [], topk, [-0.7] * len(words))
        every = int(self._script.get("fail_every", 0))
        healed = os.path.exists(str(self._script.get("fail_until", "")))
        if every and not healed and int(ids.stable_hash(call.messages)[:6], 16) % every == 0:
            return Reply(call.call_id, n, "", "error", error="scripted failure")
        text = str(self._script.get("answer") or f"Answer {n} to: {question}")
        if self._script.get("random"):
            text += f" {random.randint(0, 10**9)}"
        return Reply(call.call_id, n, text, "stop", len(question.split()), len(text.split()))

    def _pay(self, call: Call) -> None:
        if self._ledger is not None:
            paid = {"request_id": call.call_id.partition(".")[0], "key": ids.stable_hash(call.messages)}
            self._ledger.write(json.dumps(paid).encode() + b"\n")
            self._ledger.flush()
            os.fsync(self._ledger.fileno())

    def close(self) -> None:
        """Close the ledger."""
        if self._ledger is not None:
            self._ledger.close()


_END = object()
