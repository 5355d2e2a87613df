"""What a student's answers are like beside the teacher's: checks passed, length, likeness, and what it was shown."""

from __future__ import annotations

from statistics import mean
from typing import TypedDict

from kdcore.configs.evaluation import EvaluateConfig
from kdcore.filters import FILTERS
from kdcore.jobs import parquet
from kdcore.services.datasets.chat_tokens import chat_tokens
from kdcore.services.evaluate import comparison
from kdcore.services.workspace import App

CHECKS = ("length", "refusal", "repetition", "placeholder", "truncation")


class Quality(TypedDict):
    """Of one student on its held-out questions; words and prompt tokens are means."""

    rouge_l: float
    base_rouge_l: float
    passed: int
    of: int
    words: float
    teacher_words: float
    prompt_tokens: float
    teacher_prompt_tokens: float


def of_comparison(app: App, run_id: str) -> Quality | None:
    """The figures of a comparison's first student; None where it has none, or no answer yet."""
    config = app.run_dir(run_id).load(EvaluateConfig)
    student = next((c for c in config.candidates if c.label not in (comparison.BASE, comparison.TEACHER)), None)
    rows = comparison.worst_first(app, run_id)
    if student is None or not rows:
        return None
    found = comparison.summary(app, run_id)
    said = [{"question": row["question"] or "", "answer": row["answers"].get(student.label, "")} for row in rows]
    fails = [FILTERS[name].verdicts(said, FILTERS[name].config()) for name in CHECKS]
    file = app.run_dir(run_id).path / "input.parquet"
    shown = parquet.training_rows(file, [("split", "=", "heldout")], ["messages", "asked", "split"])[
        : config.max_items
    ]
    alone = student.prompt == "question"
    asked = [row.get("asked") or row["messages"] for row in shown]
    own, whole = _tokens(student.model, [row["messages"] for row in shown] if alone else asked, asked)
    return {
        "rouge_l": found[student.label]["rouge_l"]["mean"],
        "base_rouge_l": found[comparison.BASE]["rouge_l"]["mean"],
        "passed": sum(all(verdict.passed for verdict in verdicts) for verdicts in zip(*fails, strict=True)),
        "of": len(said),
        "words": mean(len(row["answer"].split()) for row in said),
        "teacher_words": mean(len((row["reference"] or "").split()) for row in rows),
        "prompt_tokens": own,
        "teacher_prompt_tokens": whole,
    }


def _tokens(model: str, *lists: list[str]) -> list[float]:
    """Mean length of each list of chats, as they are before an answer, in tokens of a model."""
    with chat_tokens(model, model) as tokens:
        return [mean(len(tokens.ids(chat, "")["prompt_ids"]) for chat in chats) for chats in lists]
