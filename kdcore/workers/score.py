"""Have a teacher look at given answers: its top-k at every token, and how likely it finds the whole.

Where it is asked for, some of its less likely words are drawn at every token too (see ``losses.sparse``).

The answer is never asked for again: one pass over its tokens. Rows that an earlier attempt scored are passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TypedDict, cast

import pyarrow.parquet as pq

from kdcore.configs.scoring import ScoreConfig
from kdcore.configs.teacher import Call, SamplingConfig
from kdcore.jobs import topk_files
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.tail import records_of
from kdcore.records.journal import VerdictRecord
from kdcore.types import Reply
from kdcore.workers.base import run_worker, teacher_on_accelerator


class AnswerToRead(TypedDict):
    """An answer that the teacher is to read, with its chat (JSON)."""

    sample_id: str
    messages: str
    completion: str


def work(run: RunDir, reporter: Reporter) -> None:
    """Score what is missing, then pack the signals."""
    config = run.load(ScoreConfig)
    rows = cast("list[AnswerToRead]", pq.read_table(run.path / "input.parquet").to_pylist())
    topk_files.pack(run)
    last = config.key("likelihood")  # written after the row's other figure
    done = {v.sample_id for v in records_of(run, VerdictRecord) if (v.verdict_kind, v.filter) == last}
    missing = [row for row in rows if row["sample_id"] not in done]
    failed = _score(run, reporter, config, missing, len(rows)) if missing else []
    reporter.phase("packing the teacher's signals")
    topk_files.pack(run)
    reporter.progress(len(rows) - len(failed), len(rows), "answers")
    reporter.conclude(f"{len(failed)} answers could not be scored: {failed[0]}" if failed else "")


def _score(
    run: RunDir, reporter: Reporter, config: ScoreConfig, rows: Sequence[AnswerToRead], total: int
) -> list[str]:
    """Returns why rows could not be scored."""
    sampling = SamplingConfig(top_logprobs=config.top_logprobs)
    failed: list[str] = []
    done = total - len(rows)
    spill = topk_files.SignalWriter(run, reporter.epoch)
    try:
        with teacher_on_accelerator(run, reporter, config.teacher, config.teacher_path, sampling) as teacher:
            reporter.phase("reading the answers")
            for count, reply in enumerate(teacher.generate(_calls(rows, config, sampling), reporter.check_stop), 1):
                if reply.error or reply.topk is None:
                    failed.append(reply.error or "the engine gave no probabilities")
                    continue
                spill.add(reply.call_id, reply.token_ids, reply.topk, reply.tail)
                for verdict in verdicts(reply, config):
                    reporter.append(verdict)
                reporter.progress(done + count, total, "answers")
    finally:
        spill.close()
    return failed


def _calls(rows: Sequence[AnswerToRead], config: ScoreConfig, sampling: SamplingConfig) -> Iterator[Call]:
    for row in rows:
        messages, answer = json.loads(row["messages"]), row["completion"]
        yield Call(row["sample_id"], messages, sampling, answer=answer, tail_words=config.tail_words)


def verdicts(reply: Reply, config: ScoreConfig) -> Iterator[VerdictRecord]:
    """Two figures of one answer, in nats a token: the mean log-probability of its tokens, and the mean entropy."""
    assert reply.topk is not None
    found = topk_files.summary(reply.topk, reply.token_ids)
    likely = sum(reply.logprobs) / len(reply.logprobs)
    reason = (
        f"the teacher's words were at place {found['mean_rank']:.1f} on average; "
        f"its {config.top_logprobs} likeliest hold {found['captured_mass']:.0%}"
    )
    yield VerdictRecord.of(config.key("entropy"), reply.call_id, score=found["entropy"])
    yield VerdictRecord.of(config.key("likelihood"), reply.call_id, reason=reason, score=likely)


if __name__ == "__main__":
    run_worker(work)
