"""What a training wrote is read back: rows of a step, the hardest rows, answers, sweeps and their queue."""

import json
import math
import threading
import time
from pathlib import Path

import pytest

from kdcore.configs.distillation import DistillConfig, SliceConfig, StudentConfig
from kdcore.configs.selection import EVERYTHING, IsOneOf
from kdcore.elicitation import METHODS
from kdcore.errors import ConfigError, JobError, KdError
from kdcore.exporters import EXPORTERS
from kdcore.governance import teacher_terms
from kdcore.jobs.backends import local
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.records.journal import TrainAnswerRecord, VerdictRecord
from kdcore.records.rows import VerdictKey
from kdcore.records.status import Status
from kdcore.services import governance, projects
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.datasets.tokenizers import same_tokens
from kdcore.services.distill import runs as training_runs
from kdcore.services.distill import sweeps
from kdcore.services.distill.input import Part, write_input
from kdcore.services.explore import samples as explore_samples
from kdcore.services.explore import tags
from kdcore.services.export import datasets as dataset_export
from kdcore.services.generate import runs as generation_runs
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import App, rebuild
from tests.conftest import PLAIN, SCRIPTED, import_questions


@pytest.fixture
def version(app: App, tmp_path: Path) -> dict:
    project = projects.create_project(app, "P")
    import_questions(app, project, tmp_path, 20)
    prompt = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    run = generation_runs.start_run(app, project, prompt, SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    return dataset_versions.freeze(app, project, "D", heldout_share=0.3)


def recipe(version: dict, **changes) -> DistillConfig:
    return DistillConfig(
        project_id=version["project_id"], slices=(SliceConfig(dataset_id=version["dataset_id"]),), **changes
    )


def told(app: App, version: dict, name: str, epoch: int, body, **changes) -> RunDir:
    """A run whose journal says what ``body`` writes, as a worker would have."""
    path = app.folders.runs / f"distill-{name}"
    run = (
        RunDir(path)
        if path.exists()
        else RunDir.create(app.folders.runs, path.name, recipe(version, **changes).model_dump(mode="json"))
    )
    run.seal_journals()
    run.write_status(Status("queued", epoch=epoch))
    with Reporter(run, epoch) as reporter:
        body(reporter)
    app._settled.discard(run.run_id)
    app.tick()
    return run


def test_a_step_that_was_made_again_counts_once(app: App, version: dict):
    rows = [r["sample_id"] for r in dataset_versions.rows_of(app, version["dataset_id"], "train")]
    held = dataset_versions.rows_of(app, version["dataset_id"], "heldout")[0]

    def first(reporter: Reporter) -> None:
        reporter.learnt(1, [(rows[0], 0, 4.0), (rows[1], 0, 2.0)])
        reporter.learnt(2, [(rows[2], 0, 9.0), (rows[0], 0, 8.0)])  # the kill comes here: step 2 is made again

    def second(reporter: Reporter) -> None:
        reporter.learnt(2, [(rows[2], 0, 3.0), (rows[0], 0, 1.0)])
        reporter.append(TrainAnswerRecord(attempt=2, step=2, sample_id=held["sample_id"], completion=held["answer"]))

    told(app, version, "a", 1, first)
    run = told(app, version, "a", 2, second)
    again = training_runs.rows_of_step(app, run.run_id, 2)
    assert [(row["sample_id"], row["loss"]) for row in again] == [(rows[2], 3.0), (rows[0], 1.0)]
    assert again[0]["question"].startswith("What is thing")
    assert [(r["sample_id"], r["first"], r["last"], r["times"]) for r in training_runs.hardest(app, run.run_id)] == [
        (rows[2], 3.0, 3.0, 1),
        (rows[1], 2.0, 2.0, 1),
        (rows[0], 4.0, 1.0, 2),
    ]
    [said] = training_runs.answers(app, run.run_id)
    assert (said["question"], said["reference"]) == (held["question"], held["answer"])
    assert said["measures"]["rouge_l"] == 1.0
    [met] = explore_samples.sample(app, rows[0])["lineage"]["losses"]
    assert (met["run_id"], met["first"], met["last"], met["times"]) == (run.run_id, 4.0, 1.0, 2)
    app.close()
    rebuild(app.folders.root)
    opened = App(app.folders)
    assert training_runs.rows_of_step(opened, run.run_id, 2) == again
    opened.close()


def test_a_sweep_is_every_combination_and_says_what_can_not_be(version: dict):
    base = recipe(version, epochs=1)
    plan = sweeps.plan(base, ["forward_kl", "sequence_level_kd"], [5, 0], [0, 1], "s")
    assert len(plan) == 8
    assert {(c.seed, c.slices[0].loss, c.slices[0].rows) for c in plan} == {
        (seed, loss, rows) for seed in (0, 1) for loss in ("forward_kl", "sequence_level_kd") for rows in (5, 0)
    }
    assert all(c.sweep == "s" and c.epochs == 1 for c in plan)
    assert sweeps.plan(base, [], [], [], "s") == [base.model_copy(update={"sweep": "s"})]
    with pytest.raises(ConfigError, match="at most 100"):
        sweeps.plan(base, [], [], list(range(101)), "s")
    with pytest.raises(ConfigError, match="no_such_loss"):
        sweeps.plan(base, ["no_such_loss"], [], [], "s")


def test_queued_trainings_start_one_after_the_other_also_after_a_restart(app: App, version: dict, monkeypatch):
    started: list[str] = []

    def start(run: RunDir) -> int:
        started.append(run.run_id)
        run.write_status(Status("running", pid=0, epoch=1))
        return 0

    monkeypatch.setattr(local, "start", start)
    monkeypatch.setattr(training_runs, "resolve_paths", lambda _, config: config)  # no model is here
    made = sweeps.start(app, version["project_id"], recipe(version), seeds=[0, 1, 2, 3])
    assert started == made[:1]
    sweeps.advance(app)
    assert started == made[:1], "the first one still runs"
    app.run_dir(made[0]).write_status(Status("done", epoch=1))
    sweeps.take_out(app, [made[2]])
    app.close()
    again = App(app.folders)
    sweeps.advance(again)
    assert started == made[:2]
    again.run_dir(made[1]).write_status(Status("failed", epoch=1))
    sweeps.advance(again)
    assert started == [made[0], made[1], made[3]]
    assert sweeps.queued(again) == []
    again.close()


def test_a_mixed_recipe_keeps_its_other_slices(version: dict):
    first = SliceConfig(dataset_id=version["dataset_id"], loss="sequence_level_kd")
    second = SliceConfig(dataset_id=version["dataset_id"], loss="dpo", rows=50)
    base = DistillConfig(slices=(first, second))
    assert [c.slices for c in sweeps.plan(base, [], [], [0, 1], "s")] == [(first, second)] * 2
    [one] = sweeps.plan(base, ["forward_kl"], [7], [], "s")
    assert one.slices == (first.model_copy(update={"loss": "forward_kl", "rows": 7}), second)


def test_a_queued_training_that_was_stopped_or_can_not_start_never_blocks_the_next(app, version, monkeypatch):
    started: list[str] = []

    def start(run: RunDir) -> int:
        if run.run_id == made[1]:
            raise JobError("the disk is full.")
        started.append(run.run_id)
        run.write_status(Status("done", epoch=1))
        return 0

    monkeypatch.setattr(training_runs, "resolve_paths", lambda _, config: config)
    monkeypatch.setattr(sweeps, "advance", lambda _: None)
    made = sweeps.start(app, version["project_id"], recipe(version), seeds=[0, 1, 2, 3])
    monkeypatch.undo()
    monkeypatch.setattr(local, "start", start)
    app.run_dir(made[0]).write_status(Status("cancelled", message="stopped"))  # by hand, while it waited
    sweeps.take_out(app, [made[2]])
    sweeps.wait(app, made)
    assert started == [made[3]]
    assert [app.run_dir(run).status().state for run in made] == ["cancelled", "failed", "cancelled", "done"]
    assert "the disk is full" in app.run_dir(made[1]).status().message
    assert sweeps.queued(app) == []


def test_two_threads_start_one_training(app: App, version: dict, monkeypatch):
    started: list[str] = []

    def start(run: RunDir) -> int:
        time.sleep(0.3)
        started.append(run.run_id)
        run.write_status(Status("running", epoch=1))
        return 0

    monkeypatch.setattr(training_runs, "resolve_paths", lambda _, config: config)
    monkeypatch.setattr(local, "start", start)
    other = threading.Thread(target=lambda: [sweeps.advance(app) for _ in range(20) if not time.sleep(0.02)])
    other.start()
    made = sweeps.start(app, version["project_id"], recipe(version), seeds=[0, 1])
    other.join()
    assert started == made[:1]
    app.run_dir(made[0]).write_status(Status("done", epoch=1))


def test_results_are_means_over_seeds_of_the_runs_that_are_done(app: App, version: dict):
    def ends(value: float):
        def body(reporter: Reporter) -> None:
            reporter.metric(0, "heldout", {"forward_kl": 99.0})
            reporter.metric(4, "heldout", {"forward_kl": value})

        return body

    runs = [told(app, version, f"s{i}", 1, ends(v), seed=i).run_id for i, v in enumerate((1.0, 2.0, 3.0))]
    waiting = RunDir.create(app.folders.runs, "distill-w", recipe(version, seed=9).model_dump(mode="json")).run_id
    [row] = sweeps.results(app, [*runs, waiting])
    found = row["measures"]["forward_kl"]
    assert (row["arm"], row["rows"], found["mean"], found["n"]) == ("forward kl", 0, 2.0, 3)
    other = told(app, version, "o", 1, ends(9.0), seed=0, sweep="another", learning_rate=0.01).run_id
    assert len(sweeps.results(app, [*runs, other])) == 2, "another sweep may differ in anything: it is not pooled"
    assert found["high"] == pytest.approx(2 + 4.303 / math.sqrt(3), abs=1e-3)


def test_rows_of_several_teachers_keep_their_top_k_where_the_tokens_are_the_same(app: App, tmp_path: Path):
    def folder(name: str, vocabulary: dict[str, int]) -> str:
        path = tmp_path / name
        path.mkdir()
        (path / "config.json").write_text("{}")
        tokenizer = {"model": {"type": "BPE", "vocab": vocabulary}, "added_tokens": [{"id": 9, "content": "<end>"}]}
        (path / "tokenizer.json").write_text(json.dumps(tokenizer))
        return str(path)

    one, two, other = folder("one", {"a": 0}), folder("two", {"a": 0}), folder("other", {"a": 1})
    assert same_tokens(app, one, {one, two, other, "org/on-the-hub", "gone"}) == {one, two}
    assert same_tokens(app, "gone", {one}) == {"gone"}


def test_training_rows_can_be_narrowed_by_what_they_carry(app: App, version: dict):
    rows = [r["sample_id"] for r in dataset_versions.rows_of(app, version["dataset_id"], "train")]
    tags.tag(app, version["project_id"], IsOneOf(sample_ids=(rows[0],)), "hard", "me", present=True)
    found = dataset_versions.labels(app, version["dataset_id"])
    assert found["tags"] == ["hard"]
    assert found["teachers"] == ["scripted"]
    assert found["picks"] == []
    assert set(found["topics"]) <= {f"topic {i}" for i in range(5)}


def test_what_can_not_be_trusted_is_counted_at_each_evaluation(app: App, version: dict):
    held = [row["sample_id"] for row in dataset_versions.rows_of(app, version["dataset_id"], "heldout")][:2]
    said = {
        0: ["As an AI I can't help.", "It is so under Section 12 of the Act."],
        5: ["A plain answer.", "the same four words " * 12],
    }

    def body(reporter: Reporter) -> None:
        for step, texts in said.items():
            for sample, text in zip(held, texts, strict=True):
                reporter.append(TrainAnswerRecord(attempt=1, step=step, sample_id=sample, completion=text))

    run = told(app, version, "trust", 1, body)
    assert training_runs.trust(app, run.run_id) == [
        {"step": 0, "answers": 2, "refuses": 0.5, "repeats": 0.0, "cites": 0.5},
        {"step": 5, "answers": 2, "refuses": 0.0, "repeats": 0.5, "cites": 0.0},
    ]


def test_the_student_of_a_run_can_be_trained_further(app: App, version: dict):
    further = recipe(version, student=StudentConfig(init="model", model="distill-first"))
    run = RunDir.create(app.folders.runs, "distill-first", recipe(version).model_dump(mode="json"))
    with pytest.raises(ConfigError, match="no finished student yet"):
        training_runs.resolve_paths(app, further)
    (run.path / "student").mkdir()
    (run.path / "student" / "config.json").write_text("{}")
    assert training_runs.resolve_paths(app, further).student_path == str(run.path / "student")
    # what the earlier student learnt must not be held out from the one that goes on from it
    other = dataset_versions.freeze(app, version["project_id"], "Other split", heldout_share=0.4, seed=3)
    with pytest.raises(ConfigError, match="belong to groups that another slice holds out"):
        training_runs.make_run(app, "preflight", version["project_id"], recipe(other, student=further.student))


def test_a_budget_is_drawn_by_chance_or_by_a_pick(app: App, version: dict, tmp_path: Path):
    train = [row["sample_id"] for row in dataset_versions.rows_of(app, version["dataset_id"], "train")]
    pick, chosen = "pick: k-centre 3 (abc123)", [train[4], train[1], train[6]]

    def body(reporter: Reporter) -> None:
        for place, sample in enumerate(chosen):
            reporter.append(VerdictRecord.of(VerdictKey.parse(pick), sample, score=-float(place)))

    told(app, version, "pick", 1, body)

    def drawn(rows: int, by: str) -> set[str]:
        part = Part(version["dataset_id"], rows=rows, subset=by)
        found = write_input(app, tmp_path / "input.parquet", [part], "scripted").to_pylist()
        return {row["sample_id"] for row in found if row["split"] == "train"}

    assert drawn(2, pick) == set(chosen[:2])
    assert len(drawn(2, "")) == 2 and drawn(2, "") < drawn(5, "")
    assert drawn(0, pick) == set(train)
    with pytest.raises(ConfigError, match="holds 3 training rows of version"):
        drawn(4, pick)
    with pytest.raises(ConfigError, match="all are asked for"):
        sweeps.plan(recipe(version), [], [0], [0], "s", [pick])
    plan = sweeps.plan(recipe(version), [], [2, 0], [0], "s", ["", pick])
    assert [(c.slices[0].rows, c.slices[0].subset, c.arm) for c in plan] == [
        (2, "", "forward kl"),
        (2, pick, "forward kl + k-centre 3 (abc123)"),
        (0, "", "forward kl"),
    ]


def test_rejected_answers_reach_only_the_loss_that_learns_to_avoid_them(app: App, version: dict, tmp_path: Path):
    project = version["project_id"]
    held = {row["sample_id"] for row in dataset_versions.rows_of(app, version["dataset_id"], "heldout")}
    train = [row["sample_id"] for row in dataset_versions.rows_of(app, version["dataset_id"], "train")]
    bad = {train[0], min(held)}
    groups = dataset_versions.held_groups(app, version["dataset_id"])  # a share of fewer rows may be other groups
    for sample in bad:
        review_decisions.decide(app, sample, "reject", "me")
    assert dataset_versions.rejected_count(app, project, EVERYTHING) == 2
    with_bad = dataset_versions.freeze(app, project, "D", rejected=EVERYTHING, held=groups)["dataset_id"]
    [listed] = [d for d in dataset_versions.list_datasets(app, project) if d["dataset_id"] == with_bad]
    assert (listed["rejected"], listed["train"] + listed["heldout"]) == (1, 18), "of held-out groups none comes along"
    assert bad.isdisjoint(row["sample_id"] for row in dataset_versions.rows_of(app, with_bad))
    assert bad & {row["sample_id"] for row in dataset_versions.rows_of(app, with_bad, rejected=True)} == {train[0]}

    def written(**changes) -> dict[str, tuple[str, bool]]:
        found = write_input(app, tmp_path / "input.parquet", [Part(with_bad, **changes)], "scripted").to_pylist()
        return {row["sample_id"]: (row["split"], row["undesirable"]) for row in found}

    assert train[0] not in written()
    assert written(bad_too=True)[train[0]] == ("train", True)
    assert sum(is_bad for _, is_bad in written(bad_too=True).values()) == 1
    for name in (name for name, exporter in EXPORTERS.items() if not (exporter.rejected or exporter.needs)):
        for file in dataset_export.write(app, with_bad, name, tmp_path / name).files:
            assert train[0].encode() not in file.read_bytes(), name
    app.close()
    rebuild(app.folders.root)
    opened = App(app.folders)
    assert len(dataset_versions.rows_of(opened, with_bad, rejected=True)) == 19
    opened.close()


def test_a_students_rows_are_bound_by_what_it_learnt_from(app: App, version: dict, tmp_path: Path, monkeypatch):
    run = RunDir.create(app.folders.runs, "distill-first", recipe(version).model_dump(mode="json"))
    write_input(app, run.path / "input.parquet", [Part(version["dataset_id"])], "scripted")
    student = SCRIPTED.model_copy(update={"engine": "transformers", "model": run.run_id})
    assert governance.refuse_zone(app, version["project_id"], student).entry.id == "scripted"
    assert governance.undecided_terms(app, version["project_id"], [version["dataset_id"]]) == []
    by_folder = student.model_copy(update={"model": str(run.path / "student")})
    assert governance.refuse_zone(app, version["project_id"], by_folder).entry.id == "scripted"
    denied = teacher_terms.UNKNOWN.model_copy(update={"id": "strict", "train": "deny"})
    monkeypatch.setattr(governance, "entry_of", lambda terms: denied)
    assert governance.refuse_zone(app, version["project_id"], student).entry.id == "strict"
    with pytest.raises(ConfigError, match="or have someone who may decide it write down why"):
        training_runs.make_run(app, "preflight", version["project_id"], recipe(version))
    with pytest.raises(ConfigError, match="needs a name and the reason"):
        governance.decide_terms(app, version["project_id"], "scripted", "strict", "me", "fine")
    governance.decide_terms(app, version["project_id"], "scripted", "strict", "R. Counsel", "Agreement 12 of 2026")
    assert governance.undecided_terms(app, version["project_id"], [version["dataset_id"]]) == []
    app.close()
    rebuild(app.folders.root)
    opened = App(app.folders)
    assert governance.undecided_terms(opened, version["project_id"], [version["dataset_id"]]) == []
    opened.close()


@pytest.mark.parametrize("written", [b"{", b"null", b'{"student": null}', b"\xff\xfe"])
def test_a_student_whose_beginning_can_not_be_read_is_refused_in_a_sentence(app: App, version: dict, written: bytes):
    run = RunDir.create(app.folders.runs, "distill-first", recipe(version).model_dump(mode="json"))
    (run.path / "config.json").write_bytes(written)
    student = SCRIPTED.model_copy(update={"engine": "transformers", "model": run.run_id})
    with pytest.raises(KdError, match=r"config\.json of run distill-first is damaged|student: "):
        governance.refuse_zone(app, version["project_id"], student)


def test_the_strictest_terms_bind():
    order = [teacher_terms.UNKNOWN.model_copy(update={"id": t, "train": t}) for t in teacher_terms.STRICTNESS]
    assert teacher_terms.strictest(order).id == "deny"
    assert teacher_terms.strictest(order[:2]).id == "allow_with_conditions"
    assert teacher_terms.strictest([]) == teacher_terms.UNKNOWN
    assert [teacher_terms.needs_decision(entry) for entry in order] == [False, False, True, True, True]
