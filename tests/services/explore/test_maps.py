"""The points of a large map, and what workers are given to read."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdcore.configs.selection import ColumnIs, InClusters, TextHas
from kdcore.errors import ConfigError
from kdcore.records.rows import SAMPLE
from kdcore.services.explore import samples as explore_samples
from kdcore.services.workspace import App
from kdcore.store import maps, samples, worker_inputs

ROWS, RARE_ROWS = 5000, 30
PROJECT, MAP = "pj_map", "embed-map"


@pytest.fixture
def mapped(app: App) -> App:
    """One large and one rare group."""
    blank = dict.fromkeys(SAMPLE)
    rows = [
        {
            **blank, "sample_id": f"s{i:05}", "project_id": PROJECT, "status": "parsed", "question": f"q{i}",
            "answer": f"a{i}" if i % 2 else "", "created": float(i), "n": 0, "messages": "[]",
        }
        for i in range(ROWS)
    ]  # fmt: skip
    places = pa.table(
        {
            "run_id": [MAP] * ROWS,
            "sample_id": [row["sample_id"] for row in rows],
            "x": [i / ROWS for i in range(ROWS)],
            "y": [0.0] * ROWS,
            "cluster": [1 if i < RARE_ROWS else 0 for i in range(ROWS)],
        }
    )
    with app.store.transaction() as tx:
        samples.insert(tx, rows)
        tx.register("places", places)
        tx.execute("INSERT INTO placements SELECT * FROM places")
        tx.unregister("places")
        tx.execute(
            "INSERT INTO clusters (run_id, cluster, title, size) "
            "SELECT run_id, cluster, 'g' || cluster, count(*) FROM placements GROUP BY 1, 2"
        )
    return app


def test_a_large_map_is_thinned_evenly_and_a_rare_group_stays(mapped: App):
    points = maps.points(mapped.store, PROJECT, MAP, InClusters(map_run=MAP, clusters=(0,)), limit=1000)
    rare = [p for p in points if p["cluster"] == 1]
    assert len(rare) == RARE_ROWS
    assert not any(p["selected"] for p in rare)
    assert 850 < len(points) < 1200
    again = maps.points(mapped.store, PROJECT, MAP, InClusters(map_run=MAP, clusters=(1,)), limit=1000)
    assert [p["sample_id"] for p in again] == [p["sample_id"] for p in points]
    assert len(maps.points(mapped.store, PROJECT, MAP, InClusters(map_run=MAP, clusters=(0,)), limit=ROWS)) == ROWS


def test_the_count_of_a_view_is_the_count_of_its_selection(mapped: App):
    rare = InClusters(map_run=MAP, clusters=(1,))
    view = explore_samples.view(mapped, PROJECT, rare, 0, 10, "created", False)
    assert (view["count"], view["total"], len(view["rows"])) == (RARE_ROWS, ROWS, 10)
    nothing = ColumnIs(column="topic", values=("nowhere",))
    assert explore_samples.view(mapped, PROJECT, nothing, 0, 10, "created", False)["count"] == 0


def test_what_a_worker_reads_is_written_in_order(mapped: App, tmp_path: Path):
    few = InClusters(map_run=MAP, clusters=(1,))
    worker_inputs.write_texts(mapped.store, PROJECT, few, "question_answer", tmp_path / "t.parquet")
    rows = pq.read_table(tmp_path / "t.parquet").to_pylist()
    assert rows[:2] == [{"sample_id": "s00000", "text": "q0"}, {"sample_id": "s00001", "text": "q1\na1"}]
    assert len(rows) == RARE_ROWS
    worker_inputs.write_pairs(mapped.store, PROJECT, few, tmp_path / "p.parquet")
    assert pq.read_table(tmp_path / "p.parquet").to_pylist()[1] == {
        **{"sample_id": "s00001", "question": "q1", "answer": "a1"},
        **dict.fromkeys(("source", "seed_id", "entropy", "gold", "known")),
    }


def test_a_broken_pattern_is_one_sentence_and_a_good_one_is_found(mapped: App):
    found = explore_samples.view(mapped, PROJECT, TextHas(query="^q1[0-2]$", regex=True), 0, 10, "created", False)
    assert [row["question"] for row in found["rows"]] == ["q10", "q11", "q12"]
    for broken in ("(", "[z-a]", "a{2,1}", "(?<=x)y"):
        with pytest.raises(ConfigError, match="no regular expression"):
            explore_samples.view(mapped, PROJECT, TextHas(query=broken, regex=True), 0, 10, "created", False)
