"""`make bench-quality`: every loss on the built-in pair, same samples and tokens, three seeds, and what it costs.

The bench makes its own project where the workspace has none: the 120 questions of the sample, four answers each,
written by the built-in teacher on vLLM and frozen with a fifth of the topics held out. Each arm then trains the
thinned teacher (30 → 10 layers) as one sweep. ``docs/results.md`` gets the table.

KD_BENCH_LOSSES names the losses, parted by commas; KD_BENCH_ROWS the budgets (training rows, 0 is all);
KD_BENCH_SEEDS the seeds; KD_BENCH_EPOCHS the passes; KD_BENCH_LAYERS the layers kept; KD_BENCH_SHOWN the held-out
questions that are answered. KD_BENCH_LIVE names seeds of arms with the live teacher that
train the first run's student further, on the teacher's answers and on its own.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from kdcore.configs.distillation import DistillConfig, SliceConfig, StudentConfig
from kdcore.configs.selection import All, HasVerdict, Not
from kdcore.configs.teacher import SamplingConfig
from kdcore.distill.losses import LOSSES
from kdcore.filters import USUAL
from kdcore.resources import SEEDS
from kdcore.services import main_job, models, projects
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.distill import sweeps
from kdcore.services.elicit import imports
from kdcore.services.explore import samples as explore_samples
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import App, open_app
from tests.bench.report import line, show

PROJECT = "Quality benchmark"
ANSWERS = 4
SFT = "sequence_level_kd"
MEASURES = ("forward_kl", "reverse_kl", "sequence_level_kd", "top1", "top5", "rouge_l")


def _listed(name: str, default: str) -> list[str]:
    return [part for part in os.environ.get(name, default).split(",") if part]


def version_of(app: App) -> tuple[str, str]:
    """Project and dataset version, made once."""
    known = next((p["project_id"] for p in projects.list_projects(app) if p["name"] == PROJECT), None)
    project = known or projects.create_project(app, PROJECT)
    found = dataset_versions.list_datasets(app, project)
    if found:
        return project, found[0]["dataset_id"]
    for file, kind in main_job.SEED_FILES[:2]:
        path = SEEDS / f"{file}.jsonl"
        mapping = {"text": "question", "topic": "topic", "group": "topic"}
        app.wait(imports.read_file(app, project, path, path.name, kind, mapping).run_id)
    prompt = projects.save_prompt_version(app, project, "Short answers", main_job.SAMPLE_TEMPLATE, "")
    sampling = SamplingConfig(max_tokens=192, temperature=0.7, n=ANSWERS)
    run = generation_runs.start_run(app, project, prompt, models.default_teacher(), sampling, rows=120)
    assert app.wait(run.run_id).state == "done", run.status().message
    screen = explore_samples.start_screen(app, project, list(USUAL))
    assert app.wait(screen.run_id).state == "done", screen.status().message
    passed = All(parts=tuple(Not(part=HasVerdict(filter=name, passed=False)) for name in USUAL))
    return project, dataset_versions.freeze(app, project, "Four answers each", passed, heldout_share=0.2)[
        "dataset_id"
    ]


def recipe(dataset_id: str, **changes: Any) -> DistillConfig:
    """The common part of all arms."""
    part = changes.pop("part", {})
    return DistillConfig(
        slices=(SliceConfig(dataset_id=dataset_id, **part),),
        student=changes.pop("student", StudentConfig(keep_layers=int(os.environ.get("KD_BENCH_LAYERS", "10")))),
        epochs=changes.pop("epochs", float(os.environ.get("KD_BENCH_EPOCHS", "2"))),
        batch_size=8,
        shown_answers=int(os.environ.get("KD_BENCH_SHOWN", "24")),
        shown_tokens=48,
        eval_every=10**6,
        save_every=10**6,
        **changes,
    )


def main() -> None:
    """Train every arm, then print the table and the line."""
    app = open_app()
    try:
        project, dataset = version_of(app)
        seeds = [int(seed) for seed in _listed("KD_BENCH_SEEDS", "0,1,2")]
        rows = [int(count) for count in _listed("KD_BENCH_ROWS", "0")]
        token_losses = [name for name, loss in LOSSES.items() if loss.kind != "ranking"]
        losses = _listed("KD_BENCH_LOSSES", ",".join(token_losses))
        started = time.perf_counter()
        runs = sweeps.start(app, project, recipe(dataset), losses, rows, seeds)
        sweeps.wait(app, runs)
        again = [int(seed) for seed in _listed("KD_BENCH_LIVE", "")]
        for share in (0.0, 1.0) if again else ():
            further = {"student": StudentConfig(init="model", model=runs[0]), "epochs": 1.0, "learning_rate": 1e-4}
            live = {"loss": "reverse_kl", "targets": "live"}
            runs += sweeps.start(app, project, recipe(dataset, part=live, on_policy=share, **further), seeds=again)
        sweeps.wait(app, runs)
        failed = [run for run in runs if app.status(run).state != "done"]
        assert not failed, f"{failed}: {app.status(failed[0]).message}"
        found = sweeps.results(app, runs)
        print(json.dumps({"minutes": round((time.perf_counter() - started) / 60, 1), "runs": runs}), file=sys.stderr)
        print(markdown(found), file=sys.stderr)
        out = os.environ.get("KD_BENCH_OUT")
        if out:
            Path(out).write_text(markdown(found), encoding="utf-8")
        named = {row["arm"]: row["measures"]["forward_kl"] for row in found}
        sft, kd = named.get(SFT.replace("_", " ")), named.get("forward kl")
        if sft and kd:
            name = "quality/heldout KL, KD against SFT"
            show([line(name, kd["mean"], sft["mean"], "nats a token", 1.0, lower_is_better=True)])
    finally:
        app.close()


def markdown(found: list[dict[str, Any]]) -> str:
    """Arms down, measures across: the mean over seeds and its 95 % t interval."""
    head = "| arm | rows | " + " | ".join(f"`{name}`" for name in MEASURES) + " |"
    lines = [head, "| --- " * (2 + len(MEASURES)) + "|"]
    for row in found:
        cells = [_cell(row["measures"].get(name)) for name in MEASURES]
        lines.append(f"| {row['arm']} | {row['rows'] or 'all'} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: dict[str, float] | None) -> str:
    if value is None:
        return ""
    half = value["high"] - value["mean"]
    return f"{value['mean']:.3f}" + (f" ± {half:.3f}" if value["n"] > 1 else "")


if __name__ == "__main__":
    main()
