"""`make bench-imports`: a preview of a CSV of 200 MB, its import's reading, and a folder of 500 contracts.

Whole processes are timed, as a page starts them. The peer of the CSV is Python's own csv over the same text.
"""

from __future__ import annotations

import csv
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from kdcore.configs.uploads import SeedKind
from kdcore.services import projects
from kdcore.services.elicit import imports
from kdcore.services.workspace import App, open_app
from tests.bench.report import line, show

MEGABYTES, CONTRACTS = 200, 500
CLAUSE = "The Supplier shall keep the Confidential Information secret and shall not disclose it to any third party."


def table(path: Path) -> int:
    """A table of five columns, a third of its cells quoted; returns its rows."""
    chance = random.Random(0)
    words = [f"word{n}" for n in range(500)]
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "question", "topic", "source", "note"])
        while file.tell() < MEGABYTES * 2**20:
            for _ in range(2000):
                rows += 1
                text = " ".join(chance.choices(words, k=40))
                out.writerow([rows, f'May a tenant, "so called", {text}?', f"t{rows % 50}", text[:200], "a\nb"])
    return rows


def contracts(folder: Path) -> None:
    """Contracts of about 50 pages each with numbered clauses and page footers."""
    for number in range(CONTRACTS):
        pages = ["\n".join(f"{page}.{n} {CLAUSE} {number}" for n in range(1, 21)) for page in range(1, 26)]
        (folder / f"contract-{number}.txt").write_text(
            "\f".join(f"{page}\n\nPage {n}" for n, page in enumerate(pages))
        )


def timed(app: App, work: Callable[[], str]) -> float:
    """Seconds until a run that ``work`` starts has ended."""
    started = time.perf_counter()
    run_id = work()
    assert app.wait(run_id, timeout_s=900).state == "done"
    return time.perf_counter() - started


def main() -> None:
    """Preview and whole reading of the table, then the folder."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        rows = table(root / "big.csv")
        (root / "contracts").mkdir()
        contracts(root / "contracts")
        with closing(open_app(root / "ws")) as app:
            project = projects.create_project(app, "P")

            def read(files: list[tuple[Path, str]], kind: SeedKind, most: int = 0, *, store: bool = False) -> str:
                return imports.read_files(app, project, files, kind, most=most, store=store).run_id

            big = [(root / "big.csv", "big.csv")]
            preview = timed(app, lambda: read(big, "question", 5000))
            whole = timed(app, lambda: read(big, "question"))
            started = time.perf_counter()
            with (root / "big.csv").open(encoding="utf-8", newline="") as file:
                assert sum(1 for _ in csv.reader(file)) == rows + 1
            bare = time.perf_counter() - started
            folder = timed(app, lambda: read(imports.expand([root / "contracts"]), "document", store=True))
            passages = sum(row["rows"] for row in projects.seed_counts(app, project))
    show(
        [
            line(f"imports/preview of {MEGABYTES} MB", preview, None, "s", 3.0, lower_is_better=True),
            line(f"imports/{rows} rows read and told", whole, bare, "s", 0.05, lower_is_better=True),
            line(
                f"imports/{CONTRACTS} contracts, {passages} passages", folder, None, "s", 60.0, lower_is_better=True
            ),
        ]
    )


if __name__ == "__main__":
    main()
