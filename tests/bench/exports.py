"""`make bench-exports`: a version of 250,000 rows in each format, rows a second and memory.

Each export runs in a process of its own that opens a finished workspace. Memory is the most that the process grew by
while it wrote. The peer reads all rows into a list and writes them by Python's own json.
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

from kdcore.exporters import EXPORTERS
from kdcore.records.rows import SAMPLE
from kdcore.services.export import datasets as dataset_export
from kdcore.services.workspace import App, open_app
from kdcore.store import dataset_rows
from tests.bench.report import line, show

ROWS = 250_000
PEER = "a list and json"
MEGABYTE = 2**20
BUILD = """
INSERT INTO samples ({names})
SELECT 's' || md5(i::VARCHAR), 'r' || i, 'generate-1', 'pj', 'pv', 'seed' || i, 0, 'parsed', '',
  'Question ' || i || repeat(' of some words', 8), 'Answer ' || i || repeat(' of a few more words', 20), 'Because.',
  '', 'topic ' || (i % 60), 'basic', 'lay', 'g' || i,
  '[{{"role": "user", "content": "Question ' || i || repeat(' of some words', 8) || '"}}]',
  'Answer ' || i || repeat(' of a few more words', 20), 'stop', 40, 80, 'teacher', 1.0, 0.98, i * 1.0, '', '{{}}', '',
  1.5, 'answer'
FROM range({rows}) t(i)
"""


def build(root: Path, rows: int) -> None:
    """A workspace with one version, a tenth of it held out."""
    with closing(open_app(root)) as app, app.store.transaction() as tx:
        tx.execute(BUILD.format(names=", ".join(SAMPLE), rows=rows))
        tx.execute(
            "INSERT INTO datasets (dataset_id, project_id, name, version, selection, config, sha256, row_count, "
            f"created) VALUES ('ds', 'pj', 'Bench', 1, '', '{{}}', 'x', {rows}, 1.0)"
        )
        tx.execute(
            "INSERT INTO dataset_rows SELECT 'ds', sample_id, CASE WHEN hash(sample_id) % 10 = 0 THEN 'heldout' "
            "ELSE 'train' END, question, answer, rationale, false FROM samples"
        )


def export(root: Path, form: str, pipe: multiprocessing.connection.Connection) -> None:
    """Send the rows a second and the growth in MB of one export."""
    with closing(open_app(root)) as app, tempfile.TemporaryDirectory() as out:
        process, ended = psutil.Process(), threading.Event()
        start = process.memory_info().rss
        most = [start]

        def watch() -> None:
            while not ended.wait(0.01):
                most[0] = max(most[0], process.memory_info().rss)

        watcher = threading.Thread(target=watch)
        watcher.start()
        began = time.perf_counter()
        if form == PEER:
            plain(app, Path(out) / "rows.jsonl")
        else:
            assert dataset_export.write(app, "ds", form, Path(out) / "out").rows == ROWS
        seconds = time.perf_counter() - began
        ended.set()
        watcher.join()
        pipe.send((ROWS / seconds, (most[0] - start) / MEGABYTE))


def plain(app: App, path: Path) -> None:
    """What needs no thought: everything into a list, then into a file."""
    rows = dataset_rows.rows_of(app.store, "ds")
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def measured(root: Path, form: str) -> tuple[float, float]:
    """Rows a second and MB of one export in a fresh process."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=export, args=(root, form, send))
    child.start()
    found: tuple[float, float] = receive.recv()
    child.join()
    return found


def main() -> None:
    """Every format that a version of plain answers has."""
    lines: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "ws"
        build(root, ROWS)
        plain_speed, plain_memory = measured(root, PEER)
        for form, exporter in EXPORTERS.items():
            if exporter.tokens or form in ("preference", "ranked"):
                continue
            speed, memory = measured(root, form)
            lines += [
                line(f"exports/{form}: speed", speed, plain_speed, "rows/s", 0.1),
                line(f"exports/{form}: memory", memory, plain_memory, "MB", 4, lower_is_better=True),
            ]
    show(lines)


if __name__ == "__main__":
    main()
