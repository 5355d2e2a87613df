"""Backups by themselves: when, how many, and what is said where one can't be made."""

import os
import shutil
import tarfile
import time
from pathlib import Path

import pytest

from kdcore.services import nightly
from kdcore.services.backup import restore
from kdcore.services.workspace import open_app
from kdcore.settings import workspace

pytestmark = pytest.mark.whole

HOUR = 3600


@pytest.fixture
def app(made: Path, tmp_path: Path, monkeypatch):
    monkeypatch.delenv(nightly.VARIABLE, raising=False)
    shutil.copytree(made, tmp_path / "ws")
    opened = open_app(tmp_path / "ws")
    yield opened
    opened.close()


def wait(app) -> list[Path]:
    thread = nightly._busy.pop(app.folders.root, None)
    if thread is not None:
        thread.join(timeout=60)
    return nightly.made(app.folders.root / "backups")


def pass_hours(app, hours: float) -> None:
    for path in (app.folders.root / "backups").iterdir():
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - hours * HOUR))


def at_hour(monkeypatch, hour: int) -> None:
    day = time.struct_time((2026, 11, 27, hour, 0, 0, 4, 331, 0))
    monkeypatch.setattr(nightly.time, "localtime", lambda *_: day)


def test_the_first_comes_with_the_first_night_and_is_whole(app, tmp_path, monkeypatch):
    at_hour(monkeypatch, 3)
    nightly.advance(app)
    assert wait(app) == [], "a workspace that was just made"
    pass_hours(app, 19)
    nightly.advance(app)
    [made] = wait(app)
    assert app.problems == []
    nightly.advance(app)
    assert wait(app) == [made], "one a night"
    assert restore(made, tmp_path / "again")["samples"] == 12


def test_by_day_only_where_the_night_was_missed(app, monkeypatch):
    at_hour(monkeypatch, 14)
    nightly.advance(app)
    pass_hours(app, 19)
    nightly.advance(app)
    assert wait(app) == []
    pass_hours(app, 12)
    nightly.advance(app)
    assert len(wait(app)) == 1


def test_a_clock_that_jumped_back_does_not_stop_them(app, monkeypatch):
    at_hour(monkeypatch, 14)
    nightly.advance(app)
    pass_hours(app, -24 * 365)
    nightly.advance(app)
    assert len(wait(app)) == 1
    nightly.advance(app)
    assert app.folders.root not in nightly._busy, "not another each second"


def test_the_last_few_are_kept_and_nobody_elses_file_is_touched(app):
    folder = app.folders.root / "backups"
    folder.mkdir()
    (folder / "mine.tar.gz").write_text("mine")
    (folder / ".nightly-20260101-030000.tar.gz.part").write_text("half")
    for day in range(9):
        (folder / f"nightly-202601{day:02}-030000.tar.gz").write_text("old")
    pass_hours(app, 24)
    nightly.once(app, folder)
    found = nightly.made(folder)
    assert not list(folder.glob(".*.part"))
    assert len(found) == nightly.KEPT and (folder / "mine.tar.gz").exists()
    with tarfile.open(found[0]) as packed:
        assert not [name for name in packed.getnames() if "backups" in name], "no backup holds the others"


@pytest.mark.parametrize("hour", [3, 14])
def test_one_that_fails_is_said_and_tried_again_in_an_hour(app, monkeypatch, hour):
    at_hour(monkeypatch, hour)
    nightly.advance(app)
    pass_hours(app, 31)
    with monkeypatch.context() as full:
        full.setattr(nightly.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
        nightly.advance(app)
        assert wait(app) == []
    assert [said for said in app.problems if "nightly backup could not be made" in said and "free some disk" in said]
    nightly.advance(app)
    assert wait(app) == [], "not at once"
    later = time.monotonic() + 1.1 * HOUR
    monkeypatch.setattr(nightly.time, "monotonic", lambda: later)
    nightly.advance(app)
    assert len(wait(app)) == 1 and app.problems == []


def test_they_go_where_somebody_wants_them_or_nowhere(app, tmp_path, monkeypatch):
    at_hour(monkeypatch, 3)
    monkeypatch.setenv(nightly.VARIABLE, "off")
    nightly.advance(app)
    assert not (app.folders.root / "backups").exists()
    monkeypatch.setenv(nightly.VARIABLE, str(tmp_path / "other disk"))
    nightly.advance(app)
    assert len(list((tmp_path / "other disk").glob("ws-*/.since"))) == 1
    assert not (app.folders.root / "backups").exists()
    shutil.copytree(app.folders.root, tmp_path / "second" / "ws")
    second = open_app(tmp_path / "second" / "ws")
    nightly.advance(second)
    second.close()
    assert len(list((tmp_path / "other disk").glob("ws-*/.since"))) == 2, "two workspaces of one name share no folder"


def test_what_is_damaged_is_said_with_the_backup(app):
    folder = app.folders.root / "backups"
    folder.mkdir()
    (folder / ".since").touch()
    journal = next(app.folders.runs.glob("generate-*/journal-00001.jsonl"))
    journal.write_bytes(journal.read_bytes()[:-50])
    nightly.once(app, folder)
    assert [said for said in app.problems if "is not all well" in said]
    assert nightly.made(folder)


def test_nothing_is_made_where_nothing_was_decided(tmp_path):
    opened = open_app(tmp_path / "empty")
    nightly.advance(opened)
    assert not (workspace(tmp_path / "empty").root / "backups").exists()
    opened.close()
