"""Run filters over samples; journal one verdict for each filter and sample.

A row that carries a verdict of the same filter with the same settings is passed over, unless the filter looks at
the other rows too. A row without what a filter needs, such as a place on the map, gets no verdict from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from kdcore.configs.base import load_config
from kdcore.configs.exploration import EmbedConfig, ScreenConfig
from kdcore.errors import ConfigError
from kdcore.explore.vector_file import VectorFile
from kdcore.filters import FILTERS
from kdcore.filters.base import Filter
from kdcore.ids import stable_hash
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.records.journal import VerdictRecord
from kdcore.records.rows import VerdictKey
from kdcore.types import Verdict
from kdcore.workers.base import on_accelerator, run_worker
from kdcore.workers.embed import embed

AT_ONCE = 256  # rows between two looks at the stop button, for filters that read one row at a time


def work(run: RunDir, reporter: Reporter) -> None:
    """Judge every row with every filter asked for."""
    config = load_config(ScreenConfig, run.config())
    rows = pq.read_table(run.path / "input.parquet").to_pylist()
    unknown = [name for name in config.filters if name not in FILTERS]
    if unknown:
        raise ConfigError(f'unknown filter "{unknown[0]}"; known: {", ".join(FILTERS)}.')
    needs = {need for name in config.filters for need in FILTERS[name].needs}
    if "vector" in needs:
        _add_vectors(rows, config.vectors)
    total, done = len(config.filters) * len(rows), 0
    with on_accelerator(run, reporter) if needs & {"student", "nearest_item"} else nullcontext():
        for name in config.filters:
            if "nearest_item" in FILTERS[name].needs:
                options = config.options[name]
                _add_nearest(rows, options["against"], options.get("own", []), config, run, reporter)
            reporter.phase(f"checking: {FILTERS[name].summary.lower()}")
            tick = _ticker(reporter, done, total)
            for part, verdicts in _judge(FILTERS[name], rows, config.options.get(name, {}), reporter, tick):
                basis = basis_of(name, config.options.get(name, {}))
                for row, verdict in zip(part, verdicts, strict=True):
                    reporter.append(_record(row["sample_id"], name, basis, verdict))
                done += len(part)
                reporter.progress(done, total, "checks")
            done = (config.filters.index(name) + 1) * len(rows)
            reporter.progress(done, total, "checks")


def _ticker(reporter: Reporter, before: int, total: int) -> Callable[[int], None]:
    """How a check that looks at all rows at once says how far it is, and hears that it is to stop."""

    def tick(done: int) -> None:
        reporter.check_stop()
        reporter.progress(before + done, total, "checks")

    return tick


def basis_of(name: str, options: dict[str, Any]) -> str:
    """A short name of a filter's settings, to tell whether an earlier verdict still stands."""
    return stable_hash(FILTERS[name].config.model_validate(options).model_dump(mode="json"), length=8)


def _judge(
    check: Filter,
    rows: list[dict[str, Any]],
    options: dict[str, Any],
    reporter: Reporter,
    tick: Callable[[int], None],
) -> Iterator[tuple[list[dict[str, Any]], list[Verdict]]]:
    settings = load_config(check.config, options)
    if "vector" in check.needs:
        rows = [row for row in rows if row["vector"] is not None]
    if check.by_row:
        mark = f"{check.name}:{basis_of(check.name, options)}"
        rows = [row for row in rows if mark not in (row.get("known") or ())]
    step = AT_ONCE if check.by_row else max(1, len(rows))
    if "student" in check.needs:
        step = 8
    for start in range(0, len(rows), step):
        reporter.check_stop()
        part = rows[start : start + step]
        yield part, check.judge(part, settings, tick) if check.ticks else check.judge(part, settings)


def _add_vectors(rows: list[dict[str, Any]], folder: str) -> None:
    if not folder:
        raise ConfigError("a check that goes by meaning needs a map; draw one first.")
    file = VectorFile(Path(folder))
    for row in rows:
        row["vector"] = file.of(row["sample_id"])


def _add_nearest(
    rows: list[dict[str, Any]],
    items: list[str],
    own: list[str],
    config: ScreenConfig,
    run: RunDir,
    reporter: Reporter,
) -> None:
    """Each row's cosine to the nearest evaluation item, and its place; items with a row's own text are no find."""
    cache, embedder = run.path.parent.parent / "cache", EmbedConfig(model_path=config.embedder)
    asked = embed([row["question"] or "" for row in rows], embedder, cache, reporter)
    there = embed(items, embedder, cache, reporter)
    mine: dict[str, set[str]] = {}
    for sample, text in zip(own, items, strict=False):
        mine.setdefault(sample, set()).add(text)
    for start in range(0, len(rows), AT_ONCE):
        reporter.check_stop()
        alike = asked[start : start + AT_ONCE] @ there.T
        for row, cosines in zip(rows[start : start + AT_ONCE], alike, strict=True):
            if texts := mine.get(row["sample_id"]):
                cosines[[place for place, text in enumerate(items) if text in texts]] = -1.0
            best = int(cosines.argmax())
            row["nearest_item"] = float(cosines[best]), best


def _record(sample_id: str, name: str, basis: str, verdict: Verdict) -> VerdictRecord:
    return VerdictRecord.of(
        VerdictKey("check", name),
        sample_id,
        passed=verdict.passed,
        reason=verdict.reason,
        score=verdict.score,
        related=verdict.related,
        basis=basis,
    )


if __name__ == "__main__":
    run_worker(work)
