"""`make bench-quality`: top-k KD against plain SFT, same thinned student, samples and steps, three seeds.

Uses the newest dataset version of the sample project in the workspace (`make demo` makes one).
"""

from __future__ import annotations

import sys

import numpy as np

from kdcore.configs.distillation import DistillConfig, SliceConfig, StudentConfig
from kdcore.errors import ConfigError
from kdcore.services import datasets, distillation, projects
from kdcore.services.app import open_app
from tests.bench.report import line, show

SEEDS = (0, 1, 2)


def main() -> None:
    """Held-out KL at the end of each run."""
    app = open_app()
    try:
        known = [p for p in projects.list_projects(app) if p["name"] == projects.SAMPLE_PROJECT]
        versions = datasets.list_datasets(app, known[0]["project_id"]) if known else []
        if not versions:
            raise ConfigError("the workspace has no sample project with a dataset version; run make demo first.")
        project, version = known[0]["project_id"], versions[0]
        ends: dict[str, list[float]] = {"forward_kl": [], "sequence_level_kd": []}
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
                values.append(last["forward_kl"])
                print(f"{loss} seed {seed}: {last}", file=sys.stderr, flush=True)
        print(
            {k: (round(float(np.mean(v)), 3), round(float(np.std(v, ddof=1)), 3)) for k, v in ends.items()},
            file=sys.stderr,
        )
        kd, sft = (float(np.mean(ends[k])) for k in ("forward_kl", "sequence_level_kd"))
        show([line("quality/heldout KL, KD against SFT", kd, sft, "nats a token", 1.0, lower_is_better=True)])
    finally:
        app.close()


if __name__ == "__main__":
    main()
