"""Charts from the points of runs: which lines, which values."""

from kdcore.ui import charts


def points(run: str, name: str, values: list[float], split: str = "train") -> list[dict]:
    return [
        {"run_id": run, "split": split, "name": name, "step": step, "value": value, "time": float(step)}
        for step, value in enumerate(values)
    ]


def test_each_slice_has_its_own_curve():
    found = points("a", "loss/slice0", [1, 1]) + points("a", "loss/slice1", [2, 2])
    figure = charts.slice_curves(found, "a", ["first", "second"], 0.0)
    assert {trace.name for trace in figure.data} >= {"1: first", "2: second"}


def test_the_colours_that_the_theme_replaces_are_streamlits_own():
    from streamlit.elements.lib import streamlit_plotly_theme as theme

    assert charts.SERIES[0] == theme.CATEGORY_0 and charts.SERIES[7] == theme.CATEGORY_7
    assert (charts.GROUND, charts.INK, charts.GREY) == (theme.BG_COLOR, theme.GRAY_90, theme.GRAY_70)
