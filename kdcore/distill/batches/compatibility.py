"""How student and teacher fit together, said before the start: tokens, vocabulary and its padding, chat template.

Equal width is no proof of equal tokens, so the tokens of a probe text are compared as well.
"""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np

from kdcore.distill.batches.rows import PROBE, Row
from kdcore.distill.losses.sparse import PADDING
from kdcore.records.runs import Compatibility

_CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is a tort?"},
    {"role": "assistant", "content": "A civil wrong."},
]


def compatibility(student: Any, teacher: Any, student_config: Any, teacher_config: Any) -> list[Compatibility]:
    """Tokenizers and configs of transformers compared, as plain rows for the report."""
    mine, theirs = student(PROBE)["input_ids"], teacher(PROBE)["input_ids"]
    widths = tuple(int(config.get_text_config().vocab_size) for config in (student_config, teacher_config))
    found = [
        Compatibility(
            what="tokens of a probe text",
            student=f"{len(mine)} tokens",
            teacher=f"{len(theirs)} tokens" + (", the same" if mine == theirs else ""),
            same=mine == theirs,
            means="the teacher's token ids can't be used: the top-k is carried over through the text",
        ),
        Compatibility(
            what="vocabulary",
            student=f"{len(student):,} words",
            teacher=f"{len(teacher):,} words",
            same=student.get_vocab() == teacher.get_vocab(),
            means="the ids name other words",
        ),
        Compatibility(
            what="outputs (padding included)",
            student=f"{widths[0]:,} ({widths[0] - len(student):,} padding)",
            teacher=f"{widths[1]:,} ({widths[1] - len(teacher):,} padding)",
            same=widths[0] == widths[1],
            means="only the outputs that both have are compared; padding carries no probability",
        ),
        Compatibility(
            what="end mark",
            student=repr(student.eos_token),
            teacher=repr(teacher.eos_token),
            same=student.eos_token == teacher.eos_token,
            means="the student ends its answers with its own mark",
        ),
        _template(student, teacher),
    ]
    return found


def _template(student: Any, teacher: Any) -> Compatibility:
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
    same = texts[0] == texts[1]
    return Compatibility(what="chat template", student="as it is", teacher="as it is", same=same, means=means)


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
