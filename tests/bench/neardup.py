"""`make bench-neardup`: near-duplicate pairs against datasketch's MinHashLSH, on planted pairs."""

from __future__ import annotations

import random
import time

from kdcore.filters.near_duplicates import NearDuplicatesConfig, pairs, shingles
from tests.bench.report import line, show

TEXTS, PLANTED, THRESHOLD = 20_000, 1_000, 0.7


def corpus() -> tuple[list[str], set[tuple[int, int]]]:
    """Random texts of 80 words, the last PLANTED of them copies with three words changed."""
    chance = random.Random(0)
    words = [f"w{i}" for i in range(4000)]
    texts = [" ".join(chance.choices(words, k=80)) for _ in range(TEXTS - PLANTED)]
    truth: set[tuple[int, int]] = set()
    for origin in chance.sample(range(len(texts)), PLANTED):
        changed = texts[origin].split()
        for place in chance.sample(range(80), 3):
            changed[place] = chance.choice(words)
        truth.add((origin, len(texts)))
        texts.append(" ".join(changed))
    return texts, truth


def peer(texts: list[str]) -> set[tuple[int, int]]:
    """Candidates of datasketch with the same threshold and permutations."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=THRESHOLD, num_perm=128)
    found: set[tuple[int, int]] = set()
    for number, text in enumerate(texts):
        signature = MinHash(num_perm=128)
        signature.update_batch([s.encode() for s in shingles(text, 3)])
        found |= {(int(other), number) for other in index.query(signature)}
        index.insert(str(number), signature)
    return found


def main() -> None:
    """Speed ratio, then recall of both."""
    texts, truth = corpus()
    started = time.perf_counter()
    mine = {(a, b) for a, b, _ in pairs(texts, NearDuplicatesConfig(threshold=THRESHOLD))}
    middle = time.perf_counter()
    theirs = peer(texts)
    ended = time.perf_counter()
    recall, peer_recall = (len(found & truth) / len(truth) for found in (mine, theirs))
    show(
        [
            line("neardup/time", middle - started, ended - middle, "s", 5.0, lower_is_better=True),
            line("neardup/recall", recall, peer_recall, "share of planted pairs", 1.0),
        ]
    )


if __name__ == "__main__":
    main()
