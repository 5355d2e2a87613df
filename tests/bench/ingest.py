"""`make bench-ingest`: a journal of a million answers brought into the database, as the app does it.

Builds the run folder itself. Memory is that of this process, which plays the app's part; KD_BENCH_ROWS makes a
smaller set.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.tail import encode_record
from kdcore.records.rows import SAMPLE, schema
from kdcore.records.status import Status
from kdcore.services.workspace import open_app
from kdcore.store import samples
from tests.bench.explore import sentences
from tests.bench.report import line, show

ROWS = int(os.environ.get("KD_BENCH_ROWS", "1000000"))
RUN, PROJECT = "generate-bench", "pj_bench"
CONFIG = {"project_id": PROJECT, "prompt_version_id": "pv_1", "teacher": {"model": "teacher"}}


def body(i: int, questions: list[str], answers: list[str]) -> dict[str, Any]:
    """One answer as the worker writes it; texts differ from row to row, as answers do."""
    question = f"{questions[i % len(questions)]} {i}?"
    answer = f"{answers[i * 7 % len(answers)]} {answers[i * 13 % len(answers)]} {i}."
    return {
        "kind": "sample",
        "sample_id": f"sm_{i:024x}",
        "request_id": f"rq_{i:024x}",
        "seed_id": f"sd_{i % 200_000:024x}",
        "n": 0,
        "status": "parsed" if i % 10 else "truncated",
        "reason": "",
        "question": question,
        "answer": answer,
        "rationale": "",
        "source": "",
        "topic": f"topic {i % 60}",
        "difficulty": ("basic", "advanced", "expert")[i % 3],
        "reader": ("lay", "expert")[i % 2],
        "group": "",
        "messages": [
            {"role": "system", "content": "Answer in one short sentence, for the reader that is named."},
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ],
        "completion": answer,
        "finish_reason": "stop",
        "prompt_tokens": 40,
        "completion_tokens": 90,
        "parent": "",
        "extra": {},
        "role": "answer",
        "signal": {"entropy": (i % 997) / 300, "captured_mass": 0.98, "mean_rank": 1.4},
        "time": 1_700_000_000.0 + i,
    }


def write_journal(run: RunDir) -> float:
    """The journal of one attempt; returns its size in bytes."""
    questions, answers = sentences(4000, 12, 1), sentences(4000, 35, 2)
    path = run.path / "journal-00001.jsonl"
    with path.open("wb") as file:
        for i in range(ROWS):
            file.write(encode_record(i + 1, 1, body(i, questions, answers)))
    return path.stat().st_size


def bare(path: Path, database: Path) -> float:
    """Seconds in which DuckDB alone reads the same lines with Python's json and inserts the same rows.

    No checksums, no look at rows that are there already, no order of records: only the rows, into the same table.
    """
    with duckdb.connect(str(database)) as connection:
        types = ", ".join(f"{name} {_TYPES[str(kind)]}" for name, kind in SAMPLE.items())
        connection.execute(f"CREATE TABLE samples ({types}, PRIMARY KEY (sample_id))")
        started = time.perf_counter()
        with path.open("rb") as lines:
            while part := [json.loads(line)["body"] for line in islice(lines, 10_000)]:
                rows = pa.Table.from_pylist([_row(each) for each in part], schema=schema(SAMPLE))
                connection.register("incoming", rows)
                connection.execute("INSERT INTO samples SELECT * FROM incoming")
        connection.execute("CHECKPOINT")
        return time.perf_counter() - started


_TYPES = {"string": "VARCHAR", "int32": "INTEGER", "double": "DOUBLE"}


def _row(record: dict[str, Any]) -> dict[str, Any]:
    """A record as a row of the table."""
    named = {name: record.get(name) for name in SAMPLE}
    fixed = {"run_id": RUN, "project_id": PROJECT, "prompt_version_id": "pv_1", "teacher": "teacher"}
    texts = {name: json.dumps(record[name], ensure_ascii=False) for name in ("messages", "extra")}
    return named | record["signal"] | fixed | texts | {"group_key": record["group"], "created": record["time"]}


def main() -> None:
    """Time the ticks of the app until every row is in."""
    with tempfile.TemporaryDirectory() as folder:
        app = open_app(Path(folder))
        run = RunDir.create(app.folders.runs, RUN, CONFIG)
        size = write_journal(run)
        run.write_status(Status("done", epoch=1), durable=True)
        started = time.perf_counter()
        app.tick()
        seconds = time.perf_counter() - started
        counted = sum(samples.status_counts(app.store, PROJECT).values())
        assert counted == ROWS, f"{counted} of {ROWS} rows came in"
        app.close()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # before the peer takes some
        alone = bare(run.path / "journal-00001.jsonl", Path(folder) / "bare.duckdb")
        stored = app.folders.database.stat().st_size
    print(f"a journal of {size / 1e9:.2f} GB, {ROWS / seconds:,.0f} rows/s", file=sys.stderr)
    figures = (("file", stored / 1e9, "GB", 1), ("memory of the app", memory, "GB", 2))
    against = line("ingest/against bare DuckDB and json", seconds, alone, "s", 0.333, lower_is_better=True)
    show(
        [
            against,
            *(line(f"ingest/{n}", ours, None, unit, bar, lower_is_better=True) for n, ours, unit, bar in figures),
        ]
    )


if __name__ == "__main__":
    main()
