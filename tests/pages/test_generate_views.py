"""What Generate and Datasets say of runs: side by side, routed, rounds, growth; which rows a teacher has to read."""

import pytest

from kdcore.services import projects
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import open_app
from tests.conftest import PLAIN, SCRIPTED
from tests.pages.test_pages import populated, project, run_page, texts

__all__ = ["populated", "project", "run_page"]


@pytest.fixture
def two_runs(tmp_path, populated) -> list[str]:
    """The first prompt's run over 20 questions, and the second prompt's over five of them."""
    app = open_app(tmp_path / "ws")
    version = projects.prompt_versions(app, populated)[0]["prompt_version_id"]
    run = generation_runs.start_run(app, populated, version, SCRIPTED, PLAIN, rows=5)
    assert app.wait(run.run_id).state == "done"
    found = [run["run_id"] for run in generation_runs.list_runs(app, populated)]
    app.close()
    return found


@pytest.mark.parametrize(
    ("see", "words"),
    [
        ("growth", "stand alone"),
        ("coverage", "an empty cell is a hole"),
        ("compare", "Choose up to 4 runs"),
        ("rounds", "its next round"),
    ],
)
def test_each_view_has_a_link(run_page, two_runs, see, words):
    assert words in texts(run_page("pages/2_Generate.py", run=two_runs[0], see=see))


def test_runs_side_by_side_lead_to_asking_what_is_left(run_page, two_runs):
    at = run_page("pages/2_Generate.py", **{"run": two_runs[0], "see": "compare", "with": two_runs[1]})
    seen = texts(at)
    assert "agree to 100%" in seen and "5 common seeds" in seen
    assert "15 questions of these parts have no usable answer yet" in seen
    at.button(key="routing.go").click().run()
    assert not at.exception
    assert at.query_params["run"][0] not in two_runs


def test_rows_without_probabilities_can_be_read(run_page, populated):
    at = run_page("pages/5_Datasets.py", see="probabilities")
    metrics = {metric.label: metric.value for metric in at.metric}
    assert metrics == {"rows with probabilities": "0", "rows without": "20"}
    assert at.button(key="datasets.score").label == "Let it read 20 answers"
