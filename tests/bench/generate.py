"""`make bench-generate`: the journalled worker path against raw vLLM and transformers ``generate``.

Same model, requests, sampling and precision, in one process each, in turn. Greedy, so that all make
the same amount of text; end tokens are ignored for the speed runs.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kdcore.configs.elicitation import GenerateConfig, PromptTemplate
from kdcore.configs.teacher import Call, SamplingConfig, TeacherConfig
from kdcore.elicitation import METHODS
from kdcore.elicitation.requests import build_requests
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.models import DEFAULT_TEACHER
from kdcore.settings import workspace
from kdcore.teacher.vllm_engine import VllmTeacher
from kdcore.types import Request
from kdcore.workers.generate import job as generate_job
from tests.bench.report import line, show

REQUESTS, TOKENS, ROUNDS = 96, 64, 3
SAMPLING = SamplingConfig(temperature=0.0, top_p=1.0, max_tokens=TOKENS, top_logprobs=0)


def requests() -> list[Request]:
    """Seed questions of the project."""
    seeds = Path(__file__).resolve().parents[2] / "data" / "seeds"
    rows = [json.loads(text) for name in ("medical", "legal") for text in (seeds / f"{name}_questions.jsonl").open()]
    template = PromptTemplate(user="{{question}} Explain in detail.")
    return build_requests(template, "bench", [{"seed_id": str(i), **row} for i, row in enumerate(rows[:REQUESTS])])


class Open:
    """An engine that stays open when a job closes it."""

    def __init__(self, teacher: VllmTeacher) -> None:
        self.generate = teacher.generate

    def close(self) -> None:
        """Nothing."""


def ours(teacher: VllmTeacher, rows: list[Request], sampling: SamplingConfig) -> float:
    """Tokens a second of the worker's own job: programs, parse, kept replies, journal, fsync, top-k spill."""
    with tempfile.TemporaryDirectory() as folder:
        config = GenerateConfig(
            project_id="b",
            prompt_version_id="b",
            template=PromptTemplate(),
            teacher=TeacherConfig(),
            sampling=sampling,
            replies=f"{folder}/replies",
        )
        run = RunDir.create(Path(folder), "generate-bench", config.model_dump(mode="json"))
        run.write_lines("requests.jsonl", (asdict(row) for row in rows))
        generate_job.open_teacher = lambda *_: Open(teacher)
        with Reporter(run, 1) as reporter:
            job = generate_job.GenerationJob(run, reporter, config, METHODS["direct"])
            started = time.perf_counter()
            job.ask()
            return job._new_tokens / (time.perf_counter() - started)


def raw(teacher: VllmTeacher, rows: list[Request], sampling: SamplingConfig) -> float:
    """Tokens a second of the bare engine: every request added at once, stepped to the end."""
    from vllm import SamplingParams

    engine, tokenizer = teacher._engine, teacher._tokenizer
    params = SamplingParams(temperature=0.0, max_tokens=TOKENS, logprobs=sampling.top_logprobs or None)
    started = time.perf_counter()
    for number, request in enumerate(rows):
        ids = tokenizer.apply_chat_template(
            request.messages, add_generation_prompt=True, tokenize=True, return_dict=False
        )
        engine.add_request(f"raw-{number}-{started}", {"prompt_token_ids": ids}, params)
    tokens = 0
    while engine.has_unfinished_requests():
        tokens += sum(len(o.outputs[0].token_ids) for o in engine.step() if o.finished)
    return tokens / (time.perf_counter() - started)


def plain_transformers(path: Path, rows: list[Request]) -> float:
    """Tokens a second of ``generate`` in batches of 16, as a script would call it."""
    from kdcore.teacher.transformers_engine import TransformersTeacher

    teacher = TransformersTeacher(TeacherConfig(engine="transformers"), path, SAMPLING)
    started = time.perf_counter()
    calls = iter([Call(row.request_id, row.messages, SAMPLING) for row in rows])
    tokens = sum(r.completion_tokens for r in teacher.generate(calls, lambda: None))
    return tokens / (time.perf_counter() - started)


def median(values: list[float]) -> float:
    """The middle value."""
    return sorted(values)[len(values) // 2]


def main() -> None:
    """Ours and raw vLLM in turn, then transformers."""
    path, rows = workspace().models / DEFAULT_TEACHER, requests()
    teacher = VllmTeacher(TeacherConfig(max_concurrency=REQUESTS), path, SAMPLING)
    raw(teacher, rows[:16], SAMPLING)  # warm up
    with_topk = SAMPLING.model_copy(update={"top_logprobs": 20})
    pairs: list[tuple[Any, Any]] = []
    captured: list[tuple[Any, Any]] = []
    for _ in range(ROUNDS):
        pairs.append((ours(teacher, rows, SAMPLING), raw(teacher, rows, SAMPLING)))
        captured.append((ours(teacher, rows, with_topk), raw(teacher, rows, with_topk)))
    teacher.close()
    mine, theirs = median([p[0] for p in pairs]), median([p[1] for p in pairs])
    slow = plain_transformers(path, rows[:48])
    show(
        [
            line("generate/vllm", mine, theirs, "tokens/s", 0.95),
            line(
                "generate/vllm top-20",
                median([p[0] for p in captured]),
                median([p[1] for p in captured]),
                "tokens/s",
                0.85,
            ),
            line("generate/transformers", mine, slow, "tokens/s", 2.5),
        ]
    )


if __name__ == "__main__":
    main()
