"""How student and teacher fit together, said before the start: tokens, vocabulary and its padding, chat template.

Equal width is no proof of equal tokens, so the tokens of a probe text are compared as well.
"""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kdcore.distill.batches.rows import PROBE, Row
from kdcore.distill.losses.sparse import PADDING

_CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is a tort?"},
    {"role": "assistant", "content": "A civil wrong."},
]


@dataclass(frozen=True, slots=True)
class Fit:
    """One thing that is compared; ``means`` says what follows where the two differ."""

    what: str
    student: str
    teacher: str
    same: bool
    means: str = ""


def fits(student: Any, teacher: Any, student_config: Any, teacher_config: Any) -> list[dict[str, Any]]:
    """Tokenizers and configs of transformers compared, as plain rows for the report."""
    mine, theirs = student(PROBE)["input_ids"], teacher(PROBE)["input_ids"]
    widths = tuple(int(config.get_text_config().vocab_size) for config in (student_config, teacher_config))
    found = [
        Fit(
            "tokens of a probe text",
            f"{len(mine)} tokens",
            f"{len(theirs)} tokens" + (", the same" if mine == theirs else ""),
            mine == theirs,
            "the teacher's token ids can't be used: the top-k is carried over through the text",
        ),
        Fit(
            "vocabulary",
            f"{len(student):,} words",
            f"{len(teacher):,} words",
            student.get_vocab() == teacher.get_vocab(),
            "the ids name other words",
        ),
        Fit(
            "outputs (padding included)",
            f"{widths[0]:,} ({widths[0] - len(student):,} padding)",
            f"{widths[1]:,} ({widths[1] - len(teacher):,} padding)",
            widths[0] == widths[1],
            "only the outputs that both have are compared; padding carries no probability",
        ),
        Fit(
            "end mark",
            repr(student.eos_token),
            repr(teacher.eos_token),
            student.eos_token == teacher.eos_token,
            "the student ends its answers with its own mark",
        ),
        _template(student, teacher),
    ]
    return [asdict(fit) for fit in found]


def _template(student: Any, teacher: Any) -> Fit:
    """The same short chat written out by both; where they differ, the first lines that do."""
    texts: list[str] = []
    for tokenizer in (student, teacher):
        try:
            texts.append(str(tokenizer.apply_chat_template(_CHAT, tokenize=False)))
        except Exception as exc:  # a template is a program of the model's makers and may raise anything
            texts.append(f"can't write a chat with a system message ({type(exc).__name__})")
    lines = difflib.ndiff(texts[1].splitlines(), texts[0].splitlines())
    changed = [line for line in lines if line[:1] in "+-"]
    means = "the student reads and writes chats in its own form: " + " ".join(changed)[:300]
    return Fit("chat template", "as it is", "as it is", texts[0] == texts[1], means)


def within(rows: list[Row], outputs: int) -> int:
    """Empty the top-k words that the student has no output for, in place; returns how many there were.

    Their probability falls to the tail. Models of one family pad their outputs to different widths.
    """
    emptied = 0
    for row in rows:
        if row.topk_ids is None or row.topk_logprobs is None:
            continue
        beyond = row.topk_ids >= outputs
        if beyond.any():
            emptied += int(beyond.sum())
            row.topk_ids = np.where(beyond, 0, row.topk_ids)
            row.topk_logprobs = np.where(beyond, np.float32(PADDING), row.topk_logprobs)
    return emptied
