"""Concepts from examples: rows marked yes or no, a line between them, a score on every row, and the next to ask."""

from __future__ import annotations

import json
import re

from kdcore.configs.exploration import ConceptConfig
from kdcore.configs.selection import EVERYTHING, All, HasScore, HasTag, Not, Selection
from kdcore.configs.serving import ServeConfig
from kdcore.errors import ConfigError
from kdcore.jobs import mailbox
from kdcore.jobs.run_dir import RunDir
from kdcore.models import DEFAULT_EMBEDDER, resolve
from kdcore.records.rows import VerdictKey
from kdcore.records.samples import Sample
from kdcore.services.explore import tags as tagging
from kdcore.services.warm import warm_service
from kdcore.services.workspace import App
from kdcore.store import maps, runs, samples, verdicts
from kdcore.store import tags as tag_store

_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*\s*|\n+")


def tags_of(name: str) -> tuple[str, str]:
    """The tags that mark a concept's rows: yes and no."""
    return name, f"not {name}"


def key_of(name: str) -> VerdictKey:
    """The name under which a concept's scores are kept."""
    return ConceptConfig(name=name).key


def mark(app: App, project_id: str, name: str, sample_id: str, reviewer: str, *, has: bool) -> None:
    """Say of one row whether it has the concept; the other answer, if it was given, is taken back."""
    yes, no = tags_of(" ".join(name.split()))
    tagging.tag_one(app, project_id, sample_id, yes if has else no, reviewer)
    tagging.tag_one(app, project_id, sample_id, no if has else yes, reviewer, present=False)


def start(app: App, project_id: str, name: str) -> RunDir:
    """Learn from what is marked and score every row of the newest map."""
    name = " ".join(name.split())
    if not name:
        raise ConfigError("a concept needs a name.")
    map_run = maps.newest(app.store, project_id)
    if map_run is None:
        raise ConfigError("a concept is learnt on the map's vectors; draw a map first.")
    yes, no = tags_of(name)
    if not tag_store.tagged(app.store, project_id, yes):
        raise ConfigError(f'no row is marked "{yes}" yet; say yes to one at least.')
    vectors = str(app.run_dir(map_run).path)
    run = app.create_run("concept", ConceptConfig(project_id=project_id, name=name, vectors=vectors))
    tag_store.write_marked(app.store, project_id, yes, no, run.path / "input.parquet")
    return app.launch(run)


def next_rows(
    app: App, project_id: str, name: str, selection: Selection = EVERYTHING, limit: int = 6
) -> list[Sample]:
    """Rows to ask about: those the signal is least sure of, or any selected ones before it was learnt."""
    yes, no = tags_of(name)
    found = verdicts.most_unsure(app.store, project_id, key_of(name), [yes, no], limit)
    if not found:
        unmarked = [selection, Not(part=HasTag(tag=yes)), Not(part=HasTag(tag=no))]
        found = samples.keys(app.store, project_id, All(parts=tuple(unmarked)), limit=limit)
    return samples.by_ids(app.store, found)


def having(name: str) -> Selection:
    """Rows that likely have the concept."""
    key = key_of(name)
    return HasScore(verdict_kind=key.kind, filter=key.filter, low=0.5)


def learnt(app: App, project_id: str) -> dict[str, str]:
    """Concepts of a project that were learnt, each with its newest run."""
    done = [
        run
        for run in runs.list_runs(app.store, project_id, "concept")
        if (app.run_dir(run["run_id"]).path / "concept.json").exists()
    ]
    return {run["config"]["name"]: run["run_id"] for run in reversed(done)}


def quality(app: App, run_id: str) -> float | None:
    """Area under the ROC curve on marked rows that were left out; None where there were too few."""
    return json.loads((app.run_dir(run_id).path / "concept.json").read_bytes())["quality"]


def ask_sentences(app: App, concept_run: str, text: str) -> tuple[str, str, list[str]]:
    """Ask the warm search service which sentences have the concept; ``(run id, key, sentences)`` to poll with."""
    config = app.run_dir(concept_run).load(ConceptConfig)
    sentences = [m.group(0) for m in _SENTENCE.finditer(text)][:200]
    path = resolve(DEFAULT_EMBEDDER, app.folders.models)
    run = warm_service(app, ServeConfig(service="search", embedder_path=str(path), vectors=config.vectors))
    body = {"concept": str(app.run_dir(concept_run).path), "texts": sentences}
    return run.run_id, mailbox.ask(run, body), sentences
