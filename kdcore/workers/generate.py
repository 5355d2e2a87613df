"""Ask the teacher every request of a run that has no terminal record yet; journal each reply."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kdcore import ids
from kdcore.configs.base import load_config
from kdcore.configs.elicitation import GenerateConfig
from kdcore.elicitation import METHODS
from kdcore.elicitation.base import Method, find_method
from kdcore.jobs import signals
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.tail import all_records
from kdcore.teacher import open_teacher
from kdcore.types import Reply, Request
from kdcore.workers.main import on_accelerator, run_worker


def finished(run: RunDir, n: int) -> tuple[set[str], Counter[str]]:
    """Requests with all their replies in the journal, and how the replies ended.

    A retry (``retry.jsonl`` lists request ids) makes failed replies count as missing again.
    """
    retry = {(row["request_id"], row["attempt"]) for row in run.read_lines("retry.jsonl")}
    last: dict[tuple[str, int], str] = {}
    for record in all_records(run):
        body = record.body
        if body.get("kind") != "sample":
            continue
        if body["status"] == "failed" and (body["request_id"], record.epoch) in retry:
            continue
        last[body["request_id"], body["n"]] = body["status"]
    replies = Counter(request_id for request_id, _ in last)
    return {request_id for request_id, count in replies.items() if count >= n}, Counter(last.values())


def sample_record(request: Request, reply: Reply, config: GenerateConfig, method: Method) -> dict[str, Any]:
    """What the journal keeps of one reply: enough to rebuild every row of the store."""
    parsed = method.parse(reply, config.template.method_config)
    sampling = config.sampling.model_dump(exclude={"n"})
    body: dict[str, Any] = {
        "kind": "sample",
        "sample_id": ids.sample_id(request.request_id, config.teacher_fingerprint, sampling, reply.n),
        "request_id": request.request_id,
        "seed_id": request.seed_id,
        "n": reply.n,
        "variables": request.variables,
        "messages": request.messages,
        "completion": reply.text,
        "status": parsed.status,
        "reason": parsed.reason,
        "answer": parsed.answer,
        "rationale": parsed.rationale,
        "finish_reason": reply.finish_reason,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "time": time.time(),
    }
    if reply.topk is not None and reply.topk.ids:
        body["signal"] = signals.summary(reply.topk)
    return body


def work(run: RunDir, reporter: Reporter) -> None:
    """Generate what is missing, then pack the signals."""
    config = load_config(GenerateConfig, run.config())
    method = find_method(METHODS, config.template.method)
    requests = {row["request_id"]: Request(**row) for row in run.read_lines("requests.jsonl")}
    done, funnel = finished(run, config.sampling.n)
    missing = [request for key, request in requests.items() if key not in done]
    counts = Progress(reporter, len(requests) * config.sampling.n, funnel)
    signals.pack(run)
    if missing:
        with on_accelerator(run, reporter):
            reporter.phase(f"loading the teacher {config.teacher.model}")
            path = Path(config.teacher_path) if config.teacher_path else None
            teacher = open_teacher(config.teacher, path, config.sampling)
            try:
                reporter.phase("asking the teacher")
                counts.start()
                replies = teacher.generate(missing, config.sampling, reporter.check_stop)
                _journal(run, reporter, replies, requests, config, method, counts)
            finally:
                teacher.close()
    reporter.phase("packing the teacher's signals")
    signals.pack(run)
    counts.show()


def _journal(
    run: RunDir,
    reporter: Reporter,
    replies: Iterator[Reply],
    requests: dict[str, Request],
    config: GenerateConfig,
    method: Method,
    counts: Progress,
) -> None:
    spill = signals.SignalWriter(run, reporter.epoch)
    try:
        for reply in replies:
            body = sample_record(requests[reply.request_id], reply, config, method)
            if "signal" in body and reply.topk is not None:
                spill.add(body["sample_id"], reply.token_ids, reply.topk)
            reporter.append(body)
            counts.add(body["status"], reply.completion_tokens)
    finally:
        spill.close()


class Progress:
    """The funnel of a run and its speed."""

    def __init__(self, reporter: Reporter, total: int, funnel: Counter[str]) -> None:
        self._reporter = reporter
        self._total = total
        self._funnel = funnel
        self._tokens = 0
        self._new = 0
        self._started = time.monotonic()
        self.show()

    def start(self) -> None:
        """Count speed from now: loading is over."""
        self._started = time.monotonic()

    def add(self, status: str, tokens: int) -> None:
        """Count one reply."""
        self._funnel[status] += 1
        self._tokens += tokens
        self._new += 1
        self.show()

    def show(self) -> None:
        """Hand the figures to the status file."""
        elapsed = max(1e-6, time.monotonic() - self._started)
        self._reporter.progress(
            sum(self._funnel.values()),
            self._total,
            "answers",
            funnel=dict(self._funnel),
            tokens=self._tokens,
            tokens_per_s=round(self._tokens / elapsed, 1) if self._new else 0.0,
            rate=self._new / elapsed if self._new else 0.0,
            elapsed_s=round(elapsed, 2),
        )


if __name__ == "__main__":
    run_worker(work)
