"""Where the teacher's top-k of an answer lies: with the run that wrote it, or with one that scored it later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from kdcore import ids
from kdcore.jobs import parquet, topk_files
from kdcore.jobs.parquet import strings
from kdcore.jobs.run_dir import RunDir
from kdcore.records.datasets import ChatRow, StoredTopK, TopKRow
from kdcore.records.runs import Run
from kdcore.records.samples import Sample
from kdcore.services.datasets.topk_fusion import Fusing, fuse
from kdcore.services.workspace import App
from kdcore.store import runs

COLUMNS = ["sample_id", "token_ids", "k", "topk_ids", "topk_logprobs", "tail_ids", "tail_logprobs"]
TEACHER_MODEL = "teacher_model"  # the model whose words they are


def text_key(messages: str, completion: str) -> str:
    """Names one chat with its answer: a score holds for that text alone."""
    return ids.stable_hash(messages, completion)


def model_of(run: Path) -> str:
    """The model whose words a run stored."""
    return RunDir(run).config()["teacher"]["model"]


def read_run(run: Path, samples: list[str]) -> dict[str, TopKRow]:
    """Rows of some samples in one run, with the model that said them; the first belongs to the text that is kept."""
    model = model_of(run)
    wanted = pa.array(samples, type=pa.string())
    found: dict[str, TopKRow] = {}
    for part in topk_files.parts(run):
        for some in parquet.batches(part, [name for name in COLUMNS if name in parquet.columns_of(part)]):
            keep: Any = pc.is_in(some["sample_id"], value_set=wanted)  # pyright: ignore[reportUnknownMemberType]
            for row in some.filter(keep).to_pylist():
                found.setdefault(row["sample_id"], cast("TopKRow", {**row, TEACHER_MODEL: model}))
    return found


Read = Callable[[Path, list[str]], dict[str, TopKRow]]  # of a run's folder and sample ids, as ``read_run``


def of_rows(
    app: App, rows: Sequence[ChatRow], alike: set[str], teachers: Fusing = "one", read: Read = read_run
) -> dict[str, TopKRow]:
    """Top-k by sample for rows as ``training_input.texts`` gives them, of the teachers in ``alike`` only.

    A row as its teacher wrote it has that teacher's own; any other the newest score of just its text. Where
    ``teachers`` is not "one", every teacher that read the text has its say (``topk_fusion.fuse``). Who asks batch by
    batch gives ``read`` a ``TopKSpool``.
    """
    if teachers != "one":
        each = [of_rows(app, rows, {name}, read=read) for name in sorted(alike)]
        first = of_rows(app, rows, alike, read=read)
        return {
            sample: fuse([row, *(said[sample] for said in each if sample in said and said[sample] != row)], teachers)
            for sample, row in first.items()
        }
    own = [row for row in rows if not row["edited"] and row["teacher"] in alike]
    found: dict[str, TopKRow] = {}
    for run_id in sorted({row["run_id"] for row in own if row["run_id"]}):
        found = read(app.folders.runs / run_id, [row["sample_id"] for row in own]) | found
    left = [row for row in rows if row["sample_id"] not in found]
    return found | _scores(app, left, alike, _scored(app), read)


def with_tail(app: App, rows: Sequence[ChatRow], alike: set[str], least: int = 1) -> dict[str, TopKRow]:
    """The rows for which a teacher drew ``least`` words of the tail or more, each with the newest such score.

    The row's own teacher comes first, another of ``alike`` only where that one drew none.
    """
    scored = [run for run in _scored(app) if run["config"].get("tail_words", 0) >= least]
    found: dict[str, TopKRow] = {}
    for writer in {row["teacher"] for row in rows} & alike:
        found |= _scores(app, [row for row in rows if row["teacher"] == writer], {writer}, scored)
    return found | _scores(app, [row for row in rows if row["sample_id"] not in found], alike, scored)


def _scores(
    app: App, rows: Sequence[ChatRow], alike: set[str], scored: Sequence[Run], read: Read = read_run
) -> dict[str, TopKRow]:
    """The newest score of just the text of each row."""
    found: dict[str, TopKRow] = {}
    wanted = {row["sample_id"]: text_key(row["messages"], row["completion"]) for row in rows}
    for run in scored:
        if wanted and run["config"]["teacher"]["model"] in alike:
            folder = app.folders.runs / run["run_id"]
            texts = parquet.read(folder / "input.parquet", ["sample_id", "text_key"])
            pairs = zip(strings(texts["sample_id"]), texts["text_key"].to_pylist(), strict=True)
            new = read(folder, [sample for sample, key in pairs if wanted.get(sample) == key])
            found |= new
            wanted = {sample: key for sample, key in wanted.items() if sample not in new}
    return found


def of_sample(app: App, sample: Sample) -> tuple[StoredTopK | None, RunDir]:
    """One sample's stored row with all its columns, None where nothing is stored, and the run that has it.

    What the own teacher said comes first, unless people mended the answer; a score counts for the text it was of.
    """
    wanted, here = [("sample_id", "=", sample["sample_id"])], app.run_dir(sample["run_id"])
    answer = sample.get("edited_answer") or sample["answer"]
    runs = [] if answer != sample["answer"] else [here]
    for scored in _scored(app, sample["project_id"]):
        run = app.run_dir(scored["run_id"])
        texts = parquet.read(run.path / "input.parquet", ["sample_id", "completion"], wanted)
        if any(answer in text for text in strings(texts["completion"])):
            runs.append(run)
    for run in runs:
        for part in topk_files.parts(run.path):
            table = parquet.read(part, filters=wanted)
            if table.num_rows:
                return cast("StoredTopK", table.slice(0, 1).to_pylist()[0]), run
    return None, here


def scorers(app: App) -> set[str]:
    """Every model that scored answers in this workspace."""
    return {run["config"]["teacher"]["model"] for run in _scored(app)}


def last_scorer(app: App, dataset_id: str) -> str | None:
    """The model that scored a version last."""
    found = (run["config"] for run in _scored(app))
    return next((config["teacher"]["model"] for config in found if config["dataset_id"] == dataset_id), None)


def _scored(app: App, project_id: str | None = None) -> list[Run]:
    """Runs that have scored answers, newest first; one that is being set up or came to nothing is none."""
    return [
        run
        for run in runs.list_runs(app.store, project_id, "score")
        if (app.folders.runs / run["run_id"] / "input.parquet").exists()
        and topk_files.parts(app.folders.runs / run["run_id"])
    ]
