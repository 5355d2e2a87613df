"""How long many requests take, from how a few ended.

An engine that batches writes one token of every request at each step, and a step takes ``a + c·b`` seconds with ``b``
requests under way. The requests of a trial begin together and end one after the other, so the times between two ends
show steps of every smaller ``b``; a run is then played through with the trial's lengths.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

MIN_ENDED = 4  # requests that ended at different times


def step_times(ended: Sequence[tuple[int, float]], copies: int = 1) -> tuple[float, float, float] | None:
    """``(a, c, begin)`` in seconds from ``(tokens, seconds)`` of replies that began together; None for too few.

    ``copies`` replies of one call stand after each other and are told when the longest has ended. ``begin`` is what
    came before the first step: reading all their prompts, and what is done only once.
    """
    lengths = [tokens for tokens, _ in ended]
    calls = [ended[place : place + copies] for place in range(0, len(ended), copies)]
    order = sorted((max(tokens for tokens, _ in call), max(seconds for _, seconds in call)) for call in calls)
    steps, spans, work = list[int](), list[float](), list[int]()
    for (before, began), (tokens, seconds) in pairwise(order):
        if tokens > before and seconds > began:
            steps.append(tokens - before)
            spans.append(seconds - began)
            work.append(_written(lengths, tokens) - _written(lengths, before))
    if len(steps) < MIN_ENDED - 1:
        return None
    design = np.stack([np.asarray(steps, float), np.asarray(work, float)], axis=1)
    (a, c), *_ = np.linalg.lstsq(design, np.asarray(spans), rcond=None)
    if c < 0 or a < 0:
        a, c = sum(spans) / sum(steps), 0.0
    tokens, seconds = order[0]
    begin = seconds - tokens * a - _written(lengths, tokens) * c
    return float(a), float(c), max(0.0, float(begin))


def _written(lengths: Sequence[int], step: int) -> int:
    """Tokens that all replies have written by a step."""
    return sum(min(length, step) for length in lengths)


def seconds_of(
    ended: Sequence[tuple[int, float]], requests: int, at_once: int, prompt_tokens: float = 0.0, copies: int = 1
) -> float | None:
    """Seconds that ``requests`` replies like those take with ``at_once`` under way; None where nobody can tell.

    To read a token of a prompt costs at most what one more written token costs a step, and each of the ``copies`` of
    a call reads it for itself; the rest of what came before the first step happens once.
    """
    found = step_times(ended, copies)
    if found is None:
        return None
    a, c, begin = found
    lengths = [tokens for tokens, _ in ended]
    reading = min(begin / len(ended), c * prompt_tokens * copies)
    clock = begin + reading * (requests - len(ended))
    step, begun, under_way = 0, 0, list[int]()
    while begun < requests or under_way:
        while begun < requests and len(under_way) < at_once:
            heapq.heappush(under_way, step + max(1, lengths[begun % len(lengths)]))
            begun += 1
        end = heapq.heappop(under_way)
        clock += (end - step) * (a + c * (len(under_way) + 1))
        step = end
    return clock
