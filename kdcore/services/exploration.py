"""Maps, checks, search and the filtered view that Explore shows."""

from __future__ import annotations

from typing import Any

from kdcore.configs.exploration import EmbedConfig, ScreenConfig
from kdcore.configs.selection import All, ColumnIs, Not, ReviewIs, Selection
from kdcore.configs.serving import ServeConfig
from kdcore.errors import ConfigError, JobError
from kdcore.filters import FILTERS
from kdcore.jobs import mailbox
from kdcore.jobs.run_dir import RunDir
from kdcore.models import DEFAULT_EMBEDDER, resolve
from kdcore.services.app import App
from kdcore.services.preview import warm_service
from kdcore.store import datasets, runs, samples
from kdcore.store.selection import compile_selection
from kdcore.types import TERMINAL_STATES

READABLE = All(parts=(ColumnIs(column="status", op="in", values=("parsed", "truncated", "refused")),))

FREEZABLE = All(parts=(ColumnIs(column="status", values=("parsed",)), Not(part=ReviewIs(states=("rejected",)))))


def start_map(app: App, project_id: str, config: EmbedConfig) -> RunDir:
    """Embed every readable sample of the project and draw a new map."""
    if not samples.count(app.store, project_id, READABLE):
        raise ConfigError("there are no answers to place on a map; ask the teacher first.")
    path = resolve(config.model, app.folders.models)
    config = config.model_copy(update={"project_id": project_id, "model_path": str(path or "")})
    run = app.create_run("embed", config)
    samples.write_texts(app.store, project_id, READABLE, config.text, run.path / "input.parquet")
    return app.launch(run)


def start_screen(app: App, project_id: str, filters: list[str], selection: Selection = FREEZABLE) -> RunDir:
    """Run checks over a selection; by default what may enter a version, so that no lost row outlives a good one."""
    unknown = [name for name in filters if name not in FILTERS]
    if unknown or not filters:
        raise ConfigError(f'unknown filter "{(unknown or [""])[0]}"; known: {", ".join(FILTERS)}.')
    run = app.create_run("screen", ScreenConfig(project_id=project_id, filters=tuple(filters)))
    samples.write_pairs(app.store, project_id, selection, run.path / "input.parquet")
    return app.launch(run)


def maps(app: App, project_id: str) -> list[dict[str, Any]]:
    """Maps of a project, newest first, with their status."""
    return [run | {"status": app.status(run["run_id"])} for run in runs.list_runs(app.store, project_id, "embed")]


def newest_map(app: App, project_id: str) -> str | None:
    """The newest map that is drawn."""
    return runs.newest_map(app.store, project_id)


def refuse_unreadable(selection: Selection) -> None:
    """Raise ConfigError for a selection that no query can be made of, such as a broken regular expression."""
    compile_selection(selection)


def view(
    app: App, project_id: str, selection: Selection, page: int, page_size: int, sort: str, descending: bool
) -> dict[str, Any]:
    """Count, facets and one page of a selection."""
    facets = samples.facets(app.store, project_id, selection)
    return {
        "count": sum(found["rows"] for found in facets["status"]),  # every row has one, so nothing is read twice
        "total": samples.count(app.store, project_id, All()),
        "facets": facets,
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


def points(app: App, project_id: str, map_run: str, selection: Selection) -> list[dict[str, Any]]:
    """Points of a map; see ``store.runs.map_points``."""
    return runs.map_points(app.store, project_id, map_run, selection)


def clusters(app: App, map_run: str) -> list[dict[str, Any]]:
    """Clusters of a map."""
    return runs.clusters(app.store, map_run)


def histogram(app: App, project_id: str, selection: Selection, column: str) -> list[dict[str, Any]]:
    """See ``store.samples.histogram``."""
    return samples.histogram(app.store, project_id, selection, column)


def checks(app: App, project_id: str) -> list[dict[str, Any]]:
    """Passed and failed samples by filter."""
    return runs.verdict_counts(app.store, project_id)


def sample(app: App, sample_id: str) -> dict[str, Any]:
    """One sample with every ancestor and descendant; raises ConfigError for an unknown id."""
    found = samples.by_ids(app.store, [sample_id])
    if not found:
        raise ConfigError(f'there is no sample "{sample_id}" in this workspace.')
    line = samples.lineage(app.store, sample_id)
    with_dataset = {d["dataset_id"] for d in line["datasets"]}
    line["trainings"] = [
        run["run_id"]
        for run in runs.list_runs(app.store, found[0]["project_id"], "distill")
        if with_dataset & {part["dataset_id"] for part in run["config"]["slices"]}
    ]
    return found[0] | {"lineage": line}


# ---- semantic search ------------------------------------------------------------------------------------
def start_search(app: App, project_id: str, text: str = "", sample_id: str = "", limit: int = 50) -> tuple[str, str]:
    """Ask the warm search service; returns (run id, question key) to poll with."""
    map_run = newest_map(app, project_id)
    if map_run is None:
        raise ConfigError("semantic search needs a map; draw one first.")
    path = resolve(DEFAULT_EMBEDDER, app.folders.models)
    run = warm_service(
        app,
        ServeConfig(service="search", embedder_path=str(path), vectors=str(app.run_dir(map_run).path)),
    )
    return run.run_id, mailbox.ask(run, {"text": text, "sample_id": sample_id, "limit": limit})


def search_hits(app: App, run_id: str, key: str) -> list[dict[str, Any]] | None:
    """``[{sample_id, score}]`` best first; None while awaited. Score is the cosine, -1 to 1."""
    body = mailbox.answer_to(app.run_dir(run_id), key)
    if body is not None:
        return body["hits"]
    status = app.status(run_id)
    if status.state in TERMINAL_STATES:
        raise JobError(f"the search service {run_id} has stopped ({status.message or status.state}); try again.")
    return None


def candidates_count(app: App, project_id: str, selection: Selection) -> int:
    """Samples of a selection that a dataset version would take."""
    return datasets.count_candidates(app.store, project_id, selection)
