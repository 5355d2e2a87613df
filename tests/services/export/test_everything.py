"""Who leaves takes everything along, in forms that need no kd."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from kdcore.errors import ConfigError
from kdcore.services.export import everything
from kdcore.services.workspace import App, open_app
from kdcore.store import projects
from kdcore.store.engine import everything as store_everything


@pytest.fixture
def app(made: Path, tmp_path: Path):
    shutil.copytree(made, tmp_path / "ws")
    opened = open_app(tmp_path / "ws")
    yield opened
    opened.close()


def test_no_table_is_forgotten(app: App):
    known = {*store_everything.TABLES, *store_everything.INTERNAL}
    assert store_everything.tables_of(app.store) == known


def test_every_row_is_there_and_read_by_others(app: App, tmp_path: Path):
    out = tmp_path / "out"
    rows = everything.write(app, out, "Dr A")
    assert rows["samples"] == 12 and rows["current_reviews"] == 2 and rows["dataset_rows"] == 12
    for name, count in rows.items():
        assert duckdb.sql(f"SELECT count(*) FROM '{out}/tables/{name}.parquet'").fetchall() == [(count,)], name
        assert f"`tables/{name}.parquet` | {count:,} |" in (out / "README.md").read_text()
    accepted = duckdb.sql(
        f"SELECT answer FROM '{out}/tables/current_reviews.parquet' WHERE action = 'edit'"
    ).fetchall()
    assert accepted == [("Mended.",)]
    [version] = json.loads((out / "versions.json").read_text())
    assert version["name"] == "D" and (out / "versions" / f"{version['dataset_id']}.parquet").exists()
    [prompt] = json.loads((out / "prompts.json").read_text())
    assert "{{question}}" in json.dumps(prompt["content"])
    assert (out / "decisions.jsonl").read_bytes() == b"".join(
        app.folders.decisions.read_bytes().splitlines(keepends=True)[:-1]
    ), "all that was decided before"


def test_it_is_an_event_and_nothing_is_written_over(app: App, tmp_path: Path):
    everything.write(app, tmp_path / "out", "Dr A")
    [event] = projects.exports(app.store, "")
    assert (event["what"], event["who"], event["rows"]) == ("everything", "Dr A", 12)
    with pytest.raises(ConfigError, match="there already"):
        everything.write(app, tmp_path / "out", "Dr A")


def test_a_write_that_fails_leaves_nothing(app: App, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(everything, "_students", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        everything.write(app, tmp_path / "out", "Dr A")
    assert not (tmp_path / "out").exists()
