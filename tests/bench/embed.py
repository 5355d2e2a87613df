"""`make bench-embed`: our embedder against ``SentenceTransformer.encode`` with its defaults, same texts."""

from __future__ import annotations

import random
import time

import numpy as np

from kdcore.explore.embedders import Embedder
from kdcore.models import DEFAULT_EMBEDDER
from kdcore.settings import workspace
from tests.bench.report import line, show

TEXTS, ROUNDS = 512, 3


def texts() -> list[str]:
    """Question-and-answer shaped texts of 10 to 120 words."""
    chance = random.Random(0)
    words = [
        "heart",
        "blood",
        "contract",
        "court",
        "drug",
        "dose",
        "patient",
        "claim",
        "notice",
        "kidney",
        "appeal",
        "tenant",
        "fever",
        "statute",
        "risk",
    ]
    return [" ".join(chance.choices(words, k=chance.randint(10, 120))) for _ in range(TEXTS)]


def main() -> None:
    """In turn, median of the rates; cosine between the two on every text."""
    from sentence_transformers import SentenceTransformer

    path = workspace().models / DEFAULT_EMBEDDER
    data = texts()
    mine, peer = Embedder(path), SentenceTransformer(str(path), device=None)
    mine.encode(data[:32]), peer.encode(data[:32])
    rates: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        ours = mine.encode(data)
        middle = time.perf_counter()
        theirs = peer.encode(data, normalize_embeddings=True)
        rates.append((TEXTS / (middle - started), TEXTS / (time.perf_counter() - middle)))
    cosine = float(np.min((ours * theirs).sum(1)))
    a, b = (sorted(r[i] for r in rates)[ROUNDS // 2] for i in (0, 1))
    show(
        [
            line("embed/speed", a, b, f"texts/s ({mine.precision})", 2.5),
            line("embed/cosine", cosine, None, "min cosine", 0.999),
        ]
    )


if __name__ == "__main__":
    main()
