"""The one gate of text that leaves: every run passes it, whatever starts it, and it shuts at once."""

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.errors import ConfigError, TeacherError
from kdcore.services import governance, projects, zones
from kdcore.services.generate import runs as generation_runs
from kdcore.services.warm import warm_teacher
from kdcore.services.workspace import App
from kdcore.settings import workspace
from kdcore.teacher import openai_http, permission

OUTSIDE = {"engine": "openai_http", "model": "m", "base_url": "https://llm.example/v1"}


class Recorder:
    """A backend that starts nothing and remembers what it was to start."""

    def __init__(self):
        self.started: list[str] = []

    def start(self, run):
        self.started.append(run.run_id)
        before = run.status()
        run.write_status(
            replace(before, state="running", pid=1, epoch=before.epoch + 1, heartbeat=before.heartbeat + 1)
        )

    def stop(self, run, status):
        pass

    def alive(self, status):
        return True

    def clear(self, status):
        pass


@pytest.fixture
def app(tmp_path):
    opened = App(workspace(tmp_path / "ws"), Recorder())
    yield opened
    opened.close()


@pytest.fixture
def project(app) -> str:
    return projects.create_project(app, "Ward 3")


def made(app: App, project: str, kind: str = "generate", teacher: dict | None = None):
    return app.create_run(kind, {"project_id": project, "teacher": teacher or OUTSIDE})


@pytest.mark.parametrize("kind", ["generate", "score", "title", "serve", "screen", "distill", "of_tomorrow"])
@pytest.mark.parametrize("data_class", zones.SENSITIVE)
def test_no_run_of_whatever_kind_takes_sensitive_text_outside(app, project, kind, data_class):
    run = app.create_run(kind, {"project_id": project, "options": {"deep": [{"teacher": OUTSIDE}]}})
    app.launch(run)
    assert (run.path / permission.FILE).exists()
    governance.set_data_class(app, project, data_class)
    with pytest.raises(ConfigError, match="only a teacher on this machine may read"):
        app.launch(run)
    assert app.backend.started == [run.run_id]
    assert not (run.path / permission.FILE).exists()
    governance.set_data_class(app, project, data_class, "BAA 2026-17")
    app.launch(run)
    assert app.backend.started == [run.run_id] * 2


def test_a_teacher_on_this_machine_passes(app, project):
    governance.set_data_class(app, project, "phi")
    for teacher in ({"engine": "vllm"}, OUTSIDE | {"base_url": "http://127.0.0.1:8000/v1"}):
        app.launch(made(app, project, teacher=teacher))
    assert len(app.backend.started) == 2


def test_marking_a_project_stops_what_sends_its_text_and_nothing_else(app, project):
    other = projects.create_project(app, "Public")
    runs = {name: app.launch(made(app, of)) for name, of in (("ours", project), ("theirs", other))}
    runs["here"] = app.launch(made(app, project, teacher={"engine": "vllm"}))
    governance.set_data_class(app, project, "phi")
    assert {name: run.asked() for name, run in runs.items()} == {"ours": "pause", "theirs": None, "here": None}
    assert not (runs["ours"].path / permission.FILE).exists()
    assert (runs["theirs"].path / permission.FILE).exists()


def test_a_run_whose_project_can_not_be_read_sends_nothing_either(app, project):
    runs = [app.launch(made(app, project)) for _ in range(3)]
    (runs[1].path / "config.json").write_bytes(b"{")
    governance.set_data_class(app, project, "phi")
    assert [(run.path / permission.FILE).exists() for run in runs] == [False, False, False]
    assert [run.asked() for run in runs] == ["pause"] * 3


def test_what_was_said_last_holds_whatever_the_clock_says(app, project, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 2e9)
    governance.set_data_class(app, project, "internal")
    monkeypatch.setattr(time, "time", lambda: 1e9)  # the clock was a day ahead
    governance.set_data_class(app, project, "phi")
    assert not zones.may_leave(app.store, project)
    governance.set_data_class(app, project, "public")  # in the very same moment
    assert zones.may_leave(app.store, project)


def test_a_warm_teacher_outside_belongs_to_one_project(app, project):
    run = warm_teacher(app, TeacherConfig(**OUTSIDE), project)
    assert run.config()["project_id"] == project
    governance.set_data_class(app, project, "phi")
    assert run.asked() == "pause"
    with pytest.raises(ConfigError, match="must belong to a project"):
        app.launch(app.create_run("serve", {"service": "teacher", "teacher": OUTSIDE}))


def test_the_worker_looks_before_every_call(tmp_path, monkeypatch):
    """Also where it was started by hand, or goes on while the project is marked."""
    teacher = TeacherConfig(**OUTSIDE)
    monkeypatch.setattr(openai_http, "check_address", lambda url: (url, "203.0.113.1"))
    monkeypatch.setattr(openai_http, "client_of", lambda *_: (_ for _ in ()).throw(AssertionError("asked")))
    with pytest.raises(TeacherError, match="may not send text off this machine"):
        openai_http.OpenAiTeacher(teacher, None, SamplingConfig())
    file = tmp_path / permission.FILE
    file.write_text("{}")
    permission.refuse_unpermitted(teacher, file)
    file.unlink()
    with pytest.raises(TeacherError, match="the project's kind of data forbids it now"):
        permission.refuse_unpermitted(teacher, file)


def test_nothing_starts_a_worker_but_the_launch_that_has_the_gate():
    """A new service can't forget it: there is one place that hands a run to the backend."""
    root = Path(__file__).parents[2] / "kdcore"
    places = [
        f"{path.relative_to(root)}"
        for path in root.rglob("*.py")
        for line in path.read_text().splitlines()
        if re.search(r"backend\.start\(|local\.start\(|kdcore\.workers\.\{", line)
    ]
    assert sorted(places) == ["jobs/backends/local.py", "services/workspace.py"]


def test_an_endpoint_is_refused_before_anything_is_made(app, project):
    governance.set_data_class(app, project, "privileged")
    with pytest.raises(ConfigError, match="privileged legal text"):
        governance.refuse_zone(app, project, TeacherConfig(**OUTSIDE))
    run = made(app, project)
    for again in (lambda: generation_runs.retry_failed(app, run.run_id), lambda: app.launch(run)):
        with pytest.raises(ConfigError):
            again()
    assert app.backend.started == []


@pytest.mark.parametrize(
    ("address", "proxy", "local"),
    [
        ("http://127.0.0.1:8000/v1", "", True),
        ("http://localhost:8000/v1", "http://127.0.0.1:3128", True),
        ("http://localhost:8000/v1", "http://elsewhere.example:3128", False),  # the proxy reads every word
        ("http://localhost:8000/v1", "elsewhere.example:3128", False),
        ("http://localhost:8000/v1", "http://user@127.0.0.1:3128", False),
        ("https://llm.example/v1", "http://127.0.0.1:3128", False),
        ("", "", False),
    ],
)
def test_a_proxy_elsewhere_is_not_this_machine(app, project, address, proxy, local):
    teacher = TeacherConfig(engine="openai_http", base_url=address, proxy=proxy)
    assert teacher.is_local is local
    governance.set_data_class(app, project, "phi")
    run = made(app, project, teacher=teacher.model_dump())
    if local:
        app.launch(run)
    else:
        with pytest.raises(ConfigError):
            app.launch(run)
