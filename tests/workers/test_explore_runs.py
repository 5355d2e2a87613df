"""Concepts, picks and checks by meaning as real worker processes, over vectors made by hand."""

import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdcore.configs.exploration import PickConfig
from kdcore.configs.selection import EVERYTHING, ColumnIs, HasScore, HasVerdict
from kdcore.errors import ConfigError
from kdcore.jobs.run_dir import RunDir, write_json
from kdcore.records.status import Status
from kdcore.services.explore import concepts, maps, subsets, tags
from kdcore.services.explore import samples as explore_samples
from kdcore.services.workspace import App, open_app
from kdcore.store import maps as map_store
from kdcore.store import samples
from kdcore.workers.embed import vector_table
from tests.conftest import SCRIPTED
from tests.services.explore.test_tags import PROJECT, row

ROWS = 60


@pytest.fixture
def app(tmp_path):
    """Sixty rows in three groups on a map, the first group about doses; row 59 says what row 58 says."""
    opened = open_app(tmp_path / "ws")
    labels = np.arange(ROWS) % 3
    vectors = np.eye(8)[labels] + np.random.default_rng(0).normal(0, 0.1, (ROWS, 8))
    vectors[59] = vectors[58]
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    ids = [f"s{i}" for i in range(ROWS)]
    run = RunDir.create(opened.folders.runs, "embed-20260101-000000-aaaa", {"project_id": PROJECT, "text": "answer"})
    pq.write_table(vector_table(pa.array(ids), vectors), run.path / "vectors.parquet")
    places = {"sample_id": ids, "x": vectors[:, 0], "y": vectors[:, 1], "cluster": labels.astype(np.int32)}
    groups = [
        {"cluster": i, "title": f"g{i}", "size": 20, "parent": i // 2, "parent_title": f"b{i // 2}"} for i in range(3)
    ]
    write_json(run.path / "clusters.json", groups)
    pq.write_table(pa.table(places), run.path / "placements.parquet")
    run.write_status(Status("done", epoch=1), durable=True)
    with opened.store.transaction() as tx:
        samples.insert(tx, [{**row(i), "topic": f"t{i % 3}", "question": f"Dose {i}?"} for i in range(ROWS)])
    opened.tick()
    yield opened
    opened.close()


def done(app: App, run: RunDir) -> Status:
    status = app.wait(run.run_id, 60)
    assert status.state == "done", status.message
    return status


def test_a_concept_is_marked_learnt_asked_about_and_filtered_by(app):
    for i in range(0, 18, 3):
        concepts.mark(app, PROJECT, "dose", f"s{i}", "me", has=True)
        concepts.mark(app, PROJECT, "dose", f"s{i + 1 + i % 2}", "me", has=False)  # of both other groups
    concepts.mark(app, PROJECT, "dose", "s1", "me", has=True)
    concepts.mark(app, PROJECT, "dose", "s1", "me", has=False)  # a change of mind
    assert {t["tag"]: t["rows"] for t in tags.tags(app, PROJECT)} == {"dose": 6, "not dose": 6}
    status = done(app, concepts.start(app, PROJECT, "dose"))
    assert "6 yes and 6 no" in status.message
    learnt = concepts.learnt(app, PROJECT)["dose"]
    assert concepts.quality(app, learnt) > 0.95
    having = samples.keys(app.store, PROJECT, concepts.having("dose"))
    assert {int(key[1:]) % 3 for key in having} == {0}
    assert len(having) == 20
    asked = [r["sample_id"] for r in concepts.next_rows(app, PROJECT, "dose")]
    assert len(asked) == 6
    assert not set(asked) & {"s0", "s1"}
    assert samples.count(app.store, PROJECT, HasVerdict(verdict_kind="concept", filter="dose", passed=False)) == 0
    with pytest.raises(ConfigError, match='no row is marked "other"'):
        concepts.start(app, PROJECT, "other")


@pytest.mark.parametrize("selector", ["k_centre", "stratified", "top_diverse", "random"])
def test_a_pick_becomes_a_filter(app, selector):
    config = PickConfig(selector=selector, count=6, score="entropy" if selector == "top_diverse" else "")
    run = subsets.start(app, PROJECT, config, ColumnIs(column="topic", op="in", values=("t0", "t1")))
    done(app, run)
    chosen = samples.keys(app.store, PROJECT, subsets.chosen(config, run.run_id))
    assert {int(key[1:]) % 3 for key in chosen} <= {0, 1}
    if selector != "top_diverse":
        assert len(chosen) == 6
    if selector == "stratified":
        assert sum(int(key[1:]) % 3 == 0 for key in chosen) == 3
    if selector == "top_diverse":
        assert "s58" in chosen, "the highest score of the two topics"


def test_a_pick_among_rows_that_are_not_on_the_map_says_so(app):
    with app.store.transaction() as tx:
        samples.insert(tx, [{**row(99), "topic": "new"}])
    run = subsets.start(app, PROJECT, PickConfig(count=3), ColumnIs(column="topic", values=("new",)))
    assert "1 samples are not on the map" in done(app, run).message


def test_a_pick_says_what_it_needs(app, tmp_path):
    with pytest.raises(ConfigError, match="needs a score"):
        subsets.start(app, PROJECT, PickConfig(selector="top_diverse"), EVERYTHING)
    with pytest.raises(ConfigError, match="nothing is selected"):
        subsets.start(app, PROJECT, PickConfig(), ColumnIs(column="topic", values=("nowhere",)))
    with pytest.raises(ConfigError, match="draw one first"):
        subsets.start(app, "another", PickConfig(), EVERYTHING)


def test_checks_by_meaning_name_the_twin_and_judged_rows_are_passed_over(app):
    done(app, explore_samples.start_screen(app, PROJECT, ["same_meaning", "outliers", "length"]))
    found = {c["filter"]: c for c in explore_samples.checks(app, PROJECT)}
    assert found["same_meaning"]["failed"] >= 1
    twin = app.store.one("SELECT related FROM current_verdicts WHERE filter = 'same_meaning' AND sample_id = 's59'")
    assert twin == {"related": "s58"}
    verdicts = "SELECT filter, count(*) AS rows FROM verdicts GROUP BY 1"
    before = {r["filter"]: r["rows"] for r in app.store.rows(verdicts)}
    time.sleep(0.01)
    done(app, explore_samples.start_screen(app, PROJECT, ["same_meaning", "length"]))
    after = {r["filter"]: r["rows"] for r in app.store.rows(verdicts)}
    assert after["length"] == before["length"], "a row judged by the same settings is not judged again"
    assert after["same_meaning"] == 2 * before["same_meaning"], "a check that looks at the others is"
    done(app, explore_samples.start_screen(app, PROJECT, ["length"], options={"length": {"min_words": 3}}))
    again = {r["filter"]: r["rows"] for r in app.store.rows(verdicts)}
    assert again["length"] == 2 * before["length"]
    assert samples.count(app.store, PROJECT, HasVerdict(filter="length", passed=False)) == ROWS


def test_a_check_says_what_it_needs(app):
    with pytest.raises(ConfigError, match="draw one first"):
        explore_samples.start_screen(app, "another", ["outliers"])
    with pytest.raises(ConfigError, match="no version holds rows out"):
        explore_samples.start_screen(app, PROJECT, ["contamination"])
    with pytest.raises(ConfigError, match="min_words"):
        explore_samples.start_screen(app, PROJECT, ["length"], options={"length": {"min_words": -1}})
    against = {"contamination": {"against": ["Dose 7?"]}}
    done(app, explore_samples.start_screen(app, PROJECT, ["contamination"], options=against))
    failed = samples.keys(app.store, PROJECT, HasVerdict(filter="contamination", passed=False))
    assert failed == ["s7"]


def test_a_map_is_coloured_zoomed_and_counted(app):
    map_run = maps.newest(app, PROJECT)
    done(app, explore_samples.start_screen(app, PROJECT, ["length"], options={"length": {"min_words": 50}}))
    for colour in (*map_store.COLOURS, "verdict:length", "score:length", "no such colour"):
        seen = maps.picture(app, PROJECT, map_run, EVERYTHING, colour)
        assert len(seen.points) == seen.inside == ROWS
        assert seen.density == []
    assert {p["colour"] for p in maps.picture(app, PROJECT, map_run, EVERYTHING, "broad").points} == {"b0", "b1"}
    assert {p["colour"] for p in maps.picture(app, PROJECT, map_run, EVERYTHING, "verdict:length").points} == {
        "fails"
    }
    topic = ColumnIs(column="topic", values=("t1",))
    near = maps.picture(app, PROJECT, map_run, topic, zoom=True)
    assert near.zoomed
    assert near.inside < ROWS
    assert {g["title"] for g in near.groups} == {"g1"}
    grid = map_store.density(app.store, map_run, topic, (-1.05, 1.05, -1.05, 1.05))
    assert sum(cell["rows"] for cell in grid) == 20
    assert samples.count(app.store, PROJECT, HasScore(filter="length", low=0)) == ROWS


def test_groups_tell_their_shares_and_two_runs_their_drift(app):
    map_run = maps.newest(app, PROJECT)
    group = maps.groups(app, map_run)[0]
    assert (group["size"], group["usable"], group["failing"], group["parent_title"]) == (20, 1.0, 0.0, "b0")
    with app.store.transaction() as tx:
        tx.execute("UPDATE samples SET run_id = 'generate-2' WHERE topic = 't2'")
    found = maps.drift(app, map_run, "generate-1", "generate-2")
    assert found["distance"] == pytest.approx(1.0)
    assert found["groups"][0]["title"] == "g2"
    assert maps.drift(app, map_run, "generate-1", "generate-1")["distance"] == 0


def test_a_teacher_names_the_groups_and_their_words_stay(app):
    map_run = maps.newest(app, PROJECT)
    teacher = SCRIPTED.model_copy(update={"script": {"answer": 'Title: "Doses of a drug."'}})
    run = maps.start_titles(app, PROJECT, map_run, teacher)
    assert len(run.read_lines("groups.jsonl")) == 3
    assert all(len(group["texts"]) == maps.TYPICAL for group in run.read_lines("groups.jsonl"))
    done(app, run)
    named = {g["title"]: g["words"] for g in maps.groups(app, map_run)}
    assert named == {f"Doses of a drug (g{i})": f"g{i}" for i in range(3)}  # one name for all would tell nothing
    drawn = {p["title"] for p in maps.picture(app, PROJECT, map_run, EVERYTHING).points}
    assert drawn == set(named)
    mute = SCRIPTED.model_copy(update={"script": {"answer": " ".join(["word"] * 30)}, "base_url": "other"})
    assert "3 of 3 groups keep their words" in done(app, maps.start_titles(app, PROJECT, map_run, mute)).message
    assert {g["title"] for g in maps.groups(app, map_run)} == set(named)


def test_answers_that_are_newer_than_the_map_are_counted(app):
    map_run = maps.newest(app, PROJECT)
    assert maps.unplaced(app, PROJECT, map_run) == 0
    with app.store.transaction() as tx:
        samples.insert(tx, [{**row(ROWS + i), "question": "New?"} for i in range(4)])
    assert maps.unplaced(app, PROJECT, map_run) == 4


@pytest.mark.models
def test_an_evaluation_item_is_found_in_other_words(real_app):
    asked = [
        "What is the usual dose of paracetamol for an adult?",
        "How much paracetamol does an adult usually take?",
        "When does a tenancy end?",
    ]
    with real_app.store.transaction() as tx:
        samples.insert(tx, [{**row(i), "question": text} for i, text in enumerate(asked)])
    check = "contamination_by_meaning"
    options = {check: {"against": asked[:1], "own": ["s0"], "threshold": 0.8}}
    done(real_app, explore_samples.start_screen(real_app, PROJECT, [check], options=options))
    assert samples.keys(real_app.store, PROJECT, HasVerdict(filter=check, passed=False)) == ["s1"]
    [reason] = real_app.store.rows("SELECT reason FROM current_verdicts WHERE NOT passed")
    assert asked[0] in reason["reason"]
    options[check].pop("own")
    done(real_app, explore_samples.start_screen(real_app, PROJECT, [check], options=options))
    assert samples.keys(real_app.store, PROJECT, HasVerdict(filter=check, passed=False)) == ["s0", "s1"]
