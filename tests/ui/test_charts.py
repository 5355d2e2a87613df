"""Charts from the points of runs: which lines, which values."""

import pytest

from kdcore.ui import charts


def points(run: str, name: str, values: list[float], split: str = "train") -> list[dict]:
    return [
        {"run_id": run, "split": split, "name": name, "step": step, "value": value, "time": float(step)}
        for step, value in enumerate(values)
    ]


def test_loss_curves_have_a_line_for_each_run_and_nothing_of_the_others():
    found = [*points("a", "loss", [3, 2, 1]), *points("b", "loss", [4, 4, 4]), *points("c", "loss", [9])]
    figure = charts.loss_curves(found, ["a", "b"], 0.0, log_scale=True)
    assert figure.layout.yaxis.type == "log"
    drawn = {tuple(trace.y) for trace in figure.data}
    assert (3, 2, 1) in drawn and (4, 4, 4) in drawn
    assert not any(9 in y for y in drawn)


def test_held_out_curves_show_the_measure_that_was_asked_for():
    found = points("a", "forward_kl", [0.9, 0.5], "heldout") + points("a", "nll", [7, 7], "heldout")
    figure = charts.heldout_curves(found, ["a"], "forward_kl", "Distance to the teacher", "nats")
    assert [tuple(trace.y) for trace in figure.data] == [(0.9, 0.5)]
    assert figure.layout.yaxis.title.text == "nats"


def test_each_slice_has_its_own_curve():
    found = points("a", "loss/slice0", [1, 1]) + points("a", "loss/slice1", [2, 2])
    figure = charts.slice_curves(found, "a", ["first", "second"], 0.0)
    assert {trace.name for trace in figure.data} >= {"1: first", "2: second"}


def test_an_unknown_run_gives_an_empty_chart_and_no_error():
    assert all(not trace.y for trace in charts.loss_curves([], ["a"], 0.5, log_scale=False).data)


@pytest.mark.parametrize("weight", [0.0, 0.9])
def test_a_single_point_is_drawn(weight):
    figure = charts.loss_curves(points("a", "loss", [2.5]), ["a"], weight, log_scale=False)
    assert any(list(trace.y) == [2.5] for trace in figure.data)


def test_values_are_told_to_four_digits():
    point = [{"run_id": "a", "split": "train", "name": "loss", "step": 1, "value": 14.116532325744629}]
    assert charts.loss_curves(point, ["a"], 0.6, False).layout.yaxis.tickformat == ".4~g"
