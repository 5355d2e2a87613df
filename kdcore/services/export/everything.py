"""A whole workspace in forms that need no kd: Parquet, JSON and a README that says what is what."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from kdcore.errors import ConfigError
from kdcore.jobs.run_dir import RunDir
from kdcore.records.decisions import Exported
from kdcore.services.workspace import App
from kdcore.store import datasets, projects, runs
from kdcore.store.engine import everything
from kdcore.store.engine.frozen_files import frozen_path

README = """# Everything of a workspace

Written on {when}. Nothing here needs kd: the tables are Parquet, which DuckDB, pandas, R and Excel's Power Query
read; the rest is JSON. To begin with, in DuckDB:

    SELECT s.question, s.answer FROM 'tables/samples.parquet' s
    JOIN 'tables/current_reviews.parquet' r USING (sample_id) WHERE r.action = 'accept'

| file | rows | a row is |
| --- | --- | --- |
{tables}

- `versions/`: the frozen file of each dataset version, byte for byte; `versions.json` says its name and number.{gone}
- `decisions.jsonl`: what people decided, one line each, numbered and chained by hashes; `body` is the decision,
  `texts` what was written, with a salt before it.
- `prompts.json`, `projects.json`: as in the tables, with what is JSON in them unfolded.
- `students.json`: trained models and where they lie. They are folders for transformers and are not copied; take one
  along by `kd export --run`.
"""


def write(app: App, out: Path, who: str) -> dict[str, int]:
    """Write all into a new or an empty folder; returns the rows of each table. One that fails leaves nothing behind.

    That it was taken, and by whom, is an event of the log. Raises ConfigError for a folder that holds something.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} is there already; give a new or an empty folder.")
    out.mkdir(parents=True, exist_ok=True)
    try:
        (out / "tables").mkdir()
        rows = everything.write_all(app.store, out / "tables")
        gone = _versions(app, out)
        _json(out / "projects.json", projects.list_projects(app.store))
        _json(out / "prompts.json", _prompts(app))
        _json(out / "students.json", _students(app))
        if app.folders.decisions.exists():
            shutil.copyfile(app.folders.decisions, out / "decisions.jsonl")
        told = "\n".join(
            f"| `tables/{name}.parquet` | {rows[name]:,} | {what} |" for name, what in everything.TABLES.items()
        )
        when = time.strftime("%Y-%m-%d %H:%M")
        (out / "README.md").write_text(README.format(when=when, tables=told, gone=_told_gone(gone)), encoding="utf-8")
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    app.decide(
        Exported(
            project_id="",
            what="everything",
            form="parquet",
            rows=rows["samples"],
            who=who,
            to=str(out),
            created=time.time(),
        )
    )
    return rows


def _told_gone(versions: list[str]) -> str:
    return (
        f" The files of {', '.join(versions)} are gone: `tables/dataset_rows.parquet` has their rows."
        if versions
        else ""
    )


def _versions(app: App, out: Path) -> list[str]:
    """Copy the frozen files; returns the names of versions whose file is gone."""
    (out / "versions").mkdir()
    found = [
        version
        for project in projects.list_projects(app.store)
        for version in datasets.list_datasets(app.store, project["project_id"])
    ]
    gone: list[str] = []
    for version in found:
        file = frozen_path(app.folders, version["dataset_id"])
        if file.exists():
            shutil.copyfile(file, out / "versions" / file.name)
        else:
            gone.append(f"{version['name']} v{version['version']}")
    _json(out / "versions.json", found)
    return gone


def _prompts(app: App) -> list[dict[str, Any]]:
    return [
        {**version, "content": projects.prompt_content(app.store, version["prompt_version_id"])}
        for project in projects.list_projects(app.store)
        for version in projects.list_prompt_versions(app.store, project["project_id"])
    ]


def _students(app: App) -> list[dict[str, Any]]:
    trained = [
        (run, RunDir(app.folders.runs / run["run_id"]))
        for run in runs.list_runs(app.store)
        if run["kind"] == "distill"
    ]
    return [
        {"run_id": run["run_id"], "name": run["config"].get("name", ""), "folder": str(folder.path / "student")}
        for run, folder in trained
        if (folder.path / "student" / "config.json").exists()
    ]


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1, default=str), encoding="utf-8")
