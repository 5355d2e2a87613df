"""Maps and checks of any JSONL file, without a workspace: the same workers over a run folder that is thrown away."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from kdcore.configs.base import Config
from kdcore.configs.exploration import EmbedConfig, ScreenConfig
from kdcore.errors import ConfigError, DataError, JobError
from kdcore.filters import FILTERS
from kdcore.filters.needs import IN_A_FILE
from kdcore.jobs import parquet
from kdcore.jobs.backends.local import LocalBackend
from kdcore.jobs.observer import Observer
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.tail import records_of
from kdcore.models import resolve
from kdcore.records.journal import VerdictRecord
from kdcore.records.status import Status
from kdcore.services import jsonl
from kdcore.services.explore import samples as explore_samples
from kdcore.settings import Workspace
from kdcore.types import TERMINAL_STATES

ID_FIELDS = ("id", "sample_id")
QUESTION_FIELDS = ("question", "prompt", "instruction", "input")
ANSWER_FIELDS = ("answer", "response", "output", "completion", "text")
GOLD_FIELDS = ("gold", "reference", "label")
Watch = Callable[[Status], None]


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSONL file. Raises DataError naming the line that is no JSON object."""
    if not path.is_file():
        raise DataError(f"there is no file {path}; give the path of a JSONL file.")
    try:
        with path.open(encoding="utf-8-sig") as file:
            return jsonl.parse(file, path.name)
    except UnicodeDecodeError as exc:
        raise DataError(
            f"{path.name} is not UTF-8 text ({exc.reason} at byte {exc.start}); convert it first."
        ) from exc


def embed_file(
    path: Path, text_field: str, out: Path, config: EmbedConfig, models: Path, watch: Watch
) -> dict[str, Any]:
    """Write ``out`` (Parquet: id, vector, x, y, cluster, title), one row for each line of the file, in its order."""
    rows = read_jsonl(path)
    texts = [_text(row, text_field, number) for number, row in enumerate(rows, 1)]
    local = resolve(config.model, models)
    config = config.model_copy(update={"model_path": str(local or "")})
    table = pa.Table.from_pydict({"sample_id": [str(i) for i in range(len(rows))], "text": texts})
    with _throwaway("embed", config, table) as run:
        progress = _finish(run, watch).progress
        vectors = parquet.read(run.path / "vectors.parquet")
        places = parquet.read(run.path / "placements.parquet")
        groups = json.loads((run.path / "clusters.json").read_bytes())
    names = {group["cluster"]: group["title"] for group in groups}
    columns: dict[str, Any] = {"id": _ids(rows), "vector": vectors["vector"]}
    columns |= {name: places[name] for name in ("x", "y", "cluster")}
    columns["title"] = [names[key] for key in places["cluster"].to_pylist()]
    _replace(out, pa.Table.from_pydict(columns))
    return {"rows": len(rows), "dim": progress.get("dim"), "clusters": groups, "out": str(out)}


def screen_file(path: Path, filters: list[str], text_field: str | None, out: Path, watch: Watch) -> dict[str, Any]:
    """Write ``out`` (JSONL): each row of the file with ``passed`` and ``verdicts``. Raises ConfigError, DataError."""
    explore_samples.refuse_unknown(filters)
    for name in filters:
        if lacking := [need.name for need in FILTERS[name].needs if need not in IN_A_FILE]:
            raise ConfigError(f'the filter "{name}" needs {lacking[0]}, which a file has not; run it in a workspace.')
    rows = read_jsonl(path)
    pairs = [_pair(row, text_field, number) for number, row in enumerate(rows, 1)]
    names = _unique(_ids(rows))
    table = pa.Table.from_pydict(
        {
            "sample_id": names,
            "question": [question for question, _ in pairs],
            "answer": [answer for _, answer in pairs],
            "gold": [_gold(row) for row in rows],
            "seed_id": [
                asked or name for name, (asked, _) in zip(names, pairs, strict=True)
            ],  # siblings: same question
        }
    )
    verdicts: dict[str, dict[str, Any]] = {name: {} for name in names}
    with _throwaway("screen", ScreenConfig(filters=tuple(filters)), table) as run:
        _finish(run, watch)
        for said in records_of(run, VerdictRecord):
            verdicts[said.sample_id][said.filter] = {
                "passed": said.passed,
                "reason": said.reason,
                "score": said.score,
            }
    failed = {name: sum(not row[name]["passed"] for row in verdicts.values()) for name in filters}
    kept = [all(found["passed"] for found in row.values()) for row in verdicts.values()]
    scratch = out.with_name(f".{out.name}.tmp")
    with scratch.open("w", encoding="utf-8") as file:
        for row, passed, found in zip(rows, kept, verdicts.values(), strict=True):
            file.write(_line({**row, "passed": passed, "verdicts": found}))
    scratch.replace(out)
    return {"rows": len(rows), "passed": sum(kept), "failed": failed, "out": str(out)}


def _line(row: dict[str, Any]) -> str:
    """A row as one line; half a character, which JSON can hold and UTF-8 can't, stays as it was escaped."""
    text = json.dumps(row, ensure_ascii=False)
    whole = text.encode("utf-8", "replace").decode() == text
    return (text if whole else json.dumps(row)) + "\n"


def _ids(rows: list[dict[str, Any]]) -> list[str]:
    """The file's own ids; the number of the row where it has none."""
    return [str(next((row[f] for f in ID_FIELDS if row.get(f) is not None), i)) for i, row in enumerate(rows)]


def _unique(ids: list[str]) -> list[str]:
    """Names that tell every row apart: an id that stands twice gets its place as well."""
    counts = Counter(ids)
    return [key if counts[key] == 1 else f"{key} (row {number})" for number, key in enumerate(ids, 1)]


def _text(row: dict[str, Any], field: str, number: int) -> str:
    if field not in row:
        raise DataError(f'row {number} has no field "{field}"; it has {", ".join(map(str, row)) or "none"}.')
    value = row[field]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()  # half characters would stop the worker


def _gold(row: dict[str, Any]) -> str:
    """The gold answer that a row brings, if any."""
    field = next((name for name in GOLD_FIELDS if row.get(name) is not None), None)
    return "" if field is None else _text(row, field, 0)


def _pair(row: dict[str, Any], text_field: str | None, number: int) -> tuple[str, str]:
    """Question and answer of a row: a chat's last turns, or fields of the usual names."""
    chat = row.get("messages")
    if text_field is None and isinstance(chat, list) and chat:
        turns = [cast("dict[str, Any]", turn) for turn in cast("list[Any]", chat) if isinstance(turn, dict)]
        last = {str(turn.get("role")): turn.get("content") or "" for turn in turns}
        return _text({"user": "", **last}, "user", number), _text({"assistant": "", **last}, "assistant", number)
    answer_field = text_field or next((name for name in ANSWER_FIELDS if name in row), None)
    if answer_field is None:
        raise DataError(
            f"row {number} has none of the fields {', '.join(ANSWER_FIELDS)} or messages; "
            "say which one holds the text with --text-field."
        )
    asked = next((name for name in QUESTION_FIELDS if name in row and name != answer_field), None)
    return _text(row, asked, number) if asked else "", _text(row, answer_field, number)


BACKEND = LocalBackend()


@contextmanager
def _throwaway(kind: str, config: Config, table: pa.Table) -> Generator[RunDir]:
    folder = Path(tempfile.mkdtemp(prefix="kd-"))
    mounts = Workspace(root=folder).mounts  # nothing of it stays, and no workspace's accelerator is taken
    run = RunDir.create(folder / "runs", f"{kind}-file", config.model_dump(mode="json"), mounts)
    try:
        parquet.write(table, run.path / "input.parquet")
        BACKEND.start(run)
        yield run
    finally:
        BACKEND.clear(run.status())
        shutil.rmtree(folder, ignore_errors=True)


def _finish(run: RunDir, watch: Watch) -> Status:
    observer = Observer(BACKEND)
    while (status := observer.look(run)).state not in TERMINAL_STATES:
        watch(status)
        time.sleep(0.1)
    if status.state != "done":
        raise JobError(status.message or f"the worker {status.state}; its log is above.")
    return status


def _replace(out: Path, table: pa.Table) -> None:
    """Write a Parquet file that has its name only once it is whole."""
    if not out.parent.is_dir():
        raise ConfigError(f"there is no folder {out.parent}; make it first.")
    parquet.write(table, out)
