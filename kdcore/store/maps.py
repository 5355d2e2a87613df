"""Maps: where samples lie, their groups, and as much of both as a picture needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from kdcore.configs.selection import Selection
from kdcore.records.journal import TitleRecord
from kdcore.records.maps import Cell, Group, GroupTitle, MapPoint, NewGroup, Shift, TypicalTexts
from kdcore.records.rows import VerdictKey
from kdcore.store.engine.db import Store
from kdcore.store.engine.migrations import Cursor
from kdcore.store.selection import compile_selection

Box = tuple[float, float, float, float]  # x from, x to, y from, y to
WHOLE: Box = (-1e9, 1e9, -1e9, 1e9)
RARE = 200  # points that a small group keeps of its own in a thinned map
DRAWN = 20_000  # about so many points of a larger map; the grid below them shows the mass
CELLS = 96  # along the wider axis of the density grid


def finished(store: Store, project_id: str) -> list[str]:
    """Maps of a project that have points, newest first."""
    found = store.rows(
        """
        SELECT r.run_id
        FROM runs r
        WHERE r.project_id = ? AND r.kind = 'embed'
            AND EXISTS (SELECT 1 FROM placements p WHERE p.run_id = r.run_id)
        ORDER BY r.created DESC, r.run_id DESC
        """,
        [project_id],
    )
    return [row["run_id"] for row in found]


def newest(store: Store, project_id: str) -> str | None:
    """The newest map of a project that has points."""
    return next(iter(finished(store, project_id)), None)


def insert(tx: Cursor, run_id: str, placements: pa.Table, groups: Sequence[NewGroup]) -> None:
    """Add one map as a whole; a map that is there already is left alone."""
    if tx.execute("SELECT 1 FROM placements WHERE run_id = ? LIMIT 1", [run_id]).fetchone():
        return
    tx.register("incoming", placements)
    tx.execute("INSERT INTO placements SELECT ?, sample_id, x, y, cluster FROM incoming", [run_id])
    tx.unregister("incoming")
    for row in groups:
        tx.execute(
            """
            INSERT INTO clusters (run_id, cluster, title, size, parent, parent_title)
            VALUES (?, ?, ?, ?, ?, ?)
            """,
            [run_id, row["cluster"], row["title"], row["size"], row.get("parent"), row.get("parent_title")],
        )


def size(store: Store, map_run: str, box: Box = WHOLE) -> int:
    """Points of a map, or of a part of it."""
    return int(
        store.scalar(
            "SELECT count(*) FROM placements WHERE run_id = ? AND x BETWEEN ? AND ? AND y BETWEEN ? AND ?",
            [map_run, *box],
        )
    )


def points(
    store: Store,
    project_id: str,
    map_run: str,
    selection: Selection,
    colour: str = "title",
    box: Box = WHOLE,
    limit: int = DRAWN,
) -> list[MapPoint]:
    """Points of one map with what a hover shows; ``selected`` tells whether the selection holds, ``colour`` by what.

    Of more than ``limit`` points in the box about ``limit`` are drawn, always the same ones; a small group keeps
    RARE of its own, so that it stays to be seen.
    """
    sql, values = compile_selection(selection)
    share = min(1.0, limit / max(1, size(store, map_run, box)))
    value, join, joined = _colour(colour)
    return store.records(
        MapPoint,
        f"""
        SELECT p.sample_id, p.x, p.y, p.cluster, c.title, {value} AS colour, left(s.question, 160) AS question,
            left(s.answer, 200) AS answer, {sql} AS selected
        FROM placements p
        JOIN samples s USING (sample_id)
        LEFT JOIN titled_clusters c ON c.run_id = p.run_id AND c.cluster = p.cluster {join}
        WHERE p.run_id = ? AND s.project_id = ? AND p.x BETWEEN ? AND ? AND p.y BETWEEN ? AND ?
            AND (? >= 1
                OR hash(p.sample_id) / 18446744073709551615.0 < greatest(?, ? / greatest(coalesce(c.size, 1), 1)))
        ORDER BY p.cluster, p.sample_id
        """,
        [*values, *joined, map_run, project_id, *box, share, share, float(RARE)],
    )


# what points are coloured by → expression; a verdict's name comes as "verdict:NAME" and goes in as a value
COLOURS = {
    "title": "c.title",
    "broad": "coalesce(c.parent_title, c.title)",
    "topic": "s.topic",
    "difficulty": "s.difficulty",
    "reader": "s.reader",
    "status": "s.status",
    "teacher": "s.teacher",
    "run": "s.run_id",
    "review": "coalesce(cr.action, 'pending')",
    "prompt": "pv.name || ' v' || pv.version",
    "entropy": "s.entropy",
    "tokens": "CAST(s.completion_tokens AS DOUBLE)",
}
SCALES = ("entropy", "tokens")  # numbers: coloured by amount
_JOINS = {
    "review": "LEFT JOIN current_reviews cr ON cr.sample_id = s.sample_id",
    "prompt": "LEFT JOIN prompt_versions pv ON pv.prompt_version_id = s.prompt_version_id",
}


def _colour(name: str) -> tuple[str, str, list[Any]]:
    """Expression, join and values of a colour; an unknown one is the group's."""
    kind, _, check = name.partition(":")
    join = """
        LEFT JOIN (SELECT sample_id, passed, score FROM current_verdicts WHERE kind = ? AND filter = ?) cv
            ON cv.sample_id = s.sample_id
    """
    if kind == "verdict":
        return (
            "CASE WHEN cv.passed THEN 'passes' WHEN NOT cv.passed THEN 'fails' ELSE 'not checked' END",
            join,
            list(VerdictKey.parse(check)),
        )
    if kind == "score":
        return "cv.score", join, list(VerdictKey.parse(check))
    return COLOURS.get(name, COLOURS["title"]), _JOINS.get(name, ""), []


def cell_width(box: Box) -> float:
    """Side of a cell of the density grid, in map units."""
    return max(box[1] - box[0], box[3] - box[2]) / CELLS or 1.0


def density(store: Store, map_run: str, selection: Selection, box: Box) -> list[Cell]:
    """Selected samples in each cell of a grid over the box: ``[{column, line, rows}]``, empty cells left out."""
    sql, values = compile_selection(selection)
    step = cell_width(box)
    source = "placements p" if sql == "TRUE" else "placements p JOIN samples s USING (sample_id)"
    return store.records(
        Cell,
        f"""
        SELECT CAST(floor((p.x - ?) / ?) AS INTEGER) AS column, CAST(floor((p.y - ?) / ?) AS INTEGER) AS line,
            count(*) AS rows
        FROM {source}
        WHERE p.run_id = ? AND p.x BETWEEN ? AND ? AND p.y BETWEEN ? AND ? AND {sql}
        GROUP BY 1, 2
        """,
        [box[0], step, box[2], step, map_run, *box, *values],
    )


def extent(store: Store, map_run: str, selection: Selection) -> Box | None:
    """The smallest box around the selected points; None where there is none."""
    sql, values = compile_selection(selection)
    row = store.one(
        f"""
        SELECT min(p.x) AS a, max(p.x) AS b, min(p.y) AS c, max(p.y) AS d
        FROM placements p
        JOIN samples s USING (sample_id)
        WHERE p.run_id = ? AND {sql}
        """,
        [map_run, *values],
    )
    return None if row is None or row["a"] is None else (row["a"], row["b"], row["c"], row["d"])


def clusters(store: Store, map_run: str) -> list[Group]:
    """Groups of a map, largest first, with the shares that were usable, failed a check, and what people decided."""
    return store.records(
        Group,
        """
        SELECT c.cluster, c.title, c.words, c.size, c.parent, coalesce(c.parent_title, c.title) AS parent_title,
            count(*) FILTER (r.action IN ('accept', 'edit')) AS accepted,
            count(*) FILTER (r.action = 'reject') AS rejected,
            avg(CAST(s.status = 'parsed' AS DOUBLE)) AS usable,
            avg(CAST(v.sample_id IS NOT NULL AS DOUBLE)) AS failing, avg(s.entropy) AS entropy
        FROM titled_clusters c
        LEFT JOIN placements p ON p.run_id = c.run_id AND p.cluster = c.cluster
        LEFT JOIN samples s ON s.sample_id = p.sample_id
        LEFT JOIN current_reviews r ON r.sample_id = p.sample_id
        LEFT JOIN (SELECT DISTINCT sample_id FROM current_verdicts WHERE NOT passed) v ON v.sample_id = p.sample_id
        WHERE c.run_id = ?
        GROUP BY ALL
        ORDER BY c.size DESC, 1
        """,
        [map_run],
    )


def titles(store: Store, map_run: str) -> list[GroupTitle]:
    """Groups of a map with their titles and the middle of each, largest first: all that a picture needs."""
    return store.records(
        GroupTitle,
        """
        SELECT c.cluster, c.title, c.size, c.parent, coalesce(c.parent_title, c.title) AS parent_title, m.x, m.y
        FROM titled_clusters c
        LEFT JOIN (
            SELECT cluster, median(x) AS x, median(y) AS y
            FROM placements
            WHERE run_id = ?
            GROUP BY 1
        ) m USING (cluster)
        WHERE c.run_id = ?
        ORDER BY 3 DESC, 1
        """,
        [map_run, map_run],
    )


def typical(store: Store, map_run: str, each: int) -> list[TypicalTexts]:
    """``[{cluster, words, texts}]``: the marking words of each group and the questions nearest to its middle."""
    return store.records(
        TypicalTexts,
        """
        WITH middle AS (
            SELECT cluster, median(x) AS x, median(y) AS y
            FROM placements
            WHERE run_id = ?
            GROUP BY 1
        ),
            near AS (
                SELECT p.cluster, s.question,
                    row_number() OVER (
                        PARTITION BY p.cluster
                        ORDER BY (p.x - m.x) ** 2 + (p.y - m.y) ** 2, p.sample_id) AS place
                FROM placements p
                JOIN middle m USING (cluster)
                JOIN samples s ON s.sample_id = p.sample_id
                WHERE p.run_id = ?
            )
        SELECT c.cluster, c.words, list(n.question ORDER BY n.place) AS texts
        FROM titled_clusters c
        JOIN near n ON n.cluster = c.cluster AND n.place <= ?
        WHERE c.run_id = ?
        GROUP BY 1, 2
        ORDER BY 1
        """,
        [map_run, map_run, each, map_run],
    )


def insert_titles(tx: Cursor, run_id: str, map_run: str, records: Sequence[TitleRecord]) -> None:
    """Add titles that a teacher wrote; the newest of a group is the one that is shown."""
    for record in records:
        tx.execute(
            "INSERT INTO cluster_titles VALUES (?, ?, ?, ?, ?)",
            [map_run, record.cluster, record.title, run_id, record.time],
        )


def drift(store: Store, map_run: str, before: str, after: str) -> list[Shift]:
    """Shares of two runs' rows in each group of a map: ``[{title, before, after}]``, the largest change first."""
    return store.records(
        Shift,
        """
        WITH shares AS (
            SELECT p.cluster, s.run_id, count(*) / sum(count(*)) OVER (PARTITION BY s.run_id) AS share
            FROM placements p
            JOIN samples s USING (sample_id)
            WHERE p.run_id = ? AND s.run_id IN (?, ?)
            GROUP BY 1, 2
        )
        SELECT c.cluster, c.title, coalesce(b.share, 0) AS before, coalesce(a.share, 0) AS after
        FROM titled_clusters c
        LEFT JOIN shares b ON b.cluster = c.cluster AND b.run_id = ?
        LEFT JOIN shares a ON a.cluster = c.cluster AND a.run_id = ?
        WHERE c.run_id = ?
        ORDER BY abs(coalesce(a.share, 0) - coalesce(b.share, 0)) DESC, c.cluster
        """,
        [map_run, before, after, before, after, map_run],
    )
