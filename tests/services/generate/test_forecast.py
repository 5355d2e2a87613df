"""What a run is said to take: on which basis, with loading and passes, and never faster for what was kept."""

import pytest

from kdcore.services.generate.forecast import Seen, _past, ahead_of

TRIED = Seen("10 requests of the trial", 10, 1000.0, 500.0, usable=4, speed=50.0, loading_s=20.0)


def progress(**changes):
    told = {"paid": 10, "requests": 10, "tokens_in": 1000, "tokens": 500, "funnel": {"parsed": 4}}
    return told | {"tokens_per_s": 50.0, "loading_s": 20.0} | changes


def test_loading_is_counted_once():
    ahead = ahead_of(TRIED, 100, speed=TRIED.speed, loading_s=TRIED.loading_s)
    assert ahead["tokens_out"] == 5000
    assert ahead["seconds"] == pytest.approx(20 + 5000 / 50)
    assert "20 s to load" in ahead["basis"]


def test_exactly_n_rows_need_the_passes_that_the_share_of_usable_rows_says():
    ahead = ahead_of(TRIED, 10, wanted=12, speed=50.0, loading_s=0.0)
    assert ahead["requests"] == 30  # 0.4 usable rows a request
    assert ahead["passes"] == 3
    assert ahead["seconds"] == pytest.approx(30 * 50 / 50)


def test_where_nothing_was_usable_the_passes_are_said_to_be_unknown():
    ahead = ahead_of(Seen("x", 10, 1000.0, 500.0, usable=0), 10, wanted=12)
    assert ahead["passes"] is None
    assert "none of their answers was usable" in ahead["basis"]
    assert ahead["seconds"] is None


def test_copies_are_programs_of_their_own():
    ahead = ahead_of(Seen("x", 20, 2000.0, 1000.0, usable=20), 5, copies=4)
    assert ahead["tokens_out"] == 5 * 4 * 50


def test_runs_of_kept_replies_alone_tell_nothing():
    kept = progress(paid=0, tokens_per_s=0.0, tokens=0)
    assert _past([kept]).requests == 0
    assert _past([kept, progress()]).speed == 50.0
    assert _past([kept, progress()]).requests == 10


def test_money_is_told_for_an_endpoint_only():
    assert ahead_of(TRIED, 10, prices=(1.0, 2.0))["money"] == pytest.approx((1000 * 1 + 500 * 2) / 1e6)
    assert ahead_of(TRIED, 10)["money"] is None


@pytest.mark.parametrize("told", [{"paid": True}, {"paid": 3, "requests": 4}, {}])
def test_a_run_that_tells_too_little_is_passed_over(told):
    assert _past([told, progress()]).requests == 10
