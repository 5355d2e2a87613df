"""Ask the teacher every request of a run that has no terminal record yet; journal each row."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kdcore import ids
from kdcore.configs.base import load_config
from kdcore.configs.elicitation import BudgetConfig, GenerateConfig
from kdcore.elicitation import METHODS
from kdcore.elicitation.base import Method, find_method
from kdcore.elicitation.pool import Pool
from kdcore.elicitation.schedule import Outcome, Scheduler, Unit
from kdcore.errors import TeacherError
from kdcore.jobs import topk_files
from kdcore.jobs.reply_cache import ReplyCache
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.records.journal import PaidRecord, SampleRecord, SignalSummary, Usage, VerdictRecord
from kdcore.records.rows import VerdictKey
from kdcore.teacher import open_teacher
from kdcore.types import MethodRow, Reply, Request
from kdcore.workers.base import on_accelerator
from kdcore.workers.generate.budget import Budget
from kdcore.workers.generate.journal import JournalProgress
from kdcore.workers.generate.target import Target, each_once

ROWS_A_COPY = 1_000_000  # a program run again for the next copy numbers its rows from here
IN_VAIN = 5  # failures alike, and nothing else, after which a run is given up
ACTIVE = 256  # programs under way at once: enough for any engine, flat in memory


def sample_record(
    outcome: Outcome,
    place: int,
    row: MethodRow,
    config: GenerateConfig,
    copy_start: int = 0,
    usage: Usage | None = None,
) -> SampleRecord:
    """What the journal keeps of one row: enough to rebuild the store's row."""
    request, reply = outcome.unit.request, row.reply
    variables = {**request.variables, **row.labels}
    extra = dict(row.extra)
    if len(outcome.calls) > 1 and place == 0:
        extra["calls"] = [
            {"messages": ask.messages, "replies": [r.text for r in replies]} for ask, replies in outcome.calls
        ]
    signal = None
    if reply is not None and reply.topk is not None and reply.topk.ids:
        signal = SignalSummary(**topk_files.summary(reply.topk, reply.token_ids))
    fields = storable(
        {
            "question": question_of(row, request),
            "source": variables.get("source", ""),
            "topic": variables.get("topic", ""),
            "difficulty": variables.get("difficulty", ""),
            "reader": variables.get("reader", ""),
            "group": variables.get("group", ""),
            "messages": row.messages or request.messages,
            "completion": reply.text if reply is not None else row.answer,
            "reason": row.reason,
            "answer": row.answer,
            "rationale": row.rationale,
            "extra": extra,
        }
    )
    return SampleRecord(
        sample_id=row_id(request, config, copy_start + place),
        request_id=request.request_id,
        seed_id=request.seed_id,
        copy_number=outcome.unit.copy,
        n=copy_start + place,
        of=len(outcome.rows),
        role="judgement" if METHODS[config.template.method].judges else "answer",
        status=row.status,
        parent=row_id(request, config, copy_start + row.parent) if row.parent is not None else "",
        finish_reason=reply.finish_reason if reply is not None else "stop",
        prompt_tokens=reply.prompt_tokens if reply is not None else 0,
        completion_tokens=reply.completion_tokens if reply is not None else 0,
        time=time.time(),
        signal=signal,
        usage=usage,
        **fields,
    )


def question_of(row: MethodRow, request: Request) -> str:
    """The question that a row answers."""
    return row.question or request.variables.get("question") or request.messages[-1]["content"]


def storable(value: Any) -> Any:
    """Text that any database takes: half characters and zero bytes are replaced, at every depth."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\u2400")
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    return [storable(item) for item in value] if isinstance(value, list | tuple) else value


def row_id(request: Request, config: GenerateConfig, n: int) -> str:
    """The id of a request's n-th row under this teacher and sampling."""
    sampling = config.sampling.model_dump(exclude={"n"})
    return ids.sample_id(request.request_id, config.teacher_fingerprint, sampling, n)


def work(run: RunDir, reporter: Reporter) -> None:
    """Generate what is missing, then pack the signals."""
    config = run.load(GenerateConfig)
    job = GenerationJob(run, reporter, config, find_method(METHODS, config.template.method))
    topk_files.pack(run)
    job.ask()
    reporter.phase("packing the teacher's signals")
    topk_files.pack(run)
    job.show()
    reporter.conclude(job.last_word())


class GenerationJob:
    """One run: what to ask next, what came back, and how far it is."""

    def __init__(self, run: RunDir, reporter: Reporter, config: GenerateConfig, method: Method) -> None:
        self._run, self._reporter, self._config, self._method = run, reporter, config, method
        self._requests = [Request(**row) for row in run.read_lines("requests.jsonl")]
        self._copies = 1 if method.many else config.sampling.n
        progress = JournalProgress(run, self._copies)
        self._done = progress.finished
        self._rows = progress.counts()
        self._known = set(progress.status)
        self._target = Target(config.target, self._requests)
        for counted in progress.counted:
            self._target.count(*counted)
        raised = run.read_lines("budget.jsonl")
        budget = load_config(BudgetConfig, raised[-1]) if raised else config.budget
        self._budget = Budget(budget, config.teacher, progress.tokens_in, progress.tokens_out, progress.asking_s)
        seeds = [(row["text"], row["group"]) for row in run.read_lines("pool.jsonl")]
        self._pool = Pool([*seeds, *(progress.questions() if method.takes != "document" else [])])
        self._in_flight: Counter[str] = Counter()
        self._finished = len(self._done) * self._copies
        self._total = len(self._requests) * self._copies
        self._unfinished = Counter[str]()
        asked = max((len(message["content"]) for r in self._requests[:64] for message in r.messages), default=0)
        self._guess = asked / 4, float(config.sampling.max_tokens * config.sampling.n // self._copies)
        self._paid = progress.paid
        self._new_tokens = self._new_units = self._new_counted = 0  # asked for since the teacher was there
        self._loading_s = 0.0
        self._started = time.monotonic()
        self._spill: topk_files.SignalWriter | None = None
        self._failures = Counter[str]()  # of this attempt, by reason
        self._made = 0
        self._notes: list[str] = []
        self.show()

    def ask(self) -> None:
        """Run the programs of what is missing; the teacher is opened only when a call has no kept reply."""
        config = self._config
        memory = ReplyCache(Path(config.replies)) if config.replies else None
        scheduler = Scheduler(
            self._units(),
            self._method,
            config.template.method_config,
            config.sampling,
            self._take,
            pool=self._pool,
            memory=memory,
            teacher=config.teacher_fingerprint,
            may_start=lambda active: active < ACTIVE and self._budget.bears(active, self._guess),
            stopped=lambda: bool(self._budget.spent()),
        )
        self._spill = topk_files.SignalWriter(self._run, self._reporter.epoch)
        try:
            calls = scheduler.calls()
            self._budget.start()
            first = next(calls, None)
            if first is None:
                return
            with on_accelerator(self._run, self._reporter):
                self._reporter.phase(f"loading the teacher {config.teacher.model}")
                path = Path(config.teacher_path) if config.teacher_path else None
                began = time.monotonic()
                teacher = open_teacher(config.teacher, path, config.sampling)
                try:
                    self._reporter.phase("asking the teacher")
                    self._started = time.monotonic()
                    self._loading_s = self._started - began
                    self._budget.start()
                    for reply in teacher.generate(_after(first, calls), self._reporter.check_stop):
                        self._paid_for(reply)
                        scheduler.take(reply)
                    self._refuse_in_vain(least=1)
                finally:
                    self._notes = list(getattr(teacher, "notes", ()))
                    teacher.close()
        finally:
            self._spill.close()
            if self._unfinished["paid"]:
                self._reporter.append(PaidRecord(**self._unfinished))

    def _paid_for(self, reply: Reply) -> None:
        """Count a reply at once, whether or not its program is through."""
        tokens_in = reply.prompt_tokens if reply.n == 0 else 0
        self._new_tokens += reply.completion_tokens
        self._paid += 1
        self._budget.tokens_in += tokens_in
        self._budget.tokens_out += reply.completion_tokens
        self._unfinished.update(paid=1, tokens_in=tokens_in, tokens_out=reply.completion_tokens)

    def _units(self) -> Iterator[Unit | None]:
        """What to start next, counted as under way until it is taken; nothing once the budget is spent."""
        if self._target.active:
            units = self._target.units(self._done, self._in_flight, self._copies)
        else:
            missing = [request for request in self._requests if request.request_id not in self._done]
            units = each_once(missing, self._copies)
        for unit in units:
            if self._budget.spent():
                return
            if unit is not None:
                self._in_flight[unit.request.variables.get("topic", "")] += 1
            yield unit

    def _take(self, outcome: Outcome) -> None:
        """Journal a finished unit: its verdicts about other rows, then its own rows."""
        topic = outcome.unit.request.variables.get("topic", "")
        self._in_flight[topic] -= 1
        self._finished += 1
        used: Usage | None = Usage(paid=outcome.paid, tokens_in=outcome.tokens_in, tokens_out=outcome.tokens_out)
        self._unfinished.subtract(used.model_dump())
        if outcome.paid:
            self._budget.paid_unit(outcome.tokens_in, outcome.tokens_out)
            self._new_units += 1
        counted_before = self._target.counted
        start = outcome.unit.copy * ROWS_A_COPY
        for place, row in enumerate(outcome.rows):
            if (outcome.unit.request.request_id, start + place) in self._known:
                continue  # an earlier attempt has this row; the journal and the counts keep it
            question = question_of(row, outcome.unit.request)
            judged = self._target.judge(row, question, row.labels.get("topic", topic))
            record = sample_record(outcome, place, judged, self._config, start, used)
            used = None  # told once, with the first row
            if record.signal and self._spill is not None and row.reply is not None and row.reply.topk is not None:
                self._spill.add(record.sample_id, row.reply.token_ids, row.reply.topk)
            for verdict in row.extra.get("verdicts", []) if row.extra.get("about") else []:
                key = VerdictKey("check", storable(verdict["name"]))
                self._reporter.append(
                    VerdictRecord.of(
                        key,
                        row.extra["about"],
                        passed=verdict["passed"],
                        reason=storable(verdict["reason"]),
                        score=verdict["score"],
                    )
                )
            self._reporter.append(record)
            self._rows[judged.status] += 1
        if used is not None and used.paid:  # every row was there already
            self._reporter.append(PaidRecord(**used.model_dump()))
        self._new_counted += self._target.counted - counted_before if outcome.paid else 0
        self._made += len(outcome.rows)
        self._failures.update(_alike(row.reason) for row in outcome.rows if row.status == "failed")
        self.show()
        self._refuse_in_vain(least=IN_VAIN)

    def _refuse_in_vain(self, least: int) -> None:
        """Raise TeacherError where all rows so far failed alike: the others would too."""
        for reason, count in self._failures.most_common(1):
            if count == self._made >= least:
                raise TeacherError(f"all of the first {count} answers failed alike: {reason}")

    def show(self) -> None:
        """Hand the figures to the status file."""
        elapsed = max(1e-6, time.monotonic() - self._started)
        toward = self._target.counted if self._target.active else self._finished
        total = self._config.target.rows or self._total
        made = self._new_counted if self._target.active else self._new_units
        self._reporter.progress(
            toward,
            total,
            "rows that count" if self._target.active else "requests",
            funnel=dict(self._rows),
            requests=self._finished,
            tokens=self._budget.tokens_out,
            tokens_in=self._budget.tokens_in,
            money=round(self._budget.money, 6),
            paid=self._paid,
            tokens_per_s=round(self._new_tokens / elapsed, 1),
            rate=made / elapsed,  # kept replies cost no time: they set no pace
            loading_s=round(self._loading_s, 2),
            elapsed_s=round(elapsed, 2),
            asking_s=round(self._budget.seconds, 2),
        )

    def last_word(self) -> str:
        """Why the run ended, where it was not simply through."""
        spent = self._budget.spent()
        target = self._config.target.rows
        through = self._target.counted >= target if target else self._finished >= self._total
        if spent and not through:
            return "; ".join([f"stopped: {spent}; raise it to go on", *self._notes])
        return "; ".join([f"stopped: {self._target.ended}", *self._notes] if self._target.ended else self._notes)


def _alike(reason: str) -> str:
    """A reason without what differs from call to call."""
    return re.sub(r"\b(?:req|chatcmpl|id)[-_:]?\w{6,}|\d{4,}", "…", reason)


def _after(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest
