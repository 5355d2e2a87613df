"""A run's time from how a few requests ended: an engine whose steps cost a known time is found again."""

import pytest

from kdcore.services.generate.forecast import Seen, ahead_of
from kdcore.services.generate.pace import seconds_of, step_times

A, C, PROMPT = 0.02, 0.001, 150  # seconds a step, for each row of it; tokens of a prompt
READ = C * PROMPT
LENGTHS = [20, 25, 31, 40, 52, 60, 61, 80, 100, 128]


def engine(lengths, at_once):
    """When each request ends in an engine that takes ``A + C * b`` seconds a step and ``READ`` for a prompt.

    (tokens, seconds) of each.
    """
    waiting, under_way, ended, clock = list(lengths), [], [], 0.0
    while waiting or under_way:
        while waiting and len(under_way) < at_once:
            under_way.append([waiting[0], waiting.pop(0)])
            clock += READ
        clock += A + C * len(under_way)
        for request in under_way:
            request[0] -= 1
        ended += [(whole, clock) for left, whole in under_way if left == 0]
        under_way = [request for request in under_way if request[0]]
    return ended


def test_steps_are_found_from_the_ends_of_a_few():
    a, c, begin = step_times(engine(LENGTHS, 10))
    assert (a, c, begin) == pytest.approx((A, C, 10 * READ), rel=1e-6)


@pytest.mark.parametrize(("requests", "at_once"), [(10, 10), (80, 64), (200, 16)])
def test_a_run_is_played_through_with_as_many_at_once_as_it_has(requests, at_once):
    truth = engine([LENGTHS[n % 10] for n in range(requests)], at_once)[-1][1]
    assert seconds_of(engine(LENGTHS, 10), requests, at_once, PROMPT) == pytest.approx(truth, rel=0.01)


def test_what_happens_once_is_not_counted_for_every_request():
    """A slow first call, or the way to an endpoint: only as much as reading the prompts can cost grows."""
    slow = [(tokens, seconds + 30.0) for tokens, seconds in engine(LENGTHS, 10)]
    quick = seconds_of(engine(LENGTHS, 10), 1000, 64, PROMPT)
    assert seconds_of(slow, 1000, 64, PROMPT) == pytest.approx(quick + 30.0, rel=0.01)


def test_too_few_ends_tell_nothing():
    assert step_times([(20, 1.0), (20, 1.0), (30, 1.5)]) is None
    assert seconds_of([], 10, 64) is None


def test_a_forecast_prefers_how_the_trial_ended_to_its_mean_speed():
    ended = tuple(engine(LENGTHS, 10))
    tried = Seen("trial", 10, 100.0, float(sum(LENGTHS)), usable=10, speed=100.0, ended=ended)
    ahead = ahead_of(tried, 80, speed=tried.speed, loading_s=10.0, at_once=64)
    assert ahead["seconds"] == pytest.approx(10.0 + seconds_of(ended, 80, 64, 10.0))
    assert ahead["seconds"] < 10.0 + ahead["tokens_out"] / 100.0
