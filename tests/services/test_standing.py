"""Where a project stands and what it tells to do next."""

import pytest

from kdcore.evaluate.statistics import gap_closed
from kdcore.services import projects, standing
from kdcore.services.workspace import open_app

DONE = dict.fromkeys(("seeds", "prompts", "parsed", "maps", "reviewed", "datasets", "students", "evaluations"), 5)


@pytest.mark.parametrize(
    ("lacks", "page", "action"),
    [
        ({"seeds": 0, "parsed": 0, "reviewed": 0}, "Elicit", "Import questions"),
        ({"parsed": 0, "reviewed": 0, "maps": 0}, "Generate", "Ask the teacher"),
        ({"maps": 0}, "Explore", "Draw the map of the answers"),
        ({"reviewed": 0}, "Review", "Read and judge the first answers"),
        ({"reviewed": 3, "parsed": 83, "datasets": 0}, "Review", "Continue: 80 answers left"),
        ({"datasets": 0}, "Datasets", "Make a dataset"),
        ({"students": 0}, "Distill", "Train a student"),
        ({"parsed": 7}, "Review", "Continue: 2 answers left"),
        ({}, "Evaluate", "Read the student's worst answers"),
    ],
)
def test_the_next_step_is_the_first_that_nothing_has_reached(lacks, page, action):
    step = standing.next_step(DONE | lacks)
    assert (step.page, step.action) == (page, action)


def test_the_menu_tells_nothing_of_a_stage_that_nothing_has_reached(tmp_path):
    app = open_app(tmp_path / "ws")
    assert standing.reached(app, projects.create_project(app, "New")) == {}
    app.close()


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (9999, "9,999"), (12_345, "12k"), (1_250_000, "1.2M")])
def test_large_numbers_fit_a_menu(number, text):
    assert standing.compact(number) == text


@pytest.mark.parametrize(
    ("values", "share"),
    [((0.2, 0.3, 0.4), 0.5), ((13.0, 3.25, 0.0), 0.75), ((0.2, 0.1, 0.4), -0.5), ((0.4, 0.5, 0.4), None)],
)
def test_the_gap_is_told_in_either_direction_and_not_where_there_is_none(values, share):
    found = gap_closed(*values)
    assert found is None if share is None else found == pytest.approx(share)
    assert gap_closed(float("nan"), 0.1, 0.2) is None
