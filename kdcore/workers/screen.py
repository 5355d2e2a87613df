"""Run filters over samples; journal one verdict for each filter and sample.

A row that carries a verdict of the same filter with the same settings is passed over, unless the filter looks at
the other rows too. A row without what a filter needs, such as a place on the map, gets no verdict from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from kdcore.configs.base import Config, load_config
from kdcore.configs.exploration import EmbedConfig, ScreenConfig
from kdcore.errors import ConfigError
from kdcore.explore.vector_file import VectorFile
from kdcore.filters import FILTERS
from kdcore.filters.base import Filter
from kdcore.filters.needs import AT_ONCE, Row
from kdcore.ids import stable_hash
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.records.journal import VerdictRecord
from kdcore.records.rows import VerdictKey
from kdcore.types import Verdict
from kdcore.workers.base import mounts_of, on_accelerator, run_worker
from kdcore.workers.embed import embed


def work(run: RunDir, reporter: Reporter) -> None:
    """Judge every row with every filter asked for."""
    config = run.load(ScreenConfig)
    rows = pq.read_table(run.path / "input.parquet").to_pylist()
    unknown = [name for name in config.filters if name not in FILTERS]
    if unknown:
        raise ConfigError(f'unknown filter "{unknown[0]}"; known: {", ".join(FILTERS)}.')
    if not rows:
        reporter.conclude("no row to check: only parsed rows that nobody rejected are, unless others are chosen")
    bench = Bench(mounts_of(run).cache, reporter)
    total = len(config.filters) * len(rows)
    heavy = any(need.accelerator for name in config.filters for need in FILTERS[name].needs)
    with on_accelerator(run, reporter) if heavy else nullcontext():
        for place, name in enumerate(config.filters):
            check, basis = FILTERS[name], basis_of(name, config.options.get(name, {}))
            settings = load_config(check.config, config.options.get(name, {}), run.mounts)
            having = rows
            for need in check.needs:
                having = need.load(having, settings, config.places.get(need.name, ""), bench)
            reporter.phase(f"checking: {check.summary.lower()}")
            done = place * len(rows)
            for part, verdicts in _judge(check, having, settings, basis, reporter, _ticker(reporter, done, total)):
                for row, verdict in zip(part, verdicts, strict=True):
                    reporter.append(_record(row["sample_id"], name, basis, verdict))
                done += len(part)
                reporter.progress(done, total, "checks")
            reporter.progress((place + 1) * len(rows), total, "checks")


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
    check: Filter[Any],
    rows: list[Row],
    settings: Config,
    basis: str,
    reporter: Reporter,
    tick: Callable[[int], None],
) -> Iterator[tuple[list[Row], list[Verdict]]]:
    if check.by_row:
        mark = f"{check.name}:{basis}"
        rows = [row for row in rows if mark not in (row.get("known") or ())]
    step = min((need.at_once for need in check.needs), default=AT_ONCE) if check.by_row else max(1, len(rows))
    for start in range(0, len(rows), step):
        reporter.check_stop()
        part = rows[start : start + step]
        yield part, check.verdicts(part, settings, tick)


@dataclass(frozen=True)
class Bench:
    """What this worker lends the needs of checks (``filters.needs.Bench``)."""

    cache: Path
    reporter: Reporter

    def embed(self, texts: Sequence[str], embedder: str) -> np.ndarray:
        """See ``filters.needs.Bench``; vectors are kept by content."""
        return embed(list(texts), EmbedConfig(model_path=embedder), self.cache, self.reporter)

    def vector_of(self, folder: str) -> Callable[[str], np.ndarray | None]:
        """See ``filters.needs.Bench``."""
        return VectorFile(Path(folder)).of

    def check_stop(self) -> None:
        """See ``filters.needs.Bench``."""
        self.reporter.check_stop()


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
