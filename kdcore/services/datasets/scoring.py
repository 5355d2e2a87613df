"""Having a teacher score answers that lack its token probabilities: mended by people, or by another teacher."""

from __future__ import annotations

import pyarrow as pa

from kdcore.configs.base import load_config
from kdcore.configs.scoring import ScoreConfig
from kdcore.configs.teacher import TeacherConfig
from kdcore.errors import ConfigError
from kdcore.jobs import parquet
from kdcore.jobs.run_dir import RunDir
from kdcore.models import DEFAULT_TEACHER
from kdcore.records.datasets import ChatRow
from kdcore.records.runs import WatchedRun
from kdcore.services import governance, models
from kdcore.services.datasets import topk as stored_topk
from kdcore.services.datasets.chat_text import texts
from kdcore.services.datasets.tokenizers import same_tokens
from kdcore.services.workspace import App
from kdcore.store import dataset_rows, datasets, runs

MIN_LENGTH = 2048  # tokens of prompt and answer that a reader bears at least


def missing(app: App, dataset_id: str, teacher: str, *, second: bool = False, tail: int = 0) -> list[ChatRow]:
    """Rows of a version without stored top-k that a student of ``teacher`` could learn, with the text to learn.

    The top-k may be of another model with the same tokens, such as the smaller sibling that wrote the row; as a
    ``second`` teacher this model reads every row that it has not read itself. A row needs ``tail`` words
    drawn from the tail as well.
    """
    rows = texts(app, dataset_rows.rows_of(app.store, dataset_id))
    alike = same_tokens(app, teacher, {row["teacher"] for row in rows} | stored_topk.scorers(app))
    read_by = {teacher} if second else alike
    stored = stored_topk.with_tail(app, rows, read_by, tail) if tail else stored_topk.of_rows(app, rows, read_by)
    return [row for row in rows if row["sample_id"] not in stored]


def list_runs(app: App, dataset_id: str) -> list[WatchedRun]:
    """Runs that scored a version, with their status, newest first."""
    found = runs.list_runs(app.store, kind="score")
    return [
        {**run, "status": app.status(run["run_id"])} for run in found if run["config"]["dataset_id"] == dataset_id
    ]


def local_teacher_of(app: App, dataset_id: str) -> str:
    """Which model would score a version: the one that wrote most of it, if it is here; else the built-in one."""
    writer = datasets.main_teacher(app.store, dataset_id)
    return writer if writer and runs.ran_here(app.store, writer) else DEFAULT_TEACHER


def reader(app: App, dataset_id: str, engine: str, model: str) -> TeacherConfig:
    """A model of this machine that reads texts as long as the runs that wrote the version could."""
    written_by = {row["run_id"] for row in dataset_rows.rows_of(app.store, dataset_id)}
    longest = [
        run["config"]["teacher"]["max_model_len"]
        for run in runs.list_runs(app.store, kind="generate")
        if run["run_id"] in written_by
    ]
    return load_config(
        TeacherConfig, {"engine": engine, "model": model, "max_model_len": max([MIN_LENGTH, *longest])}
    )


def start(
    app: App,
    dataset_id: str,
    teacher: TeacherConfig,
    top_logprobs: int = 20,
    *,
    second: bool = False,
    tail_words: int = 0,
) -> RunDir:
    """Score what a version lacks, or as a ``second`` teacher what this one has not read.

    Raises ConfigError for an endpoint, for an engine that can't draw ``tail_words``, and where nothing is missing.
    """
    if tail_words and teacher.engine != "transformers":
        raise ConfigError(
            f"words of the tail can't be drawn by {teacher.engine}, which tells the likeliest only; "
            "choose the engine transformers."
        )
    if teacher.engine == "openai_http":
        raise ConfigError("an endpoint can't score answers that are there; choose a model on this machine.")
    version = datasets.get(app.store, dataset_id)
    if version is None:
        raise ConfigError(f'there is no dataset version "{dataset_id}" in this workspace.')
    governance.refuse_zone(app, version["project_id"], teacher)
    path, fingerprint = models.resolve_teacher(app, teacher)
    config = load_config(
        ScoreConfig,
        {
            "project_id": version["project_id"],
            "dataset_id": dataset_id,
            "teacher": teacher,
            "teacher_path": path,
            "teacher_fingerprint": fingerprint,
            "top_logprobs": top_logprobs,
            "tail_words": tail_words,
        },
    )
    rows = missing(app, dataset_id, teacher.model, second=second, tail=tail_words)
    if not rows:
        raise ConfigError(
            "every row of this version has token probabilities"
            + (f" and {tail_words} words of the tail" if tail_words else "")
            + f", of {teacher.model} or a model with the same tokens."
        )
    run = app.create_run("score", config)
    table = pa.Table.from_pydict(
        {
            "sample_id": [row["sample_id"] for row in rows],
            "messages": [row["messages"] for row in rows],
            "completion": [row["completion"] for row in rows],
            "text_key": [stored_topk.text_key(row["messages"], row["completion"]) for row in rows],
        }
    )
    parquet.write(table, run.path / "input.parquet")
    return app.launch(run)
