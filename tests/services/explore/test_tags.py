"""Tags, saved views, duplicate groups and verdicts: kept, undone, replayed, and asked for only where needed."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kdcore.configs.selection import EVERYTHING, HasScore, HasTag, HasVerdict, IsOneOf
from kdcore.errors import ConfigError
from kdcore.records.journal import VerdictRecord
from kdcore.records.rows import SAMPLE, VerdictKey
from kdcore.services.explore import duplicates, saved_views, tags
from kdcore.services.explore import samples as explore_samples
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import App, open_app
from kdcore.store import samples, verdicts, worker_inputs
from kdcore.store import verdicts as pairs_store
from kdcore.workers.screen import basis_of

PROJECT = "pj"


def row(number: int, answer: str = "") -> dict:
    empty = dict.fromkeys(SAMPLE, "")
    numbers = {"n": 0, "prompt_tokens": 1, "completion_tokens": 1, "entropy": float(number), "captured_mass": 1.0}
    return {
        **empty,
        **numbers,
        **{"sample_id": f"s{number}", "request_id": f"r{number}", "run_id": "generate-1", "project_id": PROJECT},
        **{"status": "parsed", "question": f"q{number}", "answer": answer or f"answer {number}", "messages": "[]"},
        **{"role": "answer", "created": float(number), "mean_rank": 1.0},
    }


def said(number: int, check: str, *, passed: bool, related: str = "", score: float | None = 1.0) -> VerdictRecord:
    basis = basis_of(check, {}) if check in ("length", "refusal") else ""
    key = VerdictKey("check", check)
    return VerdictRecord.of(key, f"s{number}", passed=passed, score=score, related=related, basis=basis)


@pytest.fixture
def app(tmp_path: Path):
    opened = open_app(tmp_path / "ws")
    with opened.store.transaction() as tx:
        samples.insert(tx, [row(i, "x" * (i + 1)) for i in range(8)])
    yield opened
    opened.close()


def tagged(app: App, name: str) -> int:
    return samples.count(app.store, PROJECT, HasTag(tag=name))


def test_tags_change_what_changes_and_undo_takes_back_just_that(app):
    some = IsOneOf(sample_ids=("s1", "s2"))
    assert tags.tag(app, PROJECT, some, " unclear  dose ", "me") == 2
    assert tags.tag(app, PROJECT, EVERYTHING, "unclear dose", "me") == 6  # two have it already
    assert tagged(app, "unclear dose") == 8
    assert tags.undo(app, PROJECT, "me") == "unclear dose"
    assert tagged(app, "unclear dose") == 2
    assert tags.undo(app, PROJECT, "somebody else") is None
    assert tags.undo(app, PROJECT, "me") == "unclear dose", "a second undo goes one further back"
    assert tagged(app, "unclear dose") == 0
    assert tags.undo(app, PROJECT, "me") is None
    tags.tag(app, PROJECT, some, "unclear dose", "me")
    assert tags.tag_one(app, PROJECT, "s1", "unclear dose", "me", present=False) == 1
    assert tags.tags_of(app, "s1") == []
    assert tags.tags(app, PROJECT) == [{"tag": "unclear dose", "rows": 1}]
    with pytest.raises(ConfigError, match="1 to 60 characters"):
        tags.tag(app, PROJECT, some, "  ", "me")


def test_tags_and_views_outlive_the_database(app, tmp_path):
    tags.tag(app, PROJECT, IsOneOf(sample_ids=("s3",)), "keep", "me")
    saved_views.save(app, PROJECT, "mine", "filter=abc", "me")
    saved_views.save(app, PROJECT, "mine", "filter=def", "me")
    saved_views.save(app, PROJECT, "old", "filter=x", "me")
    saved_views.save(app, PROJECT, "old", "", "me", present=False)
    app.close()
    (tmp_path / "ws" / "kd.duckdb").unlink()
    again = open_app(tmp_path / "ws")
    try:
        assert tags.tags_of(again, "s3") == ["keep"]
        assert [(v["name"], v["query"]) for v in saved_views.of_project(again, PROJECT)] == [("mine", "filter=def")]
    finally:
        again.close()


def test_pairs_become_groups():
    assert duplicates.connected([("b", "a"), ("c", "b"), ("e", "d")]) == [["a", "b", "c"], ["d", "e"]]
    assert duplicates.connected([]) == []


def test_a_group_is_resolved_by_a_rule_and_taken_back_as_one(app):
    found = [
        said(3, "near_duplicates", passed=False, related="s1"),
        said(5, "exact_duplicates", passed=False, related="s3"),
        said(7, "same_meaning", passed=False, related="s6"),
        said(2, "length", passed=False, related="s0"),  # not a check of duplicates
    ]
    with app.store.transaction() as tx:
        verdicts.insert(tx, "screen-1", found)
    assert len(pairs_store.duplicate_pairs(app.store, PROJECT, EVERYTHING, ("length",))) == 1
    groups = duplicates.groups(app, PROJECT)
    assert [[m["sample_id"] for m in group] for group in groups] == [["s1", "s3", "s5"], ["s6", "s7"]]
    kept = {rule: duplicates.order(groups[0], rule)[0]["sample_id"] for rule in duplicates.RULES}
    assert kept == {"longest": "s5", "shortest": "s1", "first": "s1", "surest": "s1"}
    review_decisions.decide(app, "s3", "accept", "me")
    groups = duplicates.groups(app, PROJECT)
    assert duplicates.order(groups[0], "longest")[0]["sample_id"] == "s3", "what people accepted is kept"
    assert duplicates.resolve(app, PROJECT, groups, "longest", "me") == 3
    assert duplicates.groups(app, PROJECT) == []
    failing = HasVerdict(filter="same_meaning", passed=False)
    assert samples.count(app.store, PROJECT, failing) == 0, "the kept one is no duplicate of a rejected one"
    assert review_decisions.progress(app, PROJECT)["reject"] == 3
    review_decisions.undo(app, PROJECT, "me")
    assert len(duplicates.groups(app, PROJECT)) == 2
    assert samples.count(app.store, PROJECT, failing) == 1
    for key in ("s6", "s7"):
        review_decisions.decide(app, key, "accept", "me")
    assert len(duplicates.groups(app, PROJECT)) == 1, "where people accepted all there is nothing to resolve"
    with pytest.raises(ConfigError, match="unknown rule"):
        duplicates.order(groups[0], "prettiest")


def known(app: App, folder: Path) -> dict[str, list[str]]:
    worker_inputs.write_pairs(app.store, PROJECT, EVERYTHING, folder / "p.parquet")
    return {r["sample_id"]: sorted(r["known"] or []) for r in pq.read_table(folder / "p.parquet").to_pylist()}


def test_a_verdict_stands_until_the_text_is_edited(app, tmp_path):
    with app.store.transaction() as tx:
        verdicts.insert(tx, "screen-1", [said(1, "length", passed=True), said(2, "length", passed=False)])
    mark = f"length:{basis_of('length', {})}"
    assert known(app, tmp_path)["s1"] == [mark]
    assert known(app, tmp_path)["s3"] == []
    assert basis_of("length", {"min_words": 7}) != basis_of("length", {})
    review_decisions.decide(app, "s1", "edit", "me", question="q1", answer="another text")
    review_decisions.decide(app, "s2", "accept", "me")
    found = known(app, tmp_path)
    assert (found["s1"], found["s2"]) == ([], [mark])
    review_decisions.decide(app, "s1", "accept", "me")
    assert known(app, tmp_path)["s1"] == [], "an accept after the edit leaves the edited text to be judged"
    table = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert next(r for r in table if r["sample_id"] == "s1")["answer"] == "another text"


def test_a_newer_verdict_without_a_score_leaves_none_behind(app):
    old = said(1, "readability", passed=False, score=20.0).model_copy(update={"time": 1.0})
    new = said(1, "readability", passed=True, score=None)
    with app.store.transaction() as tx:
        verdicts.insert(tx, "screen-0", [old])
        verdicts.insert(tx, "screen-1", [new])
    assert samples.count(app.store, PROJECT, HasScore(filter="readability", low=0)) == 0


def test_a_score_selects_a_range(app):
    with app.store.transaction() as tx:
        verdicts.insert(tx, "screen-1", [said(i, "refusal", passed=True, score=i / 8) for i in range(8)])
    assert samples.count(app.store, PROJECT, HasScore(filter="refusal", low=0.5)) == 4
    assert samples.count(app.store, PROJECT, HasScore(filter="refusal", low=0.25, high=0.5)) == 2


def test_an_evaluation_set_is_read_or_its_line_is_named():
    good = "\n".join(json.dumps(r) for r in ({"question": "a"}, {"text": "b"}))
    assert explore_samples.texts_of(good.encode()) == ["a", "b"]
    odd = '\ufeff{"question": "a\u2028b", "answer": "c"}'
    assert explore_samples.texts_of(odd.encode()) == ["a\u2028b", "c"]
    for bad, why in (
        (b"{", "line 1"),
        (b"[1]", "no JSON object"),
        (b'{"x": 1}', "none of the fields"),
        (b"", "no row"),
    ):
        with pytest.raises(Exception, match=why):
            explore_samples.texts_of(bad)
