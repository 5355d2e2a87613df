"""What a panel says of a run, and when it stops looking."""

import pytest

from kdcore.records.status import Status
from kdcore.services.workspace import App
from kdcore.ui import live


@pytest.mark.parametrize(
    ("state", "active"),
    [
        ("queued", True),
        ("running", True),
        ("done", False),
        ("failed", False),
        ("cancelled", False),
        ("paused", False),
    ],
)
def test_a_panel_polls_while_a_run_goes_on(state, active):
    assert live.is_active(Status(state)) is active


@pytest.mark.parametrize(("done", "total", "share"), [(0, 0, 0.0), (5, 10, 0.5), (30, 10, 1.0)])
def test_a_bar_never_runs_over(done, total, share):
    assert live._share(Status("running", progress={"done": done, "total": total})) == share


def test_the_end_of_a_log_is_shown_whatever_bytes_it_has(app: App):
    run = app.create_run("generate", {})
    assert live.log_tail(app, run.run_id) == ""
    (run.path / "log.txt").write_bytes(b"x" * 9000 + b"\xff the end")
    assert live.log_tail(app, run.run_id, size=20).endswith("the end")
