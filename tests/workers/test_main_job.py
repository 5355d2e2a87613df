"""The main job on real models, as `kd demo` runs it: the figures that a user is promised."""

import json
import math
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from kdcore.hardware import torch_device
from kdcore.services import main_job, projects
from kdcore.services.elicit import trial
from kdcore.services.evaluate import comparison
from kdcore.services.explore import samples as explore_samples
from kdcore.services.generate import forecast
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import App, open_app
from kdcore.store import runs

pytestmark = pytest.mark.models
ROWS = 24  # the size that is promised


@pytest.fixture(scope="module")
def demo(tmp_path_factory, models) -> tuple[Path, dict]:
    root = tmp_path_factory.mktemp("demo") / "ws"
    root.mkdir()
    (root / "models").symlink_to(models)
    command = [sys.executable, "-m", "kdcore.cli", "demo", "--rows", str(ROWS), "--json", "--workspace", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return root, json.loads(done.stdout)


def test_the_figures_add_up(demo):
    _, found = demo
    assert set(found) == {"samples", "teacher", "embed", "dataset", "distill", "evaluate", "student", "seconds"}
    assert found["samples"]["requested"] == found["samples"]["answered"] == ROWS
    assert found["samples"]["parsed"] >= 0.9 * ROWS
    assert found["samples"]["kept"] == found["dataset"]["rows"] <= found["samples"]["parsed"]
    assert found["teacher"]["engine"] == "vllm"
    assert found["teacher"]["tokens_per_s"] > 0
    assert found["embed"]["dim"] == 384
    assert found["embed"]["clusters"] >= 2
    assert found["distill"]["loss_last"] < found["distill"]["loss_first"]
    assert found["distill"]["eval_last"] < found["distill"]["eval_first"]


def test_the_student_answers_the_question_alone_about_as_well_as_the_prompted_teacher(demo):
    student = demo[1]["student"]
    assert 3 <= student["of"] <= demo[1]["dataset"]["rows"] and 0 <= student["passed"] <= student["of"]
    assert student["prompt_tokens"] <= 0.4 * student["teacher_prompt_tokens"], "neither system message nor examples"
    assert 0 < student["rouge_l"] <= 1 and student["words"] > 5, "it says something; so few answers rank nothing"


def test_the_student_lies_between_base_and_teacher(demo):
    figures = demo[1]["evaluate"]
    assert figures["teacher"]["forward_kl"] == pytest.approx(0.0, abs=1e-6)
    assert figures["teacher"]["top1"] == 1.0
    assert figures["student"]["forward_kl"] < figures["base"]["forward_kl"]
    assert all(math.isfinite(v) for measures in figures.values() for v in measures.values())


@pytest.fixture
def app(demo) -> App:
    opened = open_app(demo[0])
    yield opened
    for run, _ in opened.active_runs():
        opened.stop(run.run_id)
        opened.wait(run.run_id, timeout_s=60)
    opened.close()


def test_every_sample_leads_to_its_ancestors_and_descendants(app: App):
    [evaluated] = runs.list_runs(app.store, kind="evaluate")
    worst = comparison.worst_first(app, evaluated["run_id"])[0]
    sample = explore_samples.sample(app, worst["sample_id"])
    line = sample["lineage"]
    assert line["prompt"]["name"] == "Short answers"
    assert line["seed"]["text"] == sample["question"]
    assert line["datasets"][0]["split"] == "heldout"
    assert line["trainings"]
    assert {e["candidate"] for e in line["evaluations"]} == {"base", "student", "teacher"}


def test_no_config_names_a_path_of_this_machine(app: App):
    kinds: set[str] = set()
    for path in sorted(app.folders.runs.iterdir()):
        assert str(app.folders.root) not in (path / "config.json").read_text(), path.name
        kinds.add(path.name.split("-")[0])
    assert {"read_upload", "generate", "embed", "screen", "distill", "evaluate"} <= kinds


def test_signals_are_stored_for_every_answer(app: App):
    rows = app.store.rows("SELECT entropy, captured_mass FROM samples WHERE status = 'parsed'")
    assert all(r["entropy"] >= 0 and 0.3 < r["captured_mass"] <= 1 for r in rows)


def test_search_by_meaning_finds_the_question_itself(app: App):
    plan = main_job.load(app)
    [first, *_] = app.store.rows("SELECT sample_id, question FROM samples ORDER BY sample_id")
    run_id, key = explore_samples.start_search(app, plan.project_id, text=first["question"])
    hits = _poll(lambda: explore_samples.search_hits(app, run_id, key))
    assert first["sample_id"] in [h["sample_id"] for h in hits[:3]]
    assert hits == sorted(hits, key=lambda h: -h["score"])


def test_one_question_to_all_three(app: App):
    [trained] = runs.list_runs(app.store, kind="distill")
    run_id, key, _ = comparison.ask_all(app, trained["run_id"], "What is a will?")
    found = _poll(lambda: comparison.answers(app, run_id, key))
    assert set(found) == {"base", "student", "teacher"}
    assert found["teacher"] != found["base"]


def test_the_warm_teacher_answers_a_trial_with_the_full_runs_parser(app: App):
    from kdcore.services.models import default_teacher

    plan = main_job.load(app)
    template = main_job.SAMPLE_TEMPLATE
    teacher, sampling = default_teacher(), generation_runs.SamplingConfig(max_tokens=48)
    run_id, key, requests = trial.start(app, plan.project_id, template, teacher, sampling, 3)
    answers = _poll(lambda: trial.answer(app, run_id, key, template, teacher, sampling, requests))
    assert len(answers) == 3
    assert all(row["status"] in ("parsed", "truncated") for a in answers for row in a["rows"])
    ahead = forecast.forecast(app, plan.project_id, template, teacher, sampling, 30)
    assert "trial of these settings" in ahead["basis"]
    assert projects.seed_counts(app, plan.project_id)
    if torch_device() == "cpu":  # one process computes: nothing is imported twice, nothing stays when it is killed
        helpers = psutil.Process(app.status(run_id).pid).children(recursive=True)
        assert not [each for each in helpers if "VLLM" in each.name()]
    app.stop(run_id)
    app.wait(run_id, timeout_s=60)


def _poll(ask, timeout_s: float = 240.0):
    import time

    deadline = time.monotonic() + timeout_s
    while (found := ask()) is None:
        assert time.monotonic() < deadline, "no answer in time"
        time.sleep(0.2)
    return found
