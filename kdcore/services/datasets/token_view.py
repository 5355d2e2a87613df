"""How sure the teacher was, token by token: read from the stored top-k of one sample."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import Any, TypedDict

from kdcore.errors import ConfigError
from kdcore.services.datasets import topk as stored_topk
from kdcore.services.workspace import App
from kdcore.store import samples

ALTERNATIVES = 5


@lru_cache(maxsize=4)
def _tokenizer(path: str) -> Any:
    from tokenizers import Tokenizer  # the Rust library alone, no model library

    return Tokenizer.from_file(path)


class Token(TypedDict):
    """One token of an answer: entropy in nats, mass of the stored top-k, and the likeliest words with theirs."""

    text: str
    entropy: float
    captured: float
    rank: int | None
    probability: float | None
    others: list[tuple[str, float]]


def tokens(app: App, sample_id: str) -> list[Token]:
    """``{text, entropy, captured, rank, probability, others}`` for each token of an answer, if stored.

    Entropy in nats; ``rank`` of the chosen token counts from 1 and is None outside the stored top-k; ``others`` are
    the likeliest tokens with their probability. Raises ConfigError where the teacher's tokenizer is not here.
    """
    found = samples.by_ids(app.store, [sample_id])
    if not found:
        raise ConfigError(f'there is no sample "{sample_id}" in this workspace.')
    row, run = stored_topk.of_sample(app, found[0])
    if row is None:
        return []
    file = Path(app.folders.mounts.found(run.config()["teacher_path"] or ".")) / "tokenizer.json"
    if not file.exists():
        raise ConfigError("the teacher's tokenizer is not on this machine, so its tokens can't be shown as words.")
    words = _tokenizer(str(file))
    k = row["k"]
    result: list[Token] = []
    for place, token in enumerate(row["token_ids"]):
        ids = row["topk_ids"][place * k : (place + 1) * k]
        logprobs = row["topk_logprobs"][place * k : (place + 1) * k]
        if not ids:
            break
        rank = ids.index(token) + 1 if token in ids else None
        result.append(
            {
                "text": words.decode([token], skip_special_tokens=False),
                "entropy": row["entropy"][place],
                "captured": 1 - row["tail_mass"][place],
                "rank": rank,
                "probability": math.exp(logprobs[rank - 1]) if rank else None,
                "others": [
                    (words.decode([i], skip_special_tokens=False), math.exp(p))
                    for i, p in list(zip(ids, logprobs, strict=True))[:ALTERNATIVES]
                ],
            }
        )
    return result
