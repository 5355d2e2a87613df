"""The columns of a sample and of what hangs on it, named once: tables, selections and pages read them from here."""

from __future__ import annotations

from typing import Literal, NamedTuple

import pyarrow as pa

# ---- samples ----------------------------------------------------------------------------------------------
SAMPLE: dict[str, pa.DataType] = {
    "sample_id": pa.string(),
    "request_id": pa.string(),
    "run_id": pa.string(),
    "project_id": pa.string(),
    "prompt_version_id": pa.string(),
    "seed_id": pa.string(),
    "n": pa.int32(),
    "status": pa.string(),
    "reason": pa.string(),
    "question": pa.string(),
    "answer": pa.string(),
    "rationale": pa.string(),
    "source": pa.string(),
    "topic": pa.string(),
    "difficulty": pa.string(),
    "reader": pa.string(),
    "group_key": pa.string(),
    "messages": pa.string(),
    "completion": pa.string(),
    "finish_reason": pa.string(),
    "prompt_tokens": pa.int32(),
    "completion_tokens": pa.int32(),
    "teacher": pa.string(),
    "entropy": pa.float64(),
    "captured_mass": pa.float64(),
    "created": pa.float64(),
    "parent": pa.string(),
    "extra": pa.string(),
    "terms": pa.string(),
    "mean_rank": pa.float64(),
    "role": pa.string(),
}
AS_FOUND = "found"  # the order in which a search gave its hits
SORTS = ("created", "entropy", "mean_rank", "completion_tokens", "topic", "status", "question")
FACETS = ("status", "topic", "difficulty", "reader", "prompt_version_id", "teacher", "run_id")
NUMBERS = ("completion_tokens", "entropy", "captured_mass", "mean_rank", "prompt_tokens")
# what a selection may compare; texts are searched instead
Column = Literal[
    "status",
    "topic",
    "difficulty",
    "reader",
    "run_id",
    "prompt_version_id",
    "teacher",
    "seed_id",
    "finish_reason",
    "completion_tokens",
    "prompt_tokens",
    "entropy",
    "captured_mass",
    "mean_rank",
    "group_key",
    "terms",
    "parent",
    "role",
]
TEXTS = ("question", "answer", "rationale", "source")
LABELS = ("topic", "difficulty", "reader")  # what a seed says of its sample, by name

# ---- seeds ------------------------------------------------------------------------------------------------
SEED: dict[str, pa.DataType] = {
    "seed_id": pa.string(),
    "project_id": pa.string(),
    "kind": pa.string(),
    "text": pa.string(),
    "source": pa.string(),
    "topic": pa.string(),
    "difficulty": pa.string(),
    "reader": pa.string(),
    "group_key": pa.string(),
    "fields": pa.string(),
    "run_id": pa.string(),
    "created": pa.float64(),
}

# ---- frozen rows ------------------------------------------------------------------------------------------
FROZEN: dict[str, pa.DataType] = {
    "sample_id": pa.string(),
    "split": pa.string(),
    "question": pa.string(),
    "answer": pa.string(),
    "rationale": pa.string(),
    "edited": pa.bool_(),
}

# ---- verdicts ---------------------------------------------------------------------------------------------
VerdictKind = Literal["check", "concept", "pick", "likelihood"]
VERDICT: dict[str, pa.DataType] = {
    "run_id": pa.string(),
    "sample_id": pa.string(),
    "kind": pa.string(),
    "filter": pa.string(),
    "passed": pa.bool_(),
    "reason": pa.string(),
    "score": pa.float64(),
    "created": pa.float64(),
    "related": pa.string(),
    "basis": pa.string(),
}
_ENTROPY = " (entropy)"  # the second figure of a teacher that read an answer


class VerdictKey(NamedTuple):
    """Who says something of a sample: a check, a concept that was taught, a pick, a teacher that read it.

    ``text`` is its form in select boxes, configs and files of 0.1.0, where the kind was a prefix of the name.
    """

    kind: VerdictKind
    filter: str

    @property
    def text(self) -> str:
        """A check's bare name; ``kind: name`` for the others."""
        return self.filter if self.kind == "check" else f"{self.kind}: {self.filter}"

    @classmethod
    def parse(cls, text: str) -> VerdictKey:
        """Read ``text``; what has none of the known prefixes is a check."""
        prefix, separator, name = text.partition(": ")
        if separator and prefix in ("concept", "pick", "likelihood"):
            return cls(prefix, name)
        if separator and prefix == "entropy":
            return cls("likelihood", name + _ENTROPY)
        return cls("check", text)


# ---- trainings and evaluations ----------------------------------------------------------------------------
METRIC: dict[str, pa.DataType] = {
    "run_id": pa.string(),
    "attempt": pa.int32(),
    "step": pa.int32(),
    "split": pa.string(),
    "name": pa.string(),
    "value": pa.float64(),
    "time": pa.float64(),
}
TRAIN_ROW: dict[str, pa.DataType] = {
    "run_id": pa.string(),
    "attempt": pa.int32(),
    "step": pa.int32(),
    "sample_id": pa.string(),
    "slice": pa.int32(),
    "loss": pa.float64(),
}
TRAIN_ANSWER: dict[str, pa.DataType] = {
    "run_id": pa.string(),
    "attempt": pa.int32(),
    "step": pa.int32(),
    "sample_id": pa.string(),
    "completion": pa.string(),
}
EVAL_ITEM: dict[str, pa.DataType] = {
    "run_id": pa.string(),
    "sample_id": pa.string(),
    "candidate": pa.string(),
    "completion": pa.string(),
    "measures": pa.string(),
    "created": pa.float64(),
}
PLACEMENT: dict[str, pa.DataType] = {
    "run_id": pa.string(),
    "sample_id": pa.string(),
    "x": pa.float32(),
    "y": pa.float32(),
    "cluster": pa.int32(),
}


def schema(columns: dict[str, pa.DataType]) -> pa.Schema:
    """An Arrow schema of some columns, in their order."""
    return pa.schema(list(columns.items()))
