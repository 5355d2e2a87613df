"""The figure of a training: which lines in which colours, what counts as a spike, and what sets the scale."""

import pytest

from kdcore.evaluate.measures import MEASURES
from kdcore.services.names import Named
from kdcore.ui.charts import SERIES
from kdcore.ui.distill.training_chart import Look, spikes, training_chart
from tests.ui.test_charts import points

PLAIN = Look(0.0)
A, B = {"a": Named("First", 0)}, {"b": Named("Second", 3)}


def falling(count: int = 40) -> list[float]:
    """A loss that falls fast at first, with a little noise that repeats."""
    return [1.0 + 4.0 * 0.8**step + 0.05 * (step % 3) for step in range(count)]


def test_each_run_has_its_lines_in_the_colour_that_it_has_everywhere():
    found = [*points("a", "loss", [3, 2, 1]), *points("b", "loss", [4, 4, 4]), *points("c", "loss", [9])]
    figure = training_chart(found, A | B, None, PLAIN._replace(log_scale=True))
    assert figure.layout.yaxis.type == "log"
    drawn = {tuple(trace.y): trace.line.color for trace in figure.data}
    assert drawn == {(3, 2, 1): SERIES[0], (4, 4, 4): SERIES[3]}
    assert {trace.name for trace in figure.data} == {"First", "Second", "First, each step", "Second, each step"}


def test_the_measure_that_was_asked_for_stands_below_on_the_same_steps():
    found = [*points("a", "loss", [3, 2]), *points("a", "forward_kl", [0.9, 0.5], "heldout")]
    found += points("a", "nll", [7, 7], "heldout")
    figure = training_chart(found, A, MEASURES["forward_kl"], PLAIN)
    assert [tuple(trace.y) for trace in figure.data if trace.yaxis == "y2"] == [(0.9, 0.5)]
    assert figure.layout.xaxis.matches == "x2" and figure.layout.hoversubplots == "axis"


def test_a_run_without_points_gives_an_empty_chart_and_no_error():
    assert all(not trace.y for trace in training_chart([], A, None, PLAIN).data)


@pytest.mark.parametrize("weight", [0.0, 0.9])
def test_a_single_point_is_drawn(weight):
    figure = training_chart(points("a", "loss", [2.5]), A, None, Look(weight))
    assert any(list(trace.y) == [2.5] for trace in figure.data)


def test_values_are_told_to_four_digits():
    assert training_chart(points("a", "loss", [14.116532]), A, None, PLAIN).layout.yaxis.tickformat == ".4~g"


def test_a_name_of_somebodys_is_text():
    figure = training_chart(points("a", "loss", [1.0]), {"a": Named("<b>x</b>", 0)}, None, PLAIN)
    assert all("<b>" not in trace.name for trace in figure.data)


def test_one_step_that_jumps_is_a_spike_and_the_fall_at_the_beginning_is_none():
    values = falling()
    assert spikes(range(40), values) == []
    values[25] = 6.0
    [spike] = spikes(range(40), values)
    assert (spike.step, spike.value) == (25, 6.0) and spike.usual == pytest.approx(1.05, abs=0.1)


def test_a_spike_does_not_press_the_curve_flat_unless_one_asks():
    values = falling()
    values[25] = 60.0
    figure = training_chart(points("a", "loss", values), A, None, PLAIN)
    assert figure.layout.yaxis.range[1] < 6
    assert [note.text for note in figure.layout.annotations if note.showarrow] == ["step 25: 60"]
    assert (
        training_chart(points("a", "loss", values), A, None, PLAIN._replace(outliers=True)).layout.yaxis.range is None
    )
