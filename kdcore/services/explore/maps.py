"""Maps of a project: drawing one, and as much of it as a picture shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from kdcore.configs.exploration import EmbedConfig, TitleConfig
from kdcore.configs.selection import All, ColumnIs, Selection
from kdcore.configs.teacher import TeacherConfig
from kdcore.errors import ConfigError
from kdcore.jobs.run_dir import RunDir
from kdcore.models import resolve
from kdcore.records.maps import Cell, Drift, Group, GroupTitle, MapPoint
from kdcore.records.runs import MapRun
from kdcore.services import governance, models
from kdcore.services.workspace import App
from kdcore.store import maps, runs, samples, worker_inputs
from kdcore.store.engine.db import Store

READABLE = All(parts=(ColumnIs(column="status", op="in", values=("parsed", "truncated", "refused")),))

MARGIN = 0.04  # of the width, around what is zoomed to


@dataclass(frozen=True, slots=True)
class Picture:
    """What a map shows: some points, the density of the selected below them, and the titles of the groups in view.

    ``box`` is what is looked at (x from, x to, y from, y to), ``inside`` counts the points in it; ``density`` is
    empty where every point is drawn, else rows in cells of width ``step``.
    """

    points: list[MapPoint]
    groups: list[GroupTitle]
    density: list[Cell]
    box: tuple[float, float, float, float]
    step: float
    inside: int
    zoomed: bool


def start_map(app: App, project_id: str, config: EmbedConfig) -> RunDir:
    """Embed every readable sample of the project and draw a new map."""
    if not samples.count(app.store, project_id, READABLE):
        raise ConfigError("there are no answers to place on a map; ask the teacher first.")
    path = resolve(config.model, app.folders.models)
    config = config.model_copy(update={"project_id": project_id, "model_path": str(path or "")})
    run = app.create_run("embed", config)
    worker_inputs.write_texts(app.store, project_id, READABLE, config.text, run.path / "input.parquet")
    return app.launch(run)


def all_maps(app: App, project_id: str) -> list[MapRun]:
    """Maps of a project, newest first, with their status and whether they are drawn."""
    there = set(maps.finished(app.store, project_id))
    return [
        {**run, "status": app.status(run["run_id"]), "finished": run["run_id"] in there}
        for run in runs.list_runs(app.store, project_id, "embed")
    ]


def newest(app: App, project_id: str) -> str | None:
    """The newest map that is drawn."""
    return maps.newest(app.store, project_id)


def unplaced(app: App, project_id: str, map_run: str) -> int:
    """Readable samples that came after a map was drawn."""
    return max(0, samples.count(app.store, project_id, READABLE) - maps.size(app.store, map_run))


def picture(
    app: App, project_id: str, map_run: str, selection: Selection, colour: str = "title", *, zoom: bool = False
) -> Picture:
    """The map coloured by ``colour`` (see ``store.maps.COLOURS``); ``zoom`` looks at what is selected only.

    A part of a large map is thinned less than the whole, so that zooming in shows more points and more titles.
    """
    extent = maps.extent(app.store, map_run, selection) if zoom else None
    box = _with_margin(extent) if extent else (-1.05, 1.05, -1.05, 1.05)
    inside = maps.size(app.store, map_run, box)
    points = maps.points(app.store, project_id, map_run, selection, colour, box)
    groups = [
        g
        for g in _titles(app.store, app.store.version, map_run)
        if g["x"] is not None and g["y"] is not None
        if box[0] <= g["x"] <= box[1] and box[2] <= g["y"] <= box[3]
    ]
    thinned = inside > len(points)
    density = maps.density(app.store, map_run, selection, box) if thinned else []
    return Picture(points, groups, density, box, maps.cell_width(box), inside, extent is not None)


@lru_cache(maxsize=8)
def _titles(store: Store, version: int, map_run: str) -> tuple[GroupTitle, ...]:
    """The titles of a map while nothing is written: every redraw needs them, and the middles take time."""
    return tuple(maps.titles(store, map_run))


def _with_margin(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    margin = MARGIN * max(box[1] - box[0], box[3] - box[2], 0.02)
    return box[0] - margin, box[1] + margin, box[2] - margin, box[3] + margin


def groups(app: App, map_run: str) -> list[Group]:
    """Groups of a map with what they hold; see ``store.maps.clusters``."""
    return maps.clusters(app.store, map_run)


TYPICAL = 8  # questions of a group that a teacher reads to title it


def start_titles(app: App, project_id: str, map_run: str, teacher: TeacherConfig) -> RunDir:
    """Have a teacher write the titles of a map's groups; the words that mark them stay beside."""
    governance.refuse_zone(app, project_id, teacher)
    path, fingerprint = models.resolve_teacher(app, teacher)
    found = maps.typical(app.store, map_run, TYPICAL)
    if not found:
        raise ConfigError("this map has no groups to title; draw a map first.")
    run = app.create_run(
        "title",
        TitleConfig(
            project_id=project_id,
            map_run=map_run,
            teacher=teacher,
            teacher_path=path,
            teacher_fingerprint=fingerprint,
            replies=str(app.folders.replies),
        ),
    )
    run.write_lines("groups.jsonl", found)
    return app.launch(run)


def drift(app: App, map_run: str, before: str, after: str) -> Drift:
    """How two runs spread over the groups of a map: ``{groups, distance}``.

    ``distance`` is the total variation of the shares: 0 for the same spread, 1 for no group in common.
    """
    found = maps.drift(app.store, map_run, before, after)
    return {"groups": found, "distance": sum(abs(g["after"] - g["before"]) for g in found) / 2}
