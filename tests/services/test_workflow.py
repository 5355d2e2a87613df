"""Plans that go on by themselves: one step at a time, and a broken one hinders no other."""

import json
from pathlib import Path

import pytest

from kdcore.errors import ConfigError, KdError
from kdcore.jobs.run_dir import RunDir
from kdcore.services import main_job
from kdcore.services.background import Background
from kdcore.services.distill import rounds, sweeps
from kdcore.services.workflow import Workflow
from kdcore.services.workspace import App


class Walk:
    """A plan of three steps, one of which may break."""

    def __init__(self, steps: int = 0, breaks: str = "", state: str = "running", message: str = "") -> None:
        self.steps, self.breaks, self.state, self.message = steps, breaks, state, message

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Walk) and vars(self) == vars(other)


def step(app: App, plan: Walk) -> None:
    if plan.breaks == "user":
        raise KdError("the seeds are gone.")
    if plan.breaks == "ours":
        raise ZeroDivisionError
    plan.steps += 1
    if plan.steps == 3:
        plan.state = "done"


@pytest.fixture
def walks(app: App) -> Workflow[Walk]:
    folder = app.folders.root / "walks"
    return Workflow(
        "walks", lambda app: sorted(folder.glob("*.json")), lambda data: Walk(**data), vars, step, lambda plan: []
    )


def path(app: App, name: str) -> Path:
    return app.folders.root / "walks" / f"{name}.json"


def test_one_step_at_a_time_until_it_is_done(app, walks):
    walks.save(path(app, "a"), Walk())
    for steps in (1, 2, 3, 3):
        walks.advance(app)
        assert walks.load(path(app, "a")).steps == steps
    assert walks.load(path(app, "a")).state == "done"


@pytest.mark.parametrize("damage", ["{", "[]", '{"steps": 1, "from_a_later_version": 2}', "null"])
def test_a_plan_that_cant_be_read_is_said_left_as_it_is_and_starves_no_other(app, walks, damage):
    path(app, "a").parent.mkdir()
    path(app, "a").write_text(damage)
    walks.save(path(app, "b"), Walk())
    walks.advance(app)
    assert walks.load(path(app, "b")).steps == 1
    assert path(app, "a").read_text() == damage
    assert any("a.json can't be read" in said for said in app.problems)
    path(app, "a").unlink()
    walks.save(path(app, "a"), Walk())
    walks.advance(app)
    assert app.problems == []


@pytest.mark.parametrize(("breaks", "said"), [("user", "the seeds are gone."), ("ours", "ZeroDivisionError")])
def test_a_step_that_fails_ends_its_own_plan_with_the_reason_and_can_go_on(app, walks, breaks, said):
    walks.save(path(app, "a"), Walk(breaks=breaks))
    walks.save(path(app, "b"), Walk())
    walks.advance(app)
    failed = walks.load(path(app, "a"))
    assert failed.state == "failed" and said in failed.message
    assert bool(app.problems) == (breaks == "ours")  # a queue has no state of its own to tell it by
    assert walks.load(path(app, "b")).steps == 1
    assert walks.go_on(app, path(app, "a")).state == "running"
    with pytest.raises(ConfigError, match="only a stopped or failed one"):
        walks.go_on(app, path(app, "a"))


def test_a_plan_that_waits_is_not_written_again(app, walks):
    done = path(app, "a")
    walks.save(done, Walk(state="done"))
    before = done.stat().st_mtime_ns
    walks.advance(app)
    sweeps.WORKFLOW.save(app.folders.root / sweeps.QUEUE, sweeps.Queue([]))
    queue = app.folders.root / sweeps.QUEUE
    written = queue.stat().st_mtime_ns
    sweeps.advance(app)
    assert (done.stat().st_mtime_ns, queue.stat().st_mtime_ns) == (before, written)


@pytest.mark.parametrize("plan", [main_job.PLAN, sweeps.QUEUE, "rounds/rounds-1.json"])
def test_one_bad_plan_starves_no_other_task(app, plan):
    bad = app.folders.root / plan
    bad.parent.mkdir(exist_ok=True)
    bad.write_text(json.dumps({"made_by": "a later version"}))
    ran: list[str] = []
    background = Background(app)
    background.tasks["after all"] = lambda app: ran.append("after all")
    background.once()
    assert ran == ["after all"]
    assert [said for said in app.problems if bad.name in said]
    assert rounds.list_loops(app, "p") == []


def test_a_task_that_fails_is_said_and_tried_again(app):
    ran: list[int] = []

    def fails_once(app: App) -> None:
        ran.append(1)
        if len(ran) == 1:
            raise OSError("the disk is full")

    background = Background(app, {"a task": fails_once, "the next": lambda app: ran.append(2)})
    background.once()
    assert ran == [1, 2] and "the disk is full" in app.problems[0]
    background.once()
    assert ran == [1, 2, 1, 2] and app.problems == []


def test_a_queued_training_that_cant_be_read_is_said_and_the_next_has_its_turn(app, monkeypatch):
    started: list[str] = []
    monkeypatch.setattr(app, "launch", lambda run: started.append(run.run_id))
    for name in ("distill-a", "distill-b"):
        RunDir.create(app.folders.runs, name, {"project_id": ""})
    (app.folders.runs / "distill-a" / "status.json").unlink()
    (app.folders.runs / "distill-a" / "status.json").mkdir()  # what can't be opened, as on a failing disk
    sweeps.WORKFLOW.save(app.folders.root / sweeps.QUEUE, sweeps.Queue(["distill-a", "distill-b"]))
    sweeps.advance(app)
    assert started == ["distill-b"]
    assert any("distill-a can't be read" in said for said in app.problems)
