"""`make bench-explore`: what a page of Explore asks of the store, and its map redrawn in Chromium.

A million samples, which it builds itself. Peak memory is that of this process, which plays the app's part;
KD_BENCH_ROWS makes a smaller set.
"""

from __future__ import annotations

import os
import pickle
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kdcore.configs.selection import (
    EVERYTHING,
    All,
    ColumnIs,
    InClusters,
    InLasso,
    Not,
    ReviewIs,
    Selection,
)
from kdcore.explore.vector_file import VectorFile
from kdcore.jobs.run_dir import RunDir
from kdcore.records.rows import SAMPLE
from kdcore.records.status import Status
from kdcore.services.explore import maps
from kdcore.services.explore import samples as explore_samples
from kdcore.services.workspace import App, open_app
from kdcore.store.engine.db import Store
from kdcore.ui.explore import map_chart
from kdcore.workers.embed import vector_table
from tests.bench.report import line, show
from tests.e2e.browser import APP, browser_page, server, settled

ROWS = int(os.environ.get("KD_BENCH_ROWS", "1000000"))
PROJECT, MAP = "pj_bench", "embed-bench"
WORDS = [
    "the",
    "patient",
    "court",
    "contract",
    "dose",
    "risk",
    "may",
    "law",
    "heart",
    "lease",
    "rule",
    "when",
    "doctor",
    "tenant",
    "fever",
    "claim",
    "treat",
    "pain",
    "judge",
    "drug",
    "should",
    "notice",
    "under",
    "care",
    "right",
    "kidney",
    "duty",
    "before",
    "sign",
    "test",
    "after",
    "must",
    "evidence",
    "blood",
    "appeal",
    "help",
]
BUILD = """
INSERT INTO samples ({names})
SELECT 's' || i, 'r' || i, 'generate-' || (i % 7), 'pj_bench', 'pv_' || (i % 5), 'seed' || (i % 200000), 0,
  CASE WHEN i % 10 < 8 THEN 'parsed' WHEN i % 10 = 8 THEN 'truncated' ELSE 'refused' END, '',
  list_extract(q, 1 + (hash(i) % 4000)::INT), list_extract(a, 1 + (hash(i + 1) % 4000)::INT)
  || ' ' || list_extract(a, 1 + (hash(i + 2) % 4000)::INT) || ' #' || i, '', '', 'topic ' || (hash(i + 3) % 60),
  list_extract(['basic', 'advanced', 'expert'], 1 + (i % 3)::INT),
  list_extract(['lay', 'expert'], 1 + (i % 2)::INT), 'g' || (i % 200000),
  '[]', '', 'stop', 40, (20 + hash(i + 4) % 300)::INT, 'teacher-' || (i % 3), (hash(i + 5) % 1000) / 300.0, 0.98,
  i * 1.0, '', '{{}}', '', 1.5, 'answer'
FROM range({rows}) t(i), (SELECT ? AS q, ? AS a)
"""


def sentences(count: int, length: int, seed: int) -> list[str]:
    """Texts of the length that answers have."""
    chance = np.random.default_rng(seed)
    return [" ".join(chance.choice(WORDS, length)) for _ in range(count)]


def build(app: App) -> float:
    """A million samples with a map, groups, verdicts and some decisions; returns the seconds it took."""
    started = time.perf_counter()
    run = RunDir.create(app.folders.runs, MAP, {"project_id": PROJECT, "text": "question_answer"})
    run.write_status(Status("done", epoch=1), durable=True)
    chance = np.random.default_rng(0)
    centres = chance.uniform(-0.9, 0.9, (80, 2))
    labels = chance.integers(0, 80, ROWS).astype(np.int32)
    flat = (centres[labels] + chance.normal(0, 0.05, (ROWS, 2))).astype(np.float32)
    places = pa.table({"n": np.arange(ROWS), "x": flat[:, 0], "y": flat[:, 1], "cluster": labels})
    with app.store.transaction() as tx:
        tx.execute("INSERT INTO projects VALUES ('pj_bench', 'Bench', '', 0)")
        tx.execute(BUILD.format(names=", ".join(SAMPLE), rows=ROWS), [sentences(4000, 12, 1), sentences(4000, 35, 2)])
        tx.register("places", places)
        tx.execute(f"INSERT INTO placements SELECT '{MAP}', 's' || n, x, y, cluster FROM places")
        tx.unregister("places")
        tx.execute(
            "INSERT INTO clusters (run_id, cluster, title, size) "
            f"SELECT '{MAP}', cluster, 'group ' || cluster, count(*) FROM placements GROUP BY 2"
        )
        tx.execute(
            "INSERT INTO verdicts (run_id, sample_id, kind, filter, passed, reason, score, created) "
            "SELECT 'screen', sample_id, 'check', 'length', hash(sample_id) % 9 > 0, '', 1.0, 1.0 "
            "FROM samples"
        )
        tx.execute(
            "INSERT INTO reviews SELECT 'e' || sample_id, sample_id, project_id, 'me', "
            "CASE WHEN hash(sample_id) % 3 = 0 THEN 'reject' ELSE 'accept' END, NULL, NULL, '', NULL, "
            "row_number() OVER (), 1.0 FROM samples WHERE hash(sample_id) % 200 = 0"
        )
    return time.perf_counter() - started


def timed(work: Callable[[], Any], times: int = 1) -> list[float]:
    """Milliseconds of each call, after one that warms up."""
    work()
    spent: list[float] = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        spent.append((time.perf_counter() - started) * 1000)
    return spent


DRAWN = """(colour) => [...document.querySelectorAll(".js-plotly-plot")]
    .some(plot => (plot.data || []).some(trace => trace.type == "scattergl" && trace.name == colour))"""


COLOURS = (("topic", "topic 0"), ("status", "parsed"), ("reader", "lay"), ("group", "group 0"))
BARE = """
import pickle
import streamlit as st
st.set_page_config(layout="wide")

@st.cache_resource
def figures():
    return pickle.load(open({file!r}, "rb"))

st.header("Map")
colour = st.selectbox(
    "Colour", list(figures()), index=list(figures()).index("group"), format_func=lambda name: f"Colour: {{name}}"
)
st.plotly_chart(
    figures()[colour],
    on_select="rerun",
    selection_mode=("points", "lasso", "box"),
    config={{"scrollZoom": True, "displaylogo": False}},
    key="map",
)
"""


def redraws(root: Path, script: Path = APP) -> list[float]:
    """Seconds from a click on another colour to the map in it, in Chromium on the real app or a bare page."""
    spent: list[float] = []
    with server(root, script) as address, browser_page() as page:
        page.goto(f"{address}/Explore" if script == APP else address)
        page.get_by_role("heading", name="Map").wait_for(state="attached")
        page.wait_for_function(DRAWN, arg="group 0", timeout=120_000)
        settled(page)
        for colour, name in COLOURS:
            page.get_by_role("combobox", name="Colour").first.click()
            option = page.get_by_role("option", name=f"Colour: {colour}", exact=True)
            option.wait_for()
            started = time.perf_counter()
            option.click()
            page.wait_for_function(DRAWN, arg=name)
            spent.append(time.perf_counter() - started)
            settled(page)
    return spent


def bare_redraws(root: Path, app: App) -> list[float]:
    """The same on a page of Streamlit's alone that has the same figures ready."""
    figures = {
        colour: map_chart.sample_map(maps.picture(app, PROJECT, MAP, EVERYTHING, colour), scale="", drag="pan")
        for colour, _ in COLOURS
    }
    app.close()
    file, script = root.parent / "figures.pickle", root.parent / "bare.py"
    file.write_bytes(pickle.dumps(figures))
    script.write_text(BARE.format(file=str(file)))
    return redraws(root, script)


def searches() -> list[float]:
    """Milliseconds of the nearest 50 of as many vectors, in a process of its own as the search service is."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_search, ROWS).result()


def _search(rows: int) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        chance = np.random.default_rng(0)
        vectors = chance.standard_normal((rows, 384), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        pq.write_table(vector_table(pa.array([f"s{i}" for i in range(rows)]), vectors), f"{folder}/vectors.parquet")
        file = VectorFile(Path(folder))
        return timed(lambda: file.nearest(vectors[7], 50), 9)


def selections() -> dict[str, Selection]:
    """What people filter by."""
    return {
        "everything": EVERYTHING,
        "topic": ColumnIs(column="topic", values=("topic 7",)),
        "status and entropy": All(
            parts=(ColumnIs(column="status", values=("parsed",)), ColumnIs(column="entropy", op=">", values=(2.5,)))
        ),
        "one group": InClusters(map_run=MAP, clusters=(3,)),
        "pending": ReviewIs(states=("pending",)),
        "not rejected": Not(part=ReviewIs(states=("rejected",))),
    }


class Statements:
    """What the store is asked in one call, to ask the same of DuckDB alone."""

    def __init__(self, store: Store) -> None:
        self.asked: list[tuple[str, list[Any]]] = []
        self._table, self._scalar = store.table, store.scalar
        store.table, store.scalar = self.table, self.scalar  # type: ignore[method-assign]

    def table(self, sql: str, values: Sequence[Any] = (), **frames: Any) -> Any:
        """Remembers the statement, then does what the store does."""
        self.asked.append((sql, list(values)))
        return self._table(sql, values, **frames)

    def scalar(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """The same for a single value."""
        self.asked.append((sql, list(values)))
        return self._scalar(sql, values)

    def of(self, work: Callable[[], Any]) -> list[tuple[str, list[Any]]]:
        """The statements of one call."""
        self.asked.clear()
        work()
        return list(self.asked)


def bare(file: Path, calls: dict[str, list[tuple[str, list[Any]]]], times: int) -> dict[str, list[float]]:
    """Milliseconds of each call's statements in DuckDB alone, on the same file, fetched as Arrow."""
    with duckdb.connect(str(file), config={"threads": len(os.sched_getaffinity(0))}) as connection:

        def ask(statements: list[tuple[str, list[Any]]]) -> None:
            for sql, values in statements:
                connection.cursor().sql(sql, params=values).to_arrow_table()

        return {name: timed(lambda s=statements: ask(s), times) for name, statements in calls.items()}


def main() -> None:
    """Views over selections, a lasso, and the points of the map."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = str(Path(scratch) / "ws")
        app = open_app(Path(folder))
        seconds = build(app)
        print(f"built {ROWS} samples in {seconds:.0f} s", file=sys.stderr)
        told = Statements(app.store)
        calls: dict[str, list[tuple[str, list[Any]]]] = {}
        views: list[float] = []
        for name, selection in selections().items():
            for page in (0, 40):
                found = timed(
                    lambda s=selection, p=page: explore_samples.view(app, PROJECT, s, p, 50, "created", True), 5
                )
                views += found
                calls[f"{name} {page}"] = told.of(
                    lambda s=selection, p=page: explore_samples.view(app, PROJECT, s, p, 50, "created", True)
                )
                print(f"view {name} page {page}: {np.median(found):.0f} ms", file=sys.stderr)
        ring = np.linspace(0, 2 * np.pi, 60, endpoint=False)
        lasso = InLasso(map_run=MAP, xs=tuple(0.4 * np.cos(ring)), ys=tuple(0.4 * np.sin(ring)))
        lassos = timed(lambda: explore_samples.view(app, PROJECT, lasso, 0, 50, "created", True), 5)
        of_lasso = told.of(lambda: explore_samples.view(app, PROJECT, lasso, 0, 50, "created", True))
        points = timed(lambda: maps.picture(app, PROJECT, MAP, EVERYTHING), 3)
        app.close()
        alone = [ms for each in bare(app.folders.database, calls, 5).values() for ms in each]
        alone_lasso = bare(app.folders.database, {"lasso": of_lasso}, 5)["lasso"]
        found = searches()
        drawn = redraws(Path(folder))
        plain = bare_redraws(Path(folder), open_app(Path(folder)))
        print(f"points read in {np.median(points):.0f} ms", file=sys.stderr)
        print(f"redraws {[round(s, 2) for s in drawn]} s, bare {[round(s, 2) for s in plain]} s", file=sys.stderr)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    p95 = [float(np.quantile(spent, 0.95)) for spent in (views, alone, lassos, alone_lasso)]
    figures = (
        ("semantic search, 384 dimensions (p95)", np.quantile(found, 0.95), "ms", 300),
        ("memory of the app", memory, "GB", 2),
    )
    least = 1 / 1.3  # at most 1.3 times as long
    show(
        [
            line("explore/filter, count, page (p95)", p95[0], p95[1], "ms", least, lower_is_better=True),
            line("explore/lasso over all rows (p95)", p95[2], p95[3], "ms", least, lower_is_better=True),
            line("explore/map redrawn in Chromium", median(drawn), median(plain), "s", least, lower_is_better=True),
            *(line(f"explore/{n}", float(o), None, unit, bar, lower_is_better=True) for n, o, unit, bar in figures),
        ]
    )


if __name__ == "__main__":
    main()
