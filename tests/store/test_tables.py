"""Selections compiled to SQL, paging, facets, reviews, datasets on a small store."""

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from kdcore.configs.selection import EVERYTHING, All, ColumnIs, InLasso, IsOneOf, Not, ReviewIs, TextHas
from kdcore.records.decisions import DatasetFrozen, Reviewed
from kdcore.records.journal import VerdictRecord
from kdcore.records.rows import SAMPLE, VerdictKey
from kdcore.store import dataset_rows, datasets, maps, metrics, reviews, samples, verdicts
from kdcore.store.engine.db import Store
from tests.configs.test_selection import SELECTIONS

TEXT = ["Aspirin & <b>clots</b>", "100% sure", "O'Neill; DROP TABLE samples", "naïve 50_50 \\ test", "Ünïcode ✓"]


def row(i: int, **changes):
    base = dict.fromkeys(SAMPLE)
    base |= {"sample_id": f"s{i}", "project_id": "p", "status": "parsed", "question": f"q{i}", "answer": TEXT[i % 5]}
    base |= {"topic": f"t{i % 3}", "messages": "[]", "group_key": f"g{i % 4}", "created": float(i), "rationale": ""}
    return base | {"completion_tokens": i, "run_id": "r"} | changes


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("db") / "kd.duckdb")
    with store.transaction() as tx:
        samples.insert(tx, [row(i) for i in range(40)])
        placements = pa.table(
            {
                "sample_id": [f"s{i}" for i in range(40)],
                "x": [i / 20 - 1 for i in range(40)],
                "y": [0.0] * 40,
                "cluster": [i % 4 for i in range(40)],
            }
        )
        maps.insert(tx, "m", placements, [{"cluster": c, "title": f"c{c}", "size": 10} for c in range(4)])
        key = VerdictKey("check", "length")
        said = [VerdictRecord.of(key, f"s{i}", passed=i % 2 == 0, score=1.0) for i in range(20)]
        verdicts.insert(tx, "v", said)
        for i, action in enumerate(("accept", "reject", "edit", "skip")):
            said = event(f"e{i}", f"s{i}", action, answer="edited" if action == "edit" else None)
            reviews.add(tx, said, i + 1)
    yield store
    store.close()


def event(event_id, sample_id, action, **more):
    who = {"project_id": "p", "reviewer": "me", "created": 1.0}
    return Reviewed(event_id=event_id, sample_id=sample_id, action=action, **who, **more)


def add(store, number, said):
    with store.transaction() as tx:
        reviews.add(tx, said, number)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(selection=SELECTIONS)
def test_a_selection_and_its_complement_partition_the_rows(filled, selection):
    inside = set(samples.keys(filled, "p", selection))
    outside = set(samples.keys(filled, "p", Not(part=selection)))
    assert inside | outside == {f"s{i}" for i in range(40)}
    assert not inside & outside
    assert samples.count(filled, "p", selection) == len(inside)


@pytest.mark.parametrize("text", [*TEXT, "%", "_", "'", "\\"])
def test_text_is_found_as_it_is_written(filled, text):
    hits = samples.by_ids(filled, samples.keys(filled, "p", TextHas(query=text, field="answer")))
    assert hits
    assert all(text.lower() in h["answer"].lower() for h in hits)


def test_lasso_is_exact(filled):
    inside = samples.keys(filled, "p", InLasso(map_run="m", xs=(-0.52, -0.28, -0.28, -0.52), ys=(-1, -1, 1, 1)))
    assert sorted(inside) == sorted(f"s{i}" for i in range(40) if -0.52 < i / 20 - 1 < -0.28)


def test_pages_are_disjoint_and_facets_add_up(filled):
    pages = [samples.keys(filled, "p", EVERYTHING, limit=15, offset=o) for o in (0, 15, 30)]
    assert len({k for p in pages for k in p}) == 40
    found = samples.facets(filled, "p", EVERYTHING)
    assert {f["value"]: f["rows"] for f in found["topic"]} == {"t0": 14, "t1": 13, "t2": 13}
    assert sum(b["rows"] for b in samples.histogram(filled, "p", EVERYTHING, "completion_tokens")) == 40


def test_reviews_are_events_and_undo_takes_the_last_back(store):
    with store.transaction() as tx:
        samples.insert(tx, [row(0)])
    add(store, 1, event("e1", "s0", "accept"))
    add(store, 1, event("e1", "s0", "accept"))
    assert store.sizes("reviews") == {"reviews": 1}
    add(store, 2, event("e2", "s0", "reject"))
    assert samples.by_ids(store, ["s0"])[0]["review"] == "reject"
    add(store, 3, event("e3", "s0", "undo", undoes="e2"))
    assert samples.by_ids(store, ["s0"])[0]["review"] == "accept"
    assert reviews.last_event(store, "p", "me")["event_id"] == "e1"
    assert reviews.progress(store, "p", EVERYTHING) == {"accept": 1}


def test_candidates_leave_out_the_rejected_and_take_the_edit(filled):
    found = {r["sample_id"]: r for r in datasets.candidates(filled, "p", EVERYTHING)}
    assert "s1" not in found
    assert found["s2"]["answer"] == "edited"
    assert found["s2"]["edited"]
    only = datasets.candidates(
        filled, "p", All(parts=(ReviewIs(states=("accept",)), ColumnIs(column="topic", values=("t0",))))
    )
    assert [r["sample_id"] for r in only] == ["s0"]


def test_a_retried_row_replaces_the_failed_one_only(store):
    with store.transaction() as tx:
        samples.insert(tx, [row(0, status="failed"), row(1)])
    with store.transaction() as tx:
        samples.insert(tx, [row(0), row(1, answer="another")])
    found = samples.by_ids(store, ["s0", "s1"])
    assert [r["status"] for r in found] == ["parsed", "parsed"]
    assert found[1]["answer"] == TEXT[1]


def test_versions_differ_by_added_dropped_and_edited_rows(store):
    def version(name, number):
        what = {"project_id": "p", "name": "n", "selection": "{}", "sha256": "", "row_count": 2, "created": 1.0}
        return DatasetFrozen(dataset_id=name, version=number, **what)

    one = [
        {"sample_id": s, "split": "train", "question": s, "answer": "a", "rationale": "", "edited": False}
        for s in ("s1", "s2")
    ]
    two = [one[0] | {"answer": "b"}, one[1] | {"sample_id": "s3"}]
    with store.transaction() as tx:
        datasets.add(tx, version("d1", 1), one)
        datasets.add(tx, version("d2", 2), two)
        datasets.add(tx, version("d2", 2), two)
    assert [(r["change"], r["sample_id"]) for r in datasets.diff(store, "d1", "d2")] == [
        ("added", "s3"),
        ("dropped", "s2"),
        ("edited", "s1"),
    ]
    assert len(dataset_rows.rows_of(store, "d2")) == 2


def test_curves_of_a_later_attempt_win(store):
    def point(attempt, step, value):
        return {"attempt": attempt, "step": step, "split": "train", "name": "loss", "value": value, "time": 1.0}

    with store.transaction() as tx:
        metrics.insert(tx, "r", [point(1, 1, 5.0), point(1, 2, 4.0), point(2, 2, 3.0)])
    assert [(p["step"], p["value"]) for p in metrics.curves(store, ["r"])] == [(1, 5.0), (2, 3.0)]


def test_hits_of_a_search_stand_in_the_order_in_which_they_were_found(filled):
    found = IsOneOf(sample_ids=("s7", "s2", "s5"))
    assert samples.keys(filled, "p", All(parts=(found,)), sort="found") == ["s7", "s2", "s5"]
    assert samples.keys(filled, "p", All(), sort="found")[0] == samples.keys(filled, "p", All())[0]
