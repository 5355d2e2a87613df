"""A subset by a selector: which rows to train on where only N may be."""

from __future__ import annotations

from kdcore.configs.exploration import PickConfig
from kdcore.configs.selection import HasVerdict, Selection
from kdcore.errors import ConfigError
from kdcore.jobs.run_dir import RunDir
from kdcore.services.workspace import App
from kdcore.store import maps, samples, worker_inputs


def start(app: App, project_id: str, config: PickConfig, selection: Selection) -> RunDir:
    """Choose rows of a selection. Raises ConfigError without a map, without a row, or without a score to go by."""
    map_run = maps.newest(app.store, project_id)
    if map_run is None:
        raise ConfigError("picking goes by the places of the map; draw one first.")
    if not samples.count(app.store, project_id, selection):
        raise ConfigError("nothing is selected to pick from; widen the filter.")
    if config.selector == "top_diverse" and not config.score:
        raise ConfigError("top_diverse needs a score to go by; run a check first, or take entropy or tokens.")
    vectors = str(app.run_dir(map_run).path)
    run = app.create_run("pick", config.model_copy(update={"project_id": project_id, "vectors": vectors}))
    path = run.path / "input.parquet"
    worker_inputs.write_pool(app.store, project_id, selection, map_run, config.layer, config.score, path)
    return app.launch(run)


def chosen(config: PickConfig, run_id: str) -> Selection:
    """The picked rows as a part of the filter."""
    key = config.key(run_id)
    return HasVerdict(verdict_kind=key.kind, filter=key.filter, passed=True)
