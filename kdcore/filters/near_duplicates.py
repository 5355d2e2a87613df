"""Near-duplicates by MinHash and locality-sensitive hashing (Broder 1997), checked by true Jaccard.

Candidates come from ``rensa``; a pair counts only if its word shingles really overlap that much, so the
hash decides speed, not the verdict. The first row of a group, in the order given, is kept.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import lru_cache

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.errors import MissingDependency
from kdcore.filters.base import Filter, Rows, no_tick
from kdcore.types import Verdict


class NearDuplicatesConfig(Config):
    """How alike is too alike."""

    threshold: float = Field(
        default=0.7, gt=0, le=1, description="Share of common word runs above which two are duplicates"
    )
    words: int = Field(default=3, ge=1, le=10, description="Words in a run")


PERMUTATIONS = 128
BANDS = 32
CACHED = 20_000
TICK = 500


def shingles(text: str, words: int) -> set[str]:
    """Runs of ``words`` words, lower-case; a shorter text is one run."""
    tokens = text.lower().split()
    if len(tokens) <= words:
        return {" ".join(tokens)}
    return {" ".join(tokens[i : i + words]) for i in range(len(tokens) - words + 1)}


def jaccard(a: set[str], b: set[str]) -> float:
    """Common share of two sets, 0 to 1; 1 for two empty sets."""
    union = len(a | b)
    return len(a & b) / union if union else 1.0


def pairs(
    texts: list[str], config: NearDuplicatesConfig, tick: Callable[[int], None] = no_tick
) -> list[tuple[int, int, float]]:
    """Pairs ``(earlier, later, jaccard)`` at or above the threshold."""
    try:
        from rensa import RMinHash, RMinHashLSH  # pyright: ignore[reportAttributeAccessIssue]
    except ImportError as exc:
        raise MissingDependency("near-duplicates need rensa; pip install 'kdcore[models]'.") from exc
    # The sets of a million texts take 10 GB and more: those of candidates are made again.
    runs_of = lru_cache(maxsize=CACHED)(lambda place: shingles(texts[place], config.words))
    sizes = array("L")
    index = RMinHashLSH(threshold=config.threshold, num_perm=PERMUTATIONS, num_bands=BANDS)
    found: list[tuple[int, int, float]] = []
    for later, text in enumerate(texts):
        if later % TICK == 0:
            tick(later)
        runs = shingles(text, config.words)
        sizes.append(len(runs))
        signature = RMinHash(num_perm=PERMUTATIONS, seed=42)
        signature.update(sorted(runs))
        for earlier in index.query(signature):
            smaller, larger = sorted((sizes[earlier], len(runs)))
            if smaller < config.threshold * larger:
                continue  # no overlap could be enough
            alike = jaccard(runs_of(earlier), runs)
            if alike >= config.threshold:
                found.append((int(earlier), later, alike))
        index.insert(later, signature)
    return found


def _judge(rows: Rows, config: NearDuplicatesConfig, tick: Callable[[int], None] = no_tick) -> list[Verdict]:
    texts = [f"{row['question']}\n{row['answer']}" for row in rows]
    best: dict[int, tuple[int, float]] = {}
    for earlier, later, alike in pairs(texts, config, tick):
        if later not in best or alike > best[later][1]:
            best[later] = (earlier, alike)
    return [
        Verdict(
            False,
            f"{best[i][1]:.0%} the same as sample {rows[best[i][0]]['sample_id']}",
            best[i][1],
            rows[best[i][0]]["sample_id"],
        )
        if i in best
        else Verdict(True, "", 0.0)
        for i in range(len(rows))
    ]


NEAR_DUPLICATES = Filter(
    "near_duplicates",
    "Nearly the same as an earlier sample",
    NearDuplicatesConfig,
    _judge,
    by_row=False,
    ticks=True,
)
