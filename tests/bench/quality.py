"""`make bench-quality`: every loss on stored top-k, same thinned student, samples and steps, three seeds.

KD_BENCH_LOSSES names the losses to compare, parted by commas; sequence_level_kd is plain SFT.

Uses the newest dataset version of the sample project in the workspace (`make demo` makes one).
"""

from __future__ import annotations

import os
import sys

import numpy as np

from kdcore.configs.distillation import DistillConfig, SliceConfig, StudentConfig
from kdcore.distill.losses import LOSSES
from kdcore.errors import ConfigError
from kdcore.services import datasets, distillation, projects
from kdcore.services.app import open_app
from tests.bench.report import line, show

SEEDS = (0, 1, 2)
SFT = "sequence_level_kd"
MEASURES = ("forward_kl", "reverse_kl", "sequence_level_kd", "top1", "top5")


def main() -> None:
    """Held-out KL at the end of each run."""
    app = open_app()
    try:
        known = [p for p in projects.list_projects(app) if p["name"] == projects.SAMPLE_PROJECT]
        versions = datasets.list_datasets(app, known[0]["project_id"]) if known else []
        if not versions:
            raise ConfigError("the workspace has no sample project with a dataset version; run make demo first.")
        project, version = known[0]["project_id"], versions[0]
        names = os.environ.get("KD_BENCH_LOSSES", ",".join(LOSSES)).split(",")
        ends: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for seed in SEEDS:
            for loss, values in ends.items():
                config = DistillConfig(
                    name=f"{loss} seed {seed}",
                    slices=(SliceConfig(dataset_id=version["dataset_id"], loss=loss),),  # pyright: ignore[reportArgumentType]
                    student=StudentConfig(keep_layers=10),
                    epochs=4.0,
                    batch_size=4,
                    seed=seed,
                )
                run = distillation.start_run(app, project, config)
                status = app.wait(run.run_id)
                assert status.state == "done", status.message
                held = [p for p in distillation.curves(app, [run.run_id]) if p["split"] == "heldout"]
                last = {p["name"]: p["value"] for p in held}
                values.append(last)
                print(f"{loss} seed {seed}: {last}", file=sys.stderr, flush=True)
        for name, values in ends.items():
            print(f"| `{name}` | " + " | ".join(_cell(values, m) for m in MEASURES) + " |", file=sys.stderr)
        if SFT in ends and "forward_kl" in ends:
            kd, sft = (float(np.mean([v["forward_kl"] for v in ends[k]])) for k in ("forward_kl", SFT))
            show([line("quality/heldout KL, KD against SFT", kd, sft, "nats a token", 1.0, lower_is_better=True)])
    finally:
        app.close()


def _cell(values: list[dict[str, float]], measure: str) -> str:
    """Mean and standard deviation over the seeds."""
    found = [value[measure] for value in values]
    return f"{np.mean(found):.3f} ± {np.std(found, ddof=1):.3f}"


if __name__ == "__main__":
    main()
