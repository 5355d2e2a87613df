"""How long many requests take, from how a few ended.

An engine that batches writes one token of every request at each step, and a step takes ``a + c·b`` seconds with ``b``
requests under way. The requests of a trial begin together and end one after the other, so the times between two ends
show steps of every smaller ``b``; a run is then played through with the trial's lengths.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

MIN_ENDED = 4  # requests that ended at different times


def step_times(ended: Sequence[tuple[int, float]]) -> tuple[float, float, float] | None:
    """``(a, c, begin)`` in seconds from ``(tokens, seconds)`` of requests that began together; None for too few.

    ``begin`` is what came before the first step: reading all their prompts, and what is done only once.
    """
    order = sorted(ended)
    steps, spans, active = list[int](), list[float](), list[int]()
    for place in range(1, len(order)):
        between = order[place][0] - order[place - 1][0]
        span = order[place][1] - order[place - 1][1]
        if between > 0 and span > 0:
            steps.append(between)
            spans.append(span)
            active.append(len(order) - place)
    if len(steps) < MIN_ENDED - 1:
        return None
    weights = np.asarray(steps, float)
    design = np.stack([weights, weights * np.asarray(active, float)], axis=1)
    (a, c), *_ = np.linalg.lstsq(design, np.asarray(spans), rcond=None)
    if c < 0 or a < 0:
        a, c = sum(spans) / sum(steps), 0.0
    begin = order[0][1] - order[0][0] * (a + c * len(order))
    return float(a), float(c), max(0.0, float(begin))


def seconds_of(
    ended: Sequence[tuple[int, float]], requests: int, at_once: int, prompt_tokens: float = 0.0
) -> float | None:
    """Seconds that ``requests`` like those take with ``at_once`` under way; None where nobody can tell.

    To read a token of a prompt costs at most what one more written token costs a step; the rest of what came before
    the first step happens once.
    """
    found = step_times(ended)
    if found is None:
        return None
    a, c, begin = found
    lengths = [tokens for tokens, _ in ended]
    reading = min(begin / len(ended), c * prompt_tokens)
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
