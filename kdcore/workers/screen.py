"""Run filters over samples; journal one verdict for each filter and sample."""

from __future__ import annotations

import time

import pyarrow.parquet as pq

from kdcore.configs.base import load_config
from kdcore.configs.exploration import ScreenConfig
from kdcore.errors import ConfigError
from kdcore.filters import FILTERS
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.workers.main import run_worker


def work(run: RunDir, reporter: Reporter) -> None:
    """Judge every row with every filter asked for."""
    config = load_config(ScreenConfig, run.config())
    rows = pq.read_table(run.path / "input.parquet").to_pylist()
    for place, name in enumerate(config.filters):
        if name not in FILTERS:
            raise ConfigError(f'unknown filter "{name}"; known: {", ".join(FILTERS)}.')
        reporter.check_stop()
        reporter.phase(f"checking: {FILTERS[name].summary.lower()}")
        reporter.progress(place * len(rows), len(config.filters) * len(rows), "checks")
        options = load_config(FILTERS[name].config, config.options.get(name, {}))
        for row, verdict in zip(rows, FILTERS[name].judge(rows, options), strict=True):
            reporter.append(
                {
                    "kind": "verdict",
                    "sample_id": row["sample_id"],
                    "filter": name,
                    "passed": verdict.passed,
                    "reason": verdict.reason,
                    "score": verdict.score,
                    "time": time.time(),
                }
            )
    reporter.progress(len(config.filters) * len(rows), len(config.filters) * len(rows), "checks")


if __name__ == "__main__":
    run_worker(work)
