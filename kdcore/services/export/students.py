"""Taking a student away: its card, its folder, and one file for llama.cpp."""

from __future__ import annotations

import shutil
import time
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict, cast

from kdcore.configs.distillation import DistillConfig, ExportStudentConfig, SliceConfig
from kdcore.errors import ConfigError
from kdcore.governance.cards import CardFacts, Taught, entries_of, lawful_name, model_card
from kdcore.jobs import parquet
from kdcore.jobs.run_dir import RunDir, write_atomic
from kdcore.records.runs import WatchedRun
from kdcore.services.distill import runs as training_runs
from kdcore.services.evaluate import comparison
from kdcore.services.workspace import App
from kdcore.store import datasets, runs

CARD = "README.md"
FORMATS = {
    "safetensors": "A folder that transformers and vLLM load",
    "gguf": "One file for llama.cpp and what is built on it",
}


def facts(app: App, run_id: str) -> CardFacts:
    """What is known of a student; raises ConfigError while a run has none."""
    folder = training_runs.model_folder(app, run_id)
    if folder is None:
        raise ConfigError(f"run {run_id} has no student yet; wait until it ends, or stop and keep it.")
    run = app.run_dir(run_id)
    config = run.load(DistillConfig)
    learnt = _learnt(run)
    trained = sorted({row["sample_id"] for row in learnt if row["split"] == "train"})
    student = config.student
    thinned = student.init == "teacher_layers"
    return CardFacts(
        name=config.name or "Student",
        run_id=run_id,
        base=training_runs.taught_by(app, config) if thinned else student.model,
        layers=f"{student.keep_layers} evenly kept layers" if thinned else "the weights",
        created=time.strftime("%Y-%m-%d", time.gmtime((folder / "config.json").stat().st_mtime)),
        task="text-generation" if folder.name == "student" else "text-classification",
        data=[_data(app, part, [row for row in learnt if row["slice"] == n]) for n, part in enumerate(config.slices)],
        sources=datasets.provenance(app.store, trained),
        decisions=datasets.decided(app.store, trained),
        training=_training(config),
        heldout=_heldout(app, run_id),
        compared=_compared(app, config.project_id, run_id),
    )


class LearntRow(TypedDict):
    """What a card needs of a row that was given to a training."""

    sample_id: str
    slice: int
    split: str
    rejected_answers: list[str] | None
    undesirable: bool


def _learnt(run: RunDir) -> list[LearntRow]:
    """The rows as they were written for the worker; early runs have no rejected or undesirable answers."""
    found = parquet.training_rows(run.path / "input.parquet", wanted=list(LearntRow.__annotations__))
    return [cast("LearntRow", {"rejected_answers": None, "undesirable": False, **row}) for row in found]


def _data(app: App, part: SliceConfig, rows: Sequence[LearntRow]) -> Taught:
    """What one slice really taught: its rows as they were written for the worker."""
    version = datasets.get(app.store, part.dataset_id)
    pairs = part.traits.ranks or part.traits.kind == "reward"
    alone = not pairs or (part.traits.unary and any(row["undesirable"] for row in rows))
    train = [row for row in rows if row["split"] == "train" and (row["rejected_answers"] or alone)]
    return {
        "name": version["name"] if version else part.dataset_id,
        "version": str(version["version"]) if version else "?",
        "sha256": version["sha256"] if version else "",
        "train": len(train),
        "heldout": sum(row["split"] == "heldout" for row in rows),
        "loss": part.loss.replace("_", " "),
        "weight": f"{part.weight:g}",
    }


def _training(config: DistillConfig) -> dict[str, Any]:
    names = ("prompt", "epochs", "max_steps", "batch_size", "learning_rate", "max_length", "on_policy", "seed")
    values = {name: getattr(config, name) for name in names if getattr(config, name) or name == "seed"}
    return {"losses": config.arm, **values, "adapter": config.student.adapter}


def _heldout(app: App, run_id: str) -> dict[str, tuple[float, float]]:
    series: dict[str, list[float]] = {}
    for point in training_runs.curves(app, [run_id]):
        if point["split"] == "heldout":
            series.setdefault(point["name"], []).append(point["value"])
    return {name: (values[0], values[-1]) for name, values in series.items()}


def _compared(app: App, project_id: str, run_id: str) -> dict[str, dict[str, dict[str, float]]]:
    found = [r for r in runs.list_runs(app.store, project_id, "evaluate") if r["config"]["train_run_id"] == run_id]
    return comparison.summary(app, found[0]["run_id"]) if found else {}


def card(app: App, run_id: str) -> str:
    """The model card of a run's student, in Markdown."""
    return model_card(facts(app, run_id))


def start_export(app: App, run_id: str, form: str) -> RunDir:
    """Make a copy to take away, with its card; raises ConfigError for an unknown format."""
    if form not in FORMATS:
        raise ConfigError(f'unknown format "{form}"; known: {", ".join(FORMATS)}.')
    found, folder = facts(app, run_id), training_runs.model_folder(app, run_id)
    if form == "gguf" and found.task != "text-generation":
        raise ConfigError("gguf is for students that write; take this model as safetensors.")
    entries = entries_of(found.sources)
    config = ExportStudentConfig(
        project_id=app.run_dir(run_id).config().get("project_id", ""),
        train_run_id=run_id,
        student_path=str(folder),
        name=lawful_name(found.name, entries),
        description=f"Student of {found.base}, training run {run_id}",
        licence=entries[0].terms if len(entries) == 1 else "",
        form=form,  # pyright: ignore[reportArgumentType]
    )
    run = app.create_run("export", config)
    write_atomic(run.path / CARD, model_card(found).encode())
    return app.launch(run)


def exports(app: App, run_id: str) -> list[WatchedRun]:
    """Copies of a run's student, newest first, with their status."""
    project = app.run_dir(run_id).config().get("project_id", "")
    found = runs.list_runs(app.store, project, "export")
    return [{**r, "status": app.status(r["run_id"])} for r in found if r["config"]["train_run_id"] == run_id]


def folder_of(app: App, export_id: str) -> Path:
    """Where a finished copy lies."""
    return app.run_dir(export_id).path / "copy"


def archive(app: App, export_id: str) -> Path:
    """One file to download: the GGUF itself would lose its card, so both are a zip without compression."""
    folder = folder_of(app, export_id)
    target = app.folders.exports / f"{export_id}.zip"
    if not target.exists():
        scratch = target.with_suffix(f".{uuid.uuid4().hex[:8]}.tmp")  # two sessions may ask at once
        with zipfile.ZipFile(scratch, "w", zipfile.ZIP_STORED) as file:
            for path in sorted(folder.iterdir()):
                file.write(path, path.name)
        scratch.replace(target)
    return target


def copy_to(app: App, export_id: str, target: Path) -> list[Path]:
    """Copy a finished export to a new or empty folder; returns the files."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} is there already; give a new or an empty folder.")
    shutil.copytree(folder_of(app, export_id), target, dirs_exist_ok=True)
    return sorted(target.iterdir())
