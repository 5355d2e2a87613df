"""A warm helper: previews by a teacher, semantic search, or one question to several candidates.

Leaves when idle, when stopped, or when another run wants the accelerator; the page starts it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

from kdcore.configs.base import load_config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.configs.serving import ServeConfig
from kdcore.configs.teacher import SamplingConfig
from kdcore.elicitation import METHODS
from kdcore.elicitation.base import find_method
from kdcore.elicitation.pool import Pool
from kdcore.elicitation.schedule import Outcome, Scheduler, Unit
from kdcore.errors import ConfigError, KdError, TeacherError
from kdcore.jobs import lease, mailbox
from kdcore.jobs.reply_cache import ReplyCache
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.records.trials import TrialCall, TrialTold
from kdcore.types import Request
from kdcore.workers.base import mounts_of, on_accelerator, run_worker

POLL_S = 0.05
Answer = Callable[[dict[str, Any]], dict[str, Any]]


def work(run: RunDir, reporter: Reporter) -> None:
    """Open the service, then answer until it is time to leave."""
    config = run.load(ServeConfig)
    on_gpu = config.service != "search"
    with on_accelerator(run, reporter) if on_gpu else nullcontext():
        reporter.phase("loading")
        answer, close = SERVICES[config.service](config, reporter)
        reporter.phase("ready")
        try:
            _answer_until_idle(run, reporter, config, answer, on_gpu)
        finally:
            close()


def _answer_until_idle(run: RunDir, reporter: Reporter, config: ServeConfig, answer: Answer, on_gpu: bool) -> None:
    last = time.monotonic()
    workspace = mounts_of(run).shared
    while time.monotonic() - last < config.idle_s:
        reporter.check_stop()
        busy = False
        for key, body in mailbox.waiting(run):
            busy = True
            try:
                mailbox.reply(run, key, answer(body))
            except TeacherError as exc:
                mailbox.reply(run, key, {"error": str(exc)})
                raise  # the engine is gone; the next question starts a new helper
            except KdError as exc:
                mailbox.reply(run, key, {"error": str(exc)})
            last = time.monotonic()
        if not busy and on_gpu and lease.waiting(workspace):
            return
        if not busy:
            time.sleep(POLL_S)


Service = tuple[Answer, Callable[[], None]]


def _teacher(config: ServeConfig, reporter: Reporter) -> Service:
    from kdcore.teacher import open_teacher

    if config.teacher is None:
        raise ConfigError("this service needs a teacher in its config.")
    path = Path(config.teacher_path) if config.teacher_path else None
    at_once = config.teacher.max_concurrency
    began = time.perf_counter()
    teacher = open_teacher(config.teacher, path, SamplingConfig())
    loading_s = time.perf_counter() - began

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        """The full run's programs over a few requests; replies are kept for the run."""
        template = load_config(PromptTemplate, body["template"])
        requests = [Request(**row) for row in body["requests"]]
        done: list[Outcome] = []
        scheduler = Scheduler(
            iter([Unit(request) for request in requests]),
            find_method(METHODS, template.method),
            template.method_config,
            load_config(SamplingConfig, body["sampling"]),
            done.append,
            pool=Pool([(row["text"], row["group"]) for row in body["pool"]]),
            memory=ReplyCache(Path(config.replies)) if config.replies else None,
            teacher=config.teacher_fingerprint,
        )
        started = time.perf_counter()
        ended: list[tuple[int, float]] = []
        for reply in teacher.generate(scheduler.calls(), reporter.check_stop):
            ended.append((reply.completion_tokens, time.perf_counter() - started))
            scheduler.take(reply)
        together = all(len(outcome.calls) == 1 for outcome in done) and len(ended) <= at_once
        return {
            "outcomes": [_told(outcome) for outcome in done],
            "requests": len(done),
            "paid": sum(outcome.paid for outcome in done),
            "tokens_in": sum(r.prompt_tokens for o in done for _, replies in o.calls for r in replies[:1]),
            "tokens_out": sum(r.completion_tokens for o in done for _, replies in o.calls for r in replies),
            "seconds": time.perf_counter() - started,
            "tokens_paid": sum(outcome.tokens_out for outcome in done),
            "usable": sum(row.status == "parsed" for outcome in done for row in outcome.rows),
            "loading_s": loading_s,
            "ended": ended if together else [],
        }

    return answer, teacher.close


def _told(outcome: Outcome) -> TrialTold:
    """An outcome as a page shows it."""
    rows = [asdict(replace(row, reply=None)) | {"text": row.reply.text if row.reply else ""} for row in outcome.rows]
    calls: list[TrialCall] = [
        {
            "messages": ask.messages,
            "replies": [r.text for r in replies],
            "finish": [r.finish_reason for r in replies],
        }
        for ask, replies in outcome.calls
    ]
    return cast("TrialTold", {"request_id": outcome.unit.request.request_id, "rows": rows, "calls": calls})


def _search(config: ServeConfig, reporter: Reporter) -> Service:
    from kdcore.explore.concept import Concept
    from kdcore.explore.embedders import Embedder
    from kdcore.explore.vector_file import VectorFile

    embedder = Embedder(config.embedder_path)
    vectors = VectorFile(Path(config.vectors))

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        if body.get("concept"):
            concept = Concept.load(Path(body["concept"]))
            return {"scores": concept.score(embedder.encode(body["texts"])).tolist()}
        query = vectors.of(body.get("sample_id") or "")
        if query is None:
            query = embedder.encode([str(body.get("text", ""))])[0]
        found = vectors.nearest(query, int(body.get("limit", 50)), body.get("among"))
        return {"hits": [{"sample_id": key, "score": score} for key, score in found]}

    return answer, lambda: None


def _chat(config: ServeConfig, reporter: Reporter) -> Service:
    from kdcore.evaluate.answers import answer as greedy
    from kdcore.workers.evaluate import Subject, open_candidate

    if config.models is None:
        raise ConfigError("this service needs candidates in its config.")
    subjects = [open_candidate(config.models, candidate) for candidate in config.models.candidates]
    limit = config.models.max_new_tokens

    def say(subject: Subject, messages: list[dict[str, str]]) -> str:
        prompt = subject.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=False
        )
        return greedy(subject.model, subject.tokenizer, [prompt], limit, 1, lambda _: reporter.check_stop())[0]

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        alone = body.get("alone") or body["messages"]
        return {
            subject.label: say(subject, alone if subject.prompt == "question" else body["messages"])
            for subject in subjects
        }

    return answer, lambda: None


SERVICES: dict[str, Callable[[ServeConfig, Reporter], Service]] = {
    "teacher": _teacher,
    "search": _search,
    "chat": _chat,
}

if __name__ == "__main__":
    run_worker(work)
