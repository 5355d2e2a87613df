"""Fixtures: a fresh workspace for each test; real models only where a test asks for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.jobs.backends.local import LocalBackend
from kdcore.models import BUILT_IN, is_ready
from kdcore.services import workspace as services_workspace
from kdcore.services.elicit import imports
from kdcore.services.workspace import App, open_app
from kdcore.settings import workspace
from kdcore.store.engine.db import Store
from tests.in_process import InProcess

AT_ONCE = ("cli", "old", "pages", "services", "ui")  # folders whose tests ask what a run wrote, not how it ran


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture opens a workspace: which backend it gets."""
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    real = folder not in AT_ONCE or item.get_closest_marker("processes")
    services_workspace.LocalBackend = LocalBackend if real else InProcess


SCRIPTED = TeacherConfig(engine="scripted", model="scripted")
PLAIN = SamplingConfig(top_logprobs=0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "kd.duckdb")
    yield opened
    opened.close()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    opened = open_app(tmp_path / "ws")
    yield opened
    for run, _ in opened.active_runs():
        opened.stop(run.run_id)
        opened.wait(run.run_id, timeout_s=60)
    opened.close()


@pytest.fixture(scope="session")
def models() -> Path:
    """The built-in models that `make setup` fetched."""
    folder = workspace(os.environ.get("KD_WORKSPACE")).models
    missing = [name for name in BUILT_IN if not is_ready(name, folder)]
    assert not missing, f"{missing} are not in {folder}: run make setup"
    return folder


@pytest.fixture
def real_app(tmp_path: Path, models: Path) -> Iterator[App]:
    """A fresh workspace that shares the fetched models."""
    root = tmp_path / "ws"
    root.mkdir()
    (root / "models").symlink_to(models)
    opened = open_app(root)
    yield opened
    for run, _ in opened.active_runs():
        opened.stop(run.run_id)
        opened.wait(run.run_id, timeout_s=60)
    opened.close()


def import_questions(app: App, project_id: str, folder: Path, count: int) -> None:
    """Seeds with five topics, through the real reader."""
    path = folder / f"questions-{count}.csv"
    lines = ["question,topic"] + [f"What is thing number {i}?,topic {i % 5}" for i in range(count)]
    path.write_text("\n".join(lines), encoding="utf-8")
    run = imports.read_file(
        app, project_id, path, path.name, "question", {"text": "question", "topic": "topic", "group": "topic"}
    )
    assert app.wait(run.run_id, timeout_s=60).state == "done"
