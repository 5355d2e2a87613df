"""Answers that are there, read by a teacher: killed and resumed, kept for their text alone, equal across engines."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from kdcore.configs.distillation import DistillConfig, SliceConfig, StudentConfig
from kdcore.configs.scoring import ScoreConfig
from kdcore.configs.teacher import Call, SamplingConfig, TeacherConfig
from kdcore.elicitation import METHODS
from kdcore.errors import ConfigError
from kdcore.jobs import topk_files
from kdcore.jobs.backends import local
from kdcore.models import DEFAULT_TEACHER
from kdcore.services import projects
from kdcore.services.datasets import scoring, token_view
from kdcore.services.datasets import topk as stored_topk
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.distill import runs as training_runs
from kdcore.services.distill.input import Part, texts, write_input
from kdcore.services.generate import runs as generation_runs
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import App
from kdcore.store import samples
from kdcore.teacher import open_teacher
from tests.conftest import PLAIN, SCRIPTED, import_questions
from tests.workers.test_generate import journal_lines, wait_for
from tests.workers.tiny import losses, tiny

__all__ = ["tiny"]

LIKELIHOOD = "SELECT sample_id, score FROM current_verdicts WHERE kind = 'likelihood' AND filter = 'scripted'"


@pytest.fixture
def answered(app: App, tmp_path: Path) -> str:
    """A project with 40 answers that carry no probabilities."""
    project = projects.create_project(app, "P")
    import_questions(app, project, tmp_path, 40)
    version = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    run = generation_runs.start_run(app, project, version, SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    return project


def test_a_killed_reading_goes_on_and_says_each_row_once(app: App, answered: str):
    frozen = dataset_versions.freeze(app, answered, "D")["dataset_id"]
    slow = SCRIPTED.model_copy(update={"script": {"delay_s": 0.03}})
    run = scoring.start(app, frozen, slow)
    for goal in (5, 30):  # an odd number ends between the two figures of a row
        wait_for(lambda goal=goal: journal_lines(run) >= goal)
        os.killpg(run.status().pid, signal.SIGKILL)
        wait_for(lambda: not local.is_alive(run.status()))
        app.launch(run)
    assert app.wait(run.run_id).state == "done"
    found = app.store.rows(LIKELIHOOD)
    assert len(found) == len({row["sample_id"] for row in found}) == 40
    assert all(row["score"] == pytest.approx(-0.7) for row in found)
    entropies = "SELECT count(*) FROM current_verdicts WHERE filter = 'scripted (entropy)' AND score > 0"
    assert app.store.scalar(entropies) == 40
    assert scoring.missing(app, frozen, "scripted") == []
    with pytest.raises(ConfigError, match="every row of this version"):
        scoring.start(app, frozen, SCRIPTED)


def test_probabilities_belong_to_one_text(app: App, answered: str, tmp_path: Path):
    first = app.store.scalar("SELECT min(sample_id) FROM samples")
    review_decisions.decide(app, first, "edit", "me", answer="a better answer")
    frozen = dataset_versions.freeze(app, answered, "D")["dataset_id"]
    assert app.wait(scoring.start(app, frozen, SCRIPTED).run_id).state == "done"
    rows = write_input(app, tmp_path / "one.parquet", [Part(frozen)], "scripted").to_pylist()
    [mended] = [row for row in rows if row["sample_id"] == first]
    assert mended["token_ids"] == [1, 6, 6] and mended["k"] == 2
    assert all(row["token_ids"] for row in rows)
    review_decisions.decide(app, first, "edit", "me", answer="another answer altogether")
    again = dataset_versions.freeze(app, answered, "D")["dataset_id"]
    rows = write_input(app, tmp_path / "two.parquet", [Part(again)], "scripted").to_pylist()
    assert [row["sample_id"] for row in rows if not row["token_ids"]] == [first]
    assert [row["sample_id"] for row in scoring.missing(app, again, "scripted")] == [first]
    assert stored_topk.of_sample(app, samples.by_ids(app.store, [first])[0])[0] is None


def test_a_reading_that_came_to_nothing_changes_nothing(app: App, answered: str, tmp_path: Path):
    frozen = dataset_versions.freeze(app, answered, "D")["dataset_id"]
    config = ScoreConfig(project_id=answered, dataset_id=frozen, teacher=TeacherConfig(model="org/typo"))
    app.create_run("score", config)  # no input yet, and none to come
    app.tick()
    assert training_runs.teacher_of(app, frozen) == "scripted"
    assert len(scoring.missing(app, frozen, "scripted")) == 40
    assert write_input(app, tmp_path / "input.parquet", [Part(frozen)], "scripted").num_rows == 40


def test_an_endpoint_can_not_read(app: App, answered: str):
    frozen = dataset_versions.freeze(app, answered, "D")["dataset_id"]
    there = TeacherConfig(engine="openai_http", model="m", base_url="http://127.0.0.1:1/v1")
    with pytest.raises(ConfigError, match="a model on this machine"):
        scoring.start(app, frozen, there)
    with pytest.raises(ConfigError, match="top_logprobs"):
        scoring.start(app, frozen, SCRIPTED, top_logprobs=0)


@pytest.mark.models
def test_vllm_reads_what_transformers_wrote(real_app: App, tmp_path: Path):
    project = projects.create_project(real_app, "P")
    import_questions(real_app, project, tmp_path, 6)
    version = projects.save_prompt_version(real_app, project, "v", METHODS["direct"].template)
    teacher = TeacherConfig(engine="transformers", model=DEFAULT_TEACHER, precision="float32")
    run = generation_runs.start_run(real_app, project, version, teacher, SamplingConfig(max_tokens=40, temperature=0))
    assert real_app.wait(run.run_id).state == "done"
    [part] = topk_files.parts(run.path)
    wrote = {row["sample_id"]: row for row in pq.read_table(part).to_pylist()}
    for sample in wrote:  # cut off or not: what people accept enters a version
        review_decisions.decide(real_app, sample, "accept", "me")
    frozen = dataset_versions.freeze(real_app, project, "D")["dataset_id"]
    part.unlink()  # as if another model had written them
    reader = teacher.model_copy(update={"engine": "vllm"})
    scored = scoring.start(real_app, frozen, reader)
    assert real_app.wait(scored.run_id, timeout_s=300).state == "done"
    read = {
        row["sample_id"]: row for path in topk_files.parts(scored.path) for row in pq.read_table(path).to_pylist()
    }
    assert read and read.keys() <= wrote.keys()
    for sample, row in read.items():
        same = min(len(row["token_ids"]), len(wrote[sample]["token_ids"])) - 1
        assert row["token_ids"][:same] == wrote[sample]["token_ids"][:same]
        ours, theirs = (np.array(found["topk_logprobs"][: 20 * same], float) for found in (row, wrote[sample]))
        assert np.abs(ours - theirs).max() < 0.03  # kept as float16
    assert training_runs.teacher_of(real_app, frozen) == DEFAULT_TEACHER
    assert len(token_view.tokens(real_app, next(iter(read)))) == len(next(iter(read.values()))["token_ids"])


@pytest.mark.models
def test_transformers_reads_what_it_wrote(models: Path):
    config = TeacherConfig(engine="transformers", model=DEFAULT_TEACHER, precision="float32")
    sampling = SamplingConfig(max_tokens=24, temperature=0)
    teacher = open_teacher(config, models / DEFAULT_TEACHER, sampling)
    asked = [
        Call(str(i), [{"role": "user", "content": text}], sampling)
        for i, text in enumerate(("Name a colour.", "What does a contract need before it binds both sides?"))
    ]
    wrote = {reply.call_id: reply for reply in teacher.generate(iter(asked), lambda: None)}
    given = [replace(call, answer=wrote[call.call_id].text) for call in asked]
    for reply in teacher.generate(iter(given), lambda: None):
        old, same = wrote[reply.call_id].topk, min(len(reply.token_ids), len(wrote[reply.call_id].token_ids)) - 1
        assert reply.topk is not None and old is not None and len(reply.logprobs) == len(reply.token_ids)
        assert np.allclose(reply.topk.logprobs[:same], old.logprobs[:same], atol=1e-3)
        assert np.allclose(reply.logprobs[:same], [row[0] for row in old.logprobs[:same]], atol=1e-3)  # greedy
    teacher.close()


def test_a_second_teacher_reads_all_again_and_both_have_their_say(app: App, answered: str):
    frozen = dataset_versions.freeze(app, answered, "D")["dataset_id"]
    other = SCRIPTED.model_copy(update={"model": "scripted-other"})
    for teacher in (SCRIPTED, other):
        run = scoring.start(app, frozen, teacher, second=teacher is other)
        assert app.wait(run.run_id).state == "done"
    with pytest.raises(ConfigError, match="every row of this version"):
        scoring.start(app, frozen, other, second=True)
    rows = texts(app, dataset_versions.rows_of(app, frozen))
    both = {"scripted", "scripted-other"}
    one = stored_topk.of_rows(app, rows, both)
    mean = stored_topk.of_rows(app, rows, both, "mean")
    assert len(one) == len(mean) == 40
    assert {row["teacher_model"] for row in one.values()} < both
    assert {row["teacher_model"] for row in mean.values()} == {"scripted and scripted-other"}
    for sample, row in mean.items():
        assert np.exp(row["topk_logprobs"]) == pytest.approx(np.exp(one[sample]["topk_logprobs"]), abs=1e-3)


@pytest.mark.models
def test_words_drawn_from_the_tail_reach_the_training(app: App, answered: str, tiny: Path):
    frozen = dataset_versions.freeze(app, answered, "D", heldout_share=0.2)["dataset_id"]
    with pytest.raises(ConfigError, match="can't be drawn by scripted"):
        scoring.start(app, frozen, SCRIPTED, tail_words=3)
    reader = TeacherConfig(engine="transformers", model=str(tiny), precision="float32")
    plain = scoring.start(app, frozen, reader)
    assert app.wait(plain.run_id, timeout_s=120).state == "done"
    assert scoring.missing(app, frozen, str(tiny)) == []
    drawn = scoring.start(app, frozen, reader, tail_words=64)  # reads all again
    assert app.wait(drawn.run_id, timeout_s=120).state == "done"
    assert scoring.missing(app, frozen, str(tiny), tail=True) == []
    recipe = {"student": StudentConfig(keep_layers=2), "max_steps": 3, "general_rows": 0, "shown_answers": 0}
    firsts: list[float] = []
    for tail in ("bucket", "drawn"):
        config = DistillConfig(slices=(SliceConfig(dataset_id=frozen, tail=tail),), **recipe)
        run = training_runs.start_run(app, answered, config)
        assert app.wait(run.run_id, timeout_s=120).state == "done", run.status().message
        firsts.append(losses(run)[1])
    assert firsts[0] != firsts[1]  # of the same rows
    # Teacher and student are new, and alike: hardly any distance. Of 64 drawn words a step's value spreads by 0.0005.
    assert abs(firsts[0]) < 1e-4 and abs(firsts[1]) < 5e-3
    for row in pq.read_table(run.path / "input.parquet").to_pylist():
        top = np.reshape(row["topk_ids"], (-1, 20))
        for words, likeliest in zip(np.reshape(row["tail_ids"], (-1, 64)), top, strict=True):
            assert not set(words) & set(likeliest)
