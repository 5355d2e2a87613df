"""From decisions to training text: what people mended is what is frozen, exported and learnt."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kdcore.configs.elicitation import Example
from kdcore.configs.selection import IsOneOf, Not, TextHas
from kdcore.elicitation import METHODS
from kdcore.errors import ConfigError
from kdcore.services import projects
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.datasets.chat_text import rejected_answers, texts
from kdcore.services.datasets.split import split_by_group
from kdcore.services.distill.input import Part, write_input
from kdcore.services.elicit import imports
from kdcore.services.export import datasets as dataset_export
from kdcore.services.generate import runs as generation_runs
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import App
from kdcore.store import samples
from tests.conftest import PLAIN, SCRIPTED, import_questions


@pytest.fixture
def answered(app: App, tmp_path: Path) -> str:
    project = projects.create_project(app, "P")
    import_questions(app, project, tmp_path, 20)
    example = Example(user="What is thing number 0?", assistant="An example.")
    template = METHODS["direct"].template.model_copy(update={"examples": (example,)})
    version = projects.save_prompt_version(app, project, "v", template)
    run = generation_runs.start_run(app, project, version, SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    return project


def training_rows(app: App, tmp_path: Path, *dataset_ids: str) -> dict[str, dict]:
    write_input(app, tmp_path / "input.parquet", [Part(dataset_id) for dataset_id in dataset_ids], "scripted")
    return {row["sample_id"]: row for row in pq.read_table(tmp_path / "input.parquet").to_pylist()}


def test_a_repeated_run_makes_new_answers_and_its_funnel_adds_up(app: App, answered: str):
    [version] = projects.prompt_versions(app, answered)
    again = generation_runs.start_run(app, answered, version["prompt_version_id"], SCRIPTED, PLAIN)
    assert app.wait(again.run_id).state == "done"
    assert generation_runs.funnel(app, again.run_id)["by_status"] == {"parsed": 20}
    assert app.store.scalar("SELECT count(DISTINCT sample_id) FROM samples") == 40


def test_an_edit_that_is_accepted_later_stays_an_edit(app: App, answered: str, tmp_path: Path):
    first, second, *_ = samples.keys(app.store, answered, review_decisions.REVIEWABLE)
    review_decisions.decide(app, first, "edit", "me", question="What is it, please?", answer="A better answer.")
    review_decisions.decide(app, first, "accept", "another")
    frozen = dataset_versions.freeze(app, answered, "D")
    row = next(r for r in dataset_versions.rows_of(app, frozen["dataset_id"]) if r["sample_id"] == first)
    assert (row["answer"], row["edited"]) == ("A better answer.", True)
    learnt = training_rows(app, tmp_path, frozen["dataset_id"])
    assert learnt[first]["completion"] == "A better answer."
    messages = json.loads(learnt[first]["messages"])
    assert messages[-1]["content"] == "What is it, please?"
    assert messages[1]["content"] == "What is thing number 0?", "a worked example is never touched"
    assert learnt[second]["completion"].startswith("Answer 0 to:")


def test_what_an_expert_mended_is_a_pair_and_a_feedback_row_keeps_its_worse_answers(app, answered, tmp_path):
    first, second, third, *_ = samples.keys(app.store, answered, review_decisions.REVIEWABLE)
    review_decisions.decide(app, first, "edit", "me", answer="A better answer.")
    same = samples.by_ids(app.store, [third])[0]["answer"]
    review_decisions.decide(app, third, "edit", "me", question="Only the question changed?", answer=same)
    frozen = dataset_versions.freeze(app, answered, "D")
    learnt = training_rows(app, tmp_path, frozen["dataset_id"])
    given = samples.by_ids(app.store, [first])[0]["completion"].strip()
    assert learnt[first]["rejected_answers"] == [given]
    assert learnt[second]["rejected_answers"] == learnt[third]["rejected_answers"] == []
    judged = {"answer": "best", "given": "best", "completion": "[1] > [2]", "extra": ""}
    assert rejected_answers({**judged, "extra": json.dumps({"chosen": "best", "rejected": "bad"})}) == ["bad"]
    assert rejected_answers({**judged, "extra": json.dumps({"ranked": ["best", "b", "b", "c"]})}) == ["b", "c"]
    mended = {**judged, "answer": "mended", "completion": "best", "extra": json.dumps({"rejected": "bad"})}
    assert rejected_answers(mended) == ["best", "bad"]


def test_a_smaller_draw_lies_in_a_larger_one_and_the_held_out_rows_stay(app, answered, tmp_path):
    version = dataset_versions.freeze(app, answered, "D", heldout_share=0.3)["dataset_id"]

    def drawn(rows: int, seed: int = 0) -> tuple[set[str], set[str]]:
        table = write_input(
            app, tmp_path / "i.parquet", [Part(version, rows=rows, seed=seed)], "scripted"
        ).to_pylist()
        by_split = [{r["sample_id"] for r in table if r["split"] == split} for split in ("train", "heldout")]
        return by_split[0], by_split[1]

    whole, held = drawn(0)
    small, large = drawn(4), drawn(9)
    assert len(small[0]) == 4
    assert len(large[0]) == 9
    assert small[0] < large[0] < whole
    assert small[1] == large[1] == held
    assert drawn(4, seed=1)[0] != small[0]
    assert drawn(10_000)[0] == whole


def test_an_undone_edit_is_gone(app: App, answered: str):
    [first, *_] = samples.keys(app.store, answered, review_decisions.REVIEWABLE)
    review_decisions.decide(app, first, "edit", "me", question="Other?", answer="Other.")
    review_decisions.undo(app, answered, "me")
    frozen = dataset_versions.freeze(app, answered, "D")
    assert not any(row["edited"] for row in dataset_versions.rows_of(app, frozen["dataset_id"]))


def test_an_export_is_what_the_student_learns(app: App, answered: str, tmp_path: Path):
    frozen = dataset_versions.freeze(app, answered, 'Odd: "name"', heldout_share=0.3)
    files = dataset_export.write(app, frozen["dataset_id"], "chat_jsonl", tmp_path / "out").files
    lines = [json.loads(line) for f in files if f.suffix == ".jsonl" for line in f.read_text().splitlines()]
    learnt = training_rows(app, tmp_path, frozen["dataset_id"])
    assert len(lines) == len(learnt) == 20
    for line in lines:
        row = learnt[line["metadata"]["sample_id"]]
        assert line["messages"][:-1] == json.loads(row["messages"])
        assert line["messages"][-1]["content"] == row["completion"]
    made = dataset_export.write(app, frozen["dataset_id"], "datasets_folder", tmp_path / "folder")
    card = next(file for file in made.files if file.name == "README.md").read_text()
    assert 'pretty_name: "Odd: \\"name\\" v1"' in card


def test_training_on_what_another_slice_holds_out_is_refused(app: App, answered: str, tmp_path: Path):
    one = dataset_versions.freeze(app, answered, "A", heldout_share=0.2, seed=0)
    splits = {
        dataset_versions.freeze(app, answered, f"B{s}", heldout_share=0.2, seed=s)["dataset_id"] for s in range(1, 5)
    }
    held = {r["group_key"] for r in dataset_versions.rows_of(app, one["dataset_id"], "heldout")}
    other = next(d for d in splits if {r["group_key"] for r in dataset_versions.rows_of(app, d, "heldout")} != held)
    with pytest.raises(ConfigError, match="another slice holds out"):
        write_input(app, tmp_path / "i.parquet", [Part(one["dataset_id"]), Part(other)], "scripted")
    training_rows(app, tmp_path, one["dataset_id"], one["dataset_id"])


def test_a_slice_trains_on_its_selection_and_measures_on_all(app: App, answered: str, tmp_path: Path):
    version = dataset_versions.freeze(app, answered, "A", heldout_share=0.2)["dataset_id"]
    held = {r["sample_id"] for r in dataset_versions.rows_of(app, version, "heldout")}
    ones = TextHas(field="question", query="number 1")
    table = write_input(app, tmp_path / "i.parquet", [Part(version, ones), Part(version, Not(part=ones))], "scripted")
    by_slice = [{r["sample_id"] for r in table.to_pylist() if r["slice"] == i} for i in (0, 1)]
    assert by_slice[0] & by_slice[1] == held
    assert len(by_slice[0] | by_slice[1]) == 20
    asked = {r["sample_id"]: r["question"] for r in dataset_versions.rows_of(app, version)}
    assert all("number 1" in asked[key] for key in by_slice[0] - held)
    with pytest.raises(ConfigError, match="selects no training row"):
        write_input(app, tmp_path / "i.parquet", [Part(version, TextHas(query="nowhere"))], "scripted")


def test_a_split_hardly_moves_when_a_group_is_added():
    groups = [f"g{i}" for i in range(20) for _ in range(5)]
    before = dict(zip(groups, split_by_group(groups, 0.15).sides, strict=True))
    more = [*groups, *["new"] * 5]
    after = dict(zip(more, split_by_group(more, 0.15).sides, strict=True))
    assert sum(before[g] != after[g] for g in before) <= 1
    assert split_by_group(["big"] * 100 + ["small"] * 10, 0.15).sides.count("heldout") == 10


def test_the_same_instruction_over_other_passages_is_another_seed(app: App, tmp_path: Path):
    project = projects.create_project(app, "S")
    path = tmp_path / "s.csv"
    path.write_text("q,passage\n" + "\n".join(f"Summarise it.,Passage {i % 3}" for i in range(6)))
    run = imports.read_file(app, project, path, path.name, "question", {"text": "q", "source": "passage"})
    assert app.wait(run.run_id).state == "done"
    assert imports.new_rows(app, run.run_id) == len(projects.seeds(app, project)) == 3


def test_only_selected_rows_are_frozen(app: App, answered: str):
    some = tuple(samples.keys(app.store, answered, review_decisions.REVIEWABLE)[:3])
    assert dataset_versions.freeze(app, answered, "D", IsOneOf(sample_ids=some))["row_count"] == 3


def test_one_decision_about_many_spares_what_people_judged_and_is_undone_as_one(app: App, answered: str):
    first, *_ = samples.keys(app.store, answered, review_decisions.REVIEWABLE)
    review_decisions.decide(app, first, "accept", "expert")
    ones = TextHas(field="question", query="number 1")
    expected = review_decisions.count_undecided(app, answered, ones)
    assert review_decisions.decide_all(app, answered, ones, "reject", "me") == expected > 1
    assert review_decisions.progress(app, answered)["reject"] == expected
    assert review_decisions.progress(app, answered)["accept"] == 1
    assert review_decisions.decide_all(app, answered, ones, "reject", "me") == 0
    assert review_decisions.undo(app, answered, "me") is not None
    assert review_decisions.progress(app, answered) == {
        "pending": 19, "accept": 1, "edit": 0, "reject": 0, "skip": 0, "total": 20, "decided": 1,
    }  # fmt: skip
    assert review_decisions.undo(app, answered, "me") is None
    with pytest.raises(ConfigError, match="accept or reject"):
        review_decisions.decide_all(app, answered, ones, "edit", "me")


def test_what_people_accept_or_mend_enters_whatever_a_parser_said(app: App, tmp_path: Path):
    project = projects.create_project(app, "Lost")
    import_questions(app, project, tmp_path, 6)
    prompt = projects.save_prompt_version(app, project, "v", METHODS["chain_of_thought"].template)
    run = generation_runs.start_run(app, project, prompt, SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    lost = review_decisions.queue(app, project, which="lost")
    assert lost and not review_decisions.queue(app, project)
    with pytest.raises(ConfigError, match="no usable or accepted sample"):
        dataset_versions.freeze(app, project, "D")
    review_decisions.decide(app, lost[0], "accept", "me")
    review_decisions.decide(app, lost[1], "edit", "me", answer="Mended.")
    frozen = dataset_versions.freeze(app, project, "D", heldout_share=0)
    rows = {row["sample_id"]: row for row in dataset_versions.rows_of(app, frozen["dataset_id"])}
    assert set(rows) == set(lost[:2])
    assert rows[lost[1]]["answer"] == "Mended." and rows[lost[0]]["answer"].strip()
    [learnt] = [row for row in texts(app, list(rows.values())) if row["sample_id"] == lost[0]]
    assert learnt["completion"] == rows[lost[0]]["answer"]
