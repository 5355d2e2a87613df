"""Decisions in the log and in the tables: what can't be applied waits, and a rebuild gives what was live."""

import threading

import pytest

from kdcore.errors import StoreError
from kdcore.records.decisions import ProjectMade
from kdcore.settings import workspace
from kdcore.store import projects, reviews
from kdcore.store.engine import decisions
from kdcore.store.engine.db import Store
from kdcore.store.engine.decided import APPLY, Decided
from tests.store.test_decisions import edit, opened


@pytest.fixture
def decided(tmp_path):
    folders = workspace(tmp_path / "ws").make()
    store = Store(folders.database)
    yield Decided(store, folders), store, folders
    store.close()


def project(number: int) -> ProjectMade:
    return ProjectMade(project_id=f"p{number}", name=f"P{number}", created=float(number))


def test_one_that_can_not_be_applied_waits_alone_and_is_tried_again(decided, monkeypatch):
    keeper, store, folders = decided
    keeper.open()

    def refuse(tx, record, number):
        raise RuntimeError("the disk is full")

    good = APPLY["project"]
    keeper.decide(project(0))
    monkeypatch.setitem(APPLY, "project", refuse)
    with pytest.raises(StoreError, match=r"kept in decisions\.jsonl"):
        keeper.decide(project(1))
    keeper.decide(edit(1))
    monkeypatch.setitem(APPLY, "project", good)
    keeper.decide(project(2))
    assert [p["project_id"] for p in projects.list_projects(store)] == ["p0", "p2"]
    assert [row["number"] for row in keeper.waiting()] == [2]
    again = Decided(store, folders)
    again.open()
    assert sorted(p["project_id"] for p in projects.list_projects(store)) == ["p0", "p1", "p2"]
    assert (again.findings, again.waiting()) == ([], [])


def test_what_waits_in_an_older_database_is_tried_again_also_where_it_is_the_newest(decided, monkeypatch):
    """A database of before knew its newest decision alone, and counted one that waits."""
    keeper, store, folders = decided
    keeper.open()
    keeper.decide(project(0))
    with monkeypatch.context() as failing:
        failing.setitem(APPLY, "project", lambda *_: 1 / 0)
        with pytest.raises(StoreError):
            keeper.decide(project(1))
    with store.transaction() as tx:
        tx.execute("DELETE FROM decisions_seen")
    again = Decided(store, folders)
    again.open()
    assert [p["project_id"] for p in projects.list_projects(store)] == ["p0", "p1"]
    assert (again.findings, again.waiting()) == ([], [])


def test_what_waits_is_said_at_every_start(decided, monkeypatch):
    keeper, store, folders = decided
    keeper.open()
    monkeypatch.setitem(APPLY, "review", lambda tx, record, number: 1 / 0)
    with pytest.raises(StoreError):
        keeper.decide(edit(1))
    for _ in range(2):
        again = Decided(store, folders)
        again.open()
        assert len(again.findings) == 1 and "decision 1 (review) is kept but not applied" in again.findings[0]


def test_a_full_disk_loses_no_decision_that_was_acknowledged(decided, monkeypatch):
    keeper, store, _ = decided
    keeper.open()
    keeper.decide(project(0))
    with monkeypatch.context() as patch:
        patch.setattr(
            "kdcore.store.engine.decisions.os.fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space"))
        )
        with pytest.raises(StoreError, match="free some disk"):
            keeper.decide(project(1))
    keeper.decide(project(2))
    reading = opened(keeper._log.path)
    assert (reading.findings, [entry.number for entry in reading.entries]) == ([], [1, 2])
    assert [p["project_id"] for p in projects.list_projects(store)] == ["p0", "p2"]


def test_twenty_threads_on_the_same_rows_are_rebuilt_as_they_are(tmp_path):
    folders = workspace(tmp_path / "ws").make()
    live = Store(folders.database)
    keeper = Decided(live, folders)
    keeper.open()

    def work(who: int) -> None:
        for turn in range(15):
            keeper.decide(edit(turn, event_id=f"{who}-{turn}", reviewer=f"rev{who}", answer=f"by rev{who} n{turn}"))

    threads = [threading.Thread(target=work, args=(who,)) for who in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    anew = Store(tmp_path / "anew.duckdb")
    again = Decided(anew, folders)
    again.open()
    every = "SELECT * FROM reviews ORDER BY seq"
    assert again.findings == []
    assert live.sizes("reviews") == {"reviews": 300}
    assert anew.rows(every) == live.rows(every)
    assert anew.rows("SELECT * FROM current_reviews ORDER BY 1") == live.rows(
        "SELECT * FROM current_reviews ORDER BY 1"
    )
    assert [row["seq"] for row in live.rows(every)] == list(range(1, 301))
    assert reviews.last_event(live, "p", "rev7") == reviews.last_event(anew, "p", "rev7")
    live.close()
    anew.close()


def test_a_decision_whose_head_could_not_be_written_counts(decided, monkeypatch):
    """Its line is on disk: said to be lost, it would come back at a rebuild, and twice if decided again."""
    keeper, store, folders = decided
    keeper.open()
    keeper.decide(project(1))
    with monkeypatch.context() as full:
        full.setattr(decisions, "write_json", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
        keeper.decide(project(2))
    keeper.decide(project(3))
    live = [each["project_id"] for each in projects.list_projects(store)]
    reading = opened(folders.decisions)
    assert live == [entry.decision.project_id for entry in reading.entries] == ["p1", "p2", "p3"]
    assert reading.findings == []
