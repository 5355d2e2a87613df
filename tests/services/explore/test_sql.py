"""A researcher's query: answers from a snapshot, and reaches nothing else."""

from pathlib import Path

import pytest

from kdcore.errors import ConfigError
from kdcore.services.explore import sql
from kdcore.services.workspace import App, open_app
from kdcore.store import samples
from tests.services.explore.test_tags import PROJECT, row

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    opened = open_app(tmp_path_factory.mktemp("sql") / "ws")
    with opened.store.transaction() as tx:
        samples.insert(tx, [*[row(i) for i in range(5)], {**row(9), "project_id": "another"}])
    yield opened
    opened.close()


def test_a_query_sees_its_project_alone(app: App):
    found = sql.ask(app, PROJECT, "SELECT sample_id, entropy FROM samples ORDER BY 1")
    assert found["columns"] == ["sample_id", "entropy"]
    assert found["rows"][:2] == [["s0", 0.0], ["s1", 1.0]]
    assert len(found["rows"]) == 5
    for table in sql.tables():
        assert sql.ask(app, PROJECT, f"SELECT count(*) FROM {table}")["rows"][0][0] >= 0
    assert sql.ask(app, PROJECT, "SELECT i FROM range(5000) t(i)")["more"]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM read_blob('/proc/self/environ')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM '{database}'",
        "ATTACH '{database}' AS other",
        "COPY samples TO '{folder}/out.csv'",
        "SELECT 1; SELECT 2",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "SELECT list(i) FROM range(1000000000) t(i)",
        "DROP VIEW samples",
        "",
        "SELEC 1",
    ],
)
def test_what_a_query_may_not_do_is_refused_in_one_sentence(app: App, tmp_path: Path, query: str):
    with pytest.raises(ConfigError):
        sql.ask(app, PROJECT, query.format(database=app.folders.database, folder=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_columns_of_one_name_are_told_apart_and_odd_values_are_said(app: App):
    found = sql.ask(app, PROJECT, "SELECT 1 AS a, 2 AS a, 3 AS b, 4 AS a")
    assert found["columns"] == ["a", "a_2", "b", "a_3"]
    with pytest.raises(ConfigError, match="can't be run"):
        sql.ask(app, PROJECT, "SELECT interval 1000000000 days")


def test_a_query_without_end_is_stopped(app: App):
    with pytest.raises(ConfigError, match="more than 1 s"):
        sql.ask(app, PROJECT, "SELECT count(*) FROM range(100000) a, range(100000) b, range(1000) c", seconds=1)


def test_a_snapshot_is_made_again_when_something_changed(app: App):
    before = sql.ask(app, PROJECT, "SELECT count(*) FROM samples")["rows"]
    with app.store.transaction() as tx:
        samples.insert(tx, [row(70)])
    assert sql.ask(app, PROJECT, "SELECT count(*) FROM samples")["rows"] == [[before[0][0] + 1]]
