"""Transactions, migrations, lock-down, one owner."""

import contextlib
import subprocess
import sys
from typing import TypedDict

import duckdb
import pytest

from kdcore.errors import StoreError
from kdcore.records.decisions import ProjectMade
from kdcore.store import projects
from kdcore.store.engine.db import Store, set_aside
from kdcore.store.engine.migrations import MIGRATIONS


def project(name="p"):
    return ProjectMade(project_id=name, name=name, created=1.0)


def test_an_error_rolls_everything_back(store):
    with pytest.raises(RuntimeError, match="stop"), store.transaction() as tx:
        tx.execute("INSERT INTO projects VALUES ('a', 'a', '', 1)")
        raise RuntimeError("stop")
    assert projects.list_projects(store) == []


def test_a_swallowed_error_never_reaches_the_commit(store):
    """DuckDB would answer OK to the COMMIT and discard the rows; the helper must raise instead."""
    with pytest.raises(duckdb.Error), store.transaction() as tx:
        tx.execute("INSERT INTO projects VALUES ('a', 'a', '', 1)")
        with contextlib.suppress(duckdb.Error):
            tx.execute("SELECT no_such_column FROM projects")
    assert projects.list_projects(store) == []
    with store.transaction() as tx:
        projects.add_project(tx, project(), 1)
    assert len(projects.list_projects(store)) == 1


def test_adding_twice_adds_once(store):
    with store.transaction() as tx:
        projects.add_project(tx, project(), 1)
        projects.add_project(tx, project(), 1)
    assert len(projects.list_projects(store)) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY projects TO 'out.csv'",
        "ATTACH 'other.duckdb'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
    ],
)
def test_the_connection_is_locked_down(store, sql):
    with pytest.raises(duckdb.Error):
        store.scalar(sql)


@pytest.mark.processes
def test_a_second_process_is_told_who_holds_it(tmp_path):
    path = str(tmp_path / "kd.duckdb")
    code = f"from pathlib import Path; from kdcore.store.engine.db import Store, set_aside; CALL(Path({path!r}))"
    opened = Store(tmp_path / "kd.duckdb")
    try:
        for call in ("Store", "set_aside"):  # a rebuild must not move a file that the app has open
            command = [sys.executable, "-c", code.replace("CALL", call)]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode
            assert "open in another process (pid" in done.stderr
        assert (tmp_path / "kd.duckdb").exists()
    finally:
        opened.close()


def test_reopening_runs_no_step_twice(tmp_path):
    for _ in range(2):
        opened = Store(tmp_path / "kd.duckdb")
        assert opened.scalar("SELECT count(*) FROM schema_version") == len(MIGRATIONS)
        opened.close()


def test_a_damaged_file_is_set_aside_not_deleted(tmp_path):
    path = tmp_path / "kd.duckdb"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="kd rebuild"):
        Store(path)
    kept = set_aside(path)
    assert kept is not None
    assert kept.exists()
    Store(path).close()


def test_a_query_that_lacks_a_field_of_its_record_says_so(store: Store):
    class Counted(TypedDict):
        name: str
        rows: int

    assert store.records(Counted, "SELECT 'a' AS name, 1 AS rows, 2 AS more") == [{"name": "a", "rows": 1, "more": 2}]
    with pytest.raises(StoreError, match="Counted lacks rows"):
        store.records(Counted, "SELECT 'a' AS name")


def test_json_columns_come_as_what_they_say(store: Store):
    class Told(TypedDict):
        config: dict

    sql = """SELECT unnest(['{"a": 1}', '', NULL]) AS config"""
    assert store.records(Told, sql, parsed=["config"]) == [{"config": {"a": 1}}, {"config": {}}, {"config": {}}]
