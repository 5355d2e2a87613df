"""Checks, search and the filtered view that Explore shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypedDict

from kdcore.configs.base import load_config
from kdcore.configs.exploration import ScreenConfig
from kdcore.configs.selection import All, AnyOf, ColumnIs, Not, ReviewIs, Selection
from kdcore.configs.serving import ServeConfig
from kdcore.errors import ConfigError, DataError, JobError
from kdcore.filters import FILTERS
from kdcore.jobs import mailbox
from kdcore.jobs.run_dir import RunDir
from kdcore.models import DEFAULT_EMBEDDER, DEFAULT_TEACHER, resolve
from kdcore.records.decisions import KEPT, Decision
from kdcore.records.figures import Bar, View
from kdcore.records.reviews import VerdictCount
from kdcore.records.rows import VerdictKey
from kdcore.records.samples import OpenSample, Sample
from kdcore.services import jsonl, models
from kdcore.services.warm import warm_service
from kdcore.services.workspace import App
from kdcore.store import datasets, maps, runs, samples, training, verdicts, worker_inputs
from kdcore.store.engine.db import Store
from kdcore.store.selection import compile_selection
from kdcore.types import TERMINAL_STATES

MAX_VALUES = 2000  # of a column, to choose from
TEXT_FIELDS = ("question", "text", "prompt", "instruction", "input", "answer")
# what may enter a version: what can be used, and what people accepted or mended whatever a parser said of it
FREEZABLE = All(
    parts=(
        AnyOf(parts=(ColumnIs(column="status", values=("parsed",)), ReviewIs(states=KEPT))),
        Not(part=ReviewIs(states=(Decision.REJECT,))),
    )
)


def start_screen(
    app: App,
    project_id: str,
    filters: Sequence[str],
    selection: Selection = FREEZABLE,
    options: Mapping[str, dict[str, Any]] | None = None,
) -> RunDir:
    """Run checks over a selection; by default what may enter a version, so that no lost row outlives a good one."""
    refuse_unknown(filters)
    desk = Desk(app, project_id)
    given: dict[str, dict[str, Any]] = {}
    places: dict[str, str] = {}
    for name in filters:
        settings = dict((options or {}).get(name, {}))
        for need in FILTERS[name].needs:
            settings = need.prepare(settings, desk)
            if place := need.place(desk):
                places[need.name] = place
        given[name] = load_config(FILTERS[name].config, settings).portable(app.folders.mounts)
    config = ScreenConfig(project_id=project_id, filters=tuple(filters), options=given, places=places)
    run = app.create_run("screen", config)
    worker_inputs.write_pairs(app.store, project_id, selection, run.path / "input.parquet")
    return app.launch(run)


def refuse_unknown(filters: Sequence[str]) -> None:
    """Raise ConfigError for a filter that is not there, and for none at all."""
    unknown = [name for name in filters if name not in FILTERS]
    if unknown or not filters:
        raise ConfigError(f'unknown filter "{(unknown or [""])[0]}"; known: {", ".join(FILTERS)}.')


def texts_of(raw: bytes) -> list[str]:
    """Texts of an evaluation set in JSONL: each row's question and answer, by the usual names. Raises DataError."""
    texts: list[str] = []
    rows = jsonl.parse(raw.decode("utf-8-sig", "replace").split("\n"), "the evaluation set")
    for number, row in enumerate(rows, 1):
        found = [str(row[name]) for name in TEXT_FIELDS if row.get(name)]
        if not found:
            raise DataError(f"row {number} of the evaluation set has none of the fields {', '.join(TEXT_FIELDS)}.")
        texts += found  # a leaked answer is as bad as a leaked question
    return texts


@dataclass(frozen=True)
class Desk:
    """What the needs of checks are looked up in: a project of a workspace (``filters.needs.Desk``)."""

    app: App
    project_id: str

    def model(self, name: str) -> str:
        """See ``filters.needs.Desk``; a model of the Hub is fetched by its name."""
        reader = name or DEFAULT_TEACHER
        return str(models.folder_of(self.app, reader) or reader)

    def vectors(self) -> str:
        """See ``filters.needs.Desk``."""
        found = maps.newest(self.app.store, self.project_id)
        if found is None:
            raise ConfigError("a check that goes by meaning needs a map; draw one first.")
        return str(self.app.run_dir(found).path)

    def embedder(self) -> str:
        """See ``filters.needs.Desk``."""
        return str(resolve(DEFAULT_EMBEDDER, self.app.folders.models))

    def held_out(self) -> dict[str, Any]:
        """Questions that the project's versions hold out, its own evaluation set, with the samples they are of."""
        found = datasets.held_out_questions(self.app.store, self.project_id)
        if not found:
            raise ConfigError("no version holds rows out yet: freeze one, or give the texts of an evaluation set.")
        return {"against": [row["question"] for row in found], "own": [row["sample_id"] for row in found]}


def refuse_unreadable(selection: Selection) -> None:
    """Raise ConfigError for a selection that no query can be made of, such as a broken regular expression."""
    compile_selection(selection)


def view(
    app: App, project_id: str, selection: Selection, page: int, page_size: int, sort: str, descending: bool
) -> View:
    """Count and one page of a selection."""
    return {
        "count": samples.count(app.store, project_id, selection),
        "total": samples.count(app.store, project_id, All()),
        "rows": samples.page(
            app.store,
            project_id,
            selection,
            sort=sort,
            descending=descending,
            limit=page_size,
            offset=page * page_size,
        ),
    }


def values_of(app: App, project_id: str) -> dict[str, list[str]]:
    """The values of each facet column in the whole project, the commonest first."""
    return _values(app.store, app.store.version, project_id)


@lru_cache(maxsize=8)
def _values(store: Store, version: int, project_id: str) -> dict[str, list[str]]:
    """Read once while nothing is written: lists of values must not move when a filter changes."""
    found = samples.facets(store, project_id, All(), MAX_VALUES)
    return {name: [str(facet["value"] or "") for facet in facets] for name, facets in found.items()}


def histogram(app: App, project_id: str, selection: Selection, column: str) -> list[Bar]:
    """See ``store.samples.histogram``."""
    return samples.histogram(app.store, project_id, selection, column)


def checks(app: App, project_id: str) -> list[VerdictCount]:
    """Passed and failed samples of everything that judges: ``[{kind, filter, passed, failed}]``."""
    return verdicts.counts(app.store, project_id)


def sample(app: App, sample_id: str) -> OpenSample:
    """One sample with every ancestor and descendant; raises ConfigError for an unknown id."""
    found = samples.by_ids(app.store, [sample_id])
    if not found:
        raise ConfigError(f'there is no sample "{sample_id}" in this workspace.')
    line = samples.lineage(app.store, sample_id)
    with_dataset = {d["dataset_id"] for d in line["datasets"]}
    trainings = [
        run["run_id"]
        for run in runs.list_runs(app.store, found[0]["project_id"], "distill")
        if with_dataset & {part["dataset_id"] for part in run["config"]["slices"]}
    ]
    losses = training.losses_of(app.store, sample_id)
    return {**found[0], "lineage": {**line, "losses": losses, "trainings": trainings}}


def scores(found: Sequence[VerdictCount]) -> list[str]:
    """Those of ``checks`` whose score can sort, colour and pick; what was picked has only a place."""
    return [VerdictKey(row["kind"], row["filter"]).text for row in found if row["kind"] != "pick"]


def failing(found: Sequence[VerdictCount]) -> list[VerdictKey]:
    """Those of ``checks`` that some rows fail."""
    return [VerdictKey(row["kind"], row["filter"]) for row in found if row["failed"]]


def samples_of(app: App, sample_ids: list[str]) -> list[Sample]:
    """Whole samples in the order asked for; unknown ids are left out."""
    return samples.by_ids(app.store, sample_ids)


# ---- semantic search ------------------------------------------------------------------------------------
def start_search(
    app: App,
    project_id: str,
    text: str = "",
    sample_id: str = "",
    limit: int = 50,
    among: Sequence[str] | None = None,
) -> tuple[str, str]:
    """Ask the warm search service, ``among`` some samples only; returns (run id, question key) to poll with."""
    map_run = maps.newest(app.store, project_id)
    if map_run is None:
        raise ConfigError("semantic search needs a map; draw one first.")
    path = resolve(DEFAULT_EMBEDDER, app.folders.models)
    run = warm_service(
        app,
        ServeConfig(service="search", embedder_path=str(path), vectors=str(app.run_dir(map_run).path)),
    )
    return run.run_id, mailbox.ask(run, {"text": text, "sample_id": sample_id, "limit": limit, "among": among})


class Hit(TypedDict):
    """A sample that a search found, with the cosine (-1 to 1)."""

    sample_id: str
    score: float


def search_hits(app: App, run_id: str, key: str) -> list[Hit] | None:
    """``[{sample_id, score}]`` best first; None while awaited. Score is the cosine, -1 to 1."""
    body = answer_of(app, run_id, key)
    return None if body is None else body["hits"]


def answer_of(app: App, run_id: str, key: str) -> dict[str, Any] | None:
    """What the search service answered; None while awaited. Raises JobError where it has stopped."""
    body = mailbox.answer_to(app.run_dir(run_id), key)
    if body is not None:
        return body
    status = app.status(run_id)
    if status.state in TERMINAL_STATES:
        raise JobError(f"the search service {run_id} has stopped ({status.message or status.state}); try again.")
    return None


def candidates_count(app: App, project_id: str, selection: Selection) -> int:
    """Samples of a selection that a dataset version would take."""
    return datasets.count_candidates(app.store, project_id, selection)
