"""Policies, reward models and encoders: real workers on tiny models, killed and resumed, and what they leave."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdcore.configs.base import load_config
from kdcore.configs.distillation import DistillConfig
from kdcore.errors import ConfigError
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.tail import read_journal, read_metrics
from kdcore.models import DEFAULT_EMBEDDER
from kdcore.services.distill.input import SCHEMA
from kdcore.services.workspace import App
from tests.workers.tiny import kill, tiny, wait_for_step

__all__ = ["tiny"]
pytestmark = pytest.mark.models


def start(app: App, name: str, path: Path, rows: list[dict], loss: str, launch: bool = True, **changes) -> RunDir:
    config = load_config(
        DistillConfig,
        {
            "slices": [{"dataset_id": "d", "loss": loss}],
            "student": {"init": "model", "model": str(path)},
            "student_path": str(path),
            "max_steps": 6,
            "batch_size": 2,
            "save_every": 2,
            "eval_every": 3,
            "learning_rate": 1e-3,
            "rollout_tokens": 6,
            "general_rows": 0,
            **changes,
        },
    )
    run = RunDir.create(app.folders.runs, f"distill-{name}", config.model_dump(mode="json"))
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), run.path / "input.parquet")
    return app.launch(run) if launch else run


def asked(count: int, **more) -> list[dict]:
    return [
        {
            "sample_id": f"s{i}",
            "slice": 0,
            "split": "heldout" if i % 4 == 0 else "train",
            "messages": json.dumps([{"role": "user", "content": f"question {i}"}]),
            "completion": "the heart pumps blood",
            "answer": "the heart pumps blood",
            "text": f"question {i}",
            "rejected_answers": [],
            **more,
        }
        for i in range(count)
    ]


def curves(run: RunDir, split: str) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for row in read_metrics(run.path / "metrics.jsonl")[0]:
        if row["split"] == split:
            found.setdefault(row["name"], {})[row["step"]] = row["value"]
    return found


@pytest.mark.parametrize("loss", ["grpo", pytest.param("rloo", marks=pytest.mark.long)])
def test_a_policy_is_killed_resumed_and_leaves_a_student(app: App, tiny: Path, loss: str):
    policy = {"reward": "frozen_answer", "answers": 2}
    run = start(app, f"p{loss}", tiny, asked(12), loss, policy=policy)
    if loss == "grpo":
        wait_for_step(run, 3)
        kill(app, run)
        app.launch(run)
    assert app.wait(run.run_id, timeout_s=240).state == "done", run.status().message
    train, held = curves(run, "train"), curves(run, "heldout")
    assert sorted(train["loss"]) == [1, 2, 3, 4, 5, 6]
    assert {"reward", "reward_std", "answer_tokens", "memory_gb"} <= set(train)
    assert {0, 6} <= set(held["sequence_level_kd"])
    assert (run.path / "student" / "config.json").exists()
    bodies = [r.body for j in run.journals() for r in read_journal(j).records]
    assert any(body["kind"] == "train_step" and body["rows"] for body in bodies)
    assert any(body["kind"] == "train_answer" for body in bodies)
    assert {0, 6} <= set(held["reward"]) and all(0 <= value <= 1 for value in held["reward"].values())


def test_a_reward_model_scores_the_answers_of_a_policy(app: App, tiny: Path):
    rows = asked(24, rejected_answers=["no no no no"])
    judge = start(app, "judge", tiny, rows, "reward_model", max_steps=20, learning_rate=5e-3)
    assert app.wait(judge.run_id, timeout_s=240).state == "done", judge.status().message
    held = curves(judge, "heldout")
    assert held["preferred"][20] == 1.0
    assert held["margin"][20] > held["margin"][0]
    assert not (judge.path / "student").exists()
    pairs = json.loads((judge.path / "margins.json").read_bytes())
    assert [pair["sample_id"] for pair in pairs] == [f"s{i}" for i in range(0, 24, 4)]
    mean = sum(pair["chosen"] - pair["rejected"] for pair in pairs) / len(pairs)
    assert mean == pytest.approx(held["margin"][20], rel=1e-3)
    policy = {"reward": "reward_model", "reward_run": judge.run_id, "reward_path": str(judge.path / "reward_model")}
    run = start(app, "judged", tiny, asked(8), "grpo", policy=policy | {"answers": 2}, max_steps=2)
    assert app.wait(run.run_id, timeout_s=240).state == "done", run.status().message
    assert len(curves(run, "train")["reward"]) == 2


def test_the_teacher_itself_can_be_the_reward(app: App, tiny: Path):
    policy = {"reward": "teacher", "answers": 2}
    run = start(app, "taught", tiny, asked(8), "rloo", policy=policy, max_steps=2, teacher_path=str(tiny))
    assert app.wait(run.run_id, timeout_s=240).state == "done", run.status().message
    assert all(value < 0 for value in curves(run, "train")["reward"].values())


def labelled(count: int) -> list[dict]:
    rows = []
    for i in range(count):
        label, word = ("heart", "heart pressure pulse") if i % 2 else ("law", "contract court clause")
        row = {"text": f"{word} number {i // 2}", "answer": label, "split": "heldout" if i % 10 < 2 else "train"}
        rows += [asked(1)[0] | row | {"sample_id": f"v{i}-{n}"} for n in range(2)]
    return rows


def test_an_encoder_learns_the_labels_and_is_killed_on_the_way(app: App, models: Path):
    path = models / DEFAULT_EMBEDDER
    run = start(app, "labels", path, labelled(60), "label", max_steps=24, batch_size=8, learning_rate=2e-4)
    wait_for_step(run, 5)
    kill(app, run)
    app.launch(run)
    assert app.wait(run.run_id, timeout_s=240).state == "done", run.status().message
    held = curves(run, "heldout")
    assert held["accuracy"][24] == 1.0 > held["majority"][24]
    settings = json.loads((run.path / "classifier" / "config.json").read_bytes())
    assert settings["label2id"] == {"heart": 0, "law": 1}
    bodies = [r.body for j in run.journals() for r in read_journal(j).records if r.body["kind"] == "train_answer"]
    assert {body["completion"] for body in bodies} == {"heart", "law"}


@pytest.mark.parametrize(
    ("loss", "rows", "words"),
    [
        ("label", asked(8, answer="a sentence that goes on and on, " * 4), "needs at least two"),
        ("reward_model", asked(8), "no training row has a second answer"),
    ],
)
def test_what_can_not_be_learnt_so_is_said(app: App, tiny: Path, loss: str, rows: list[dict], words: str):
    run = start(app, f"no{loss.replace('_', '')}", tiny, rows, loss)
    assert app.wait(run.run_id, timeout_s=120).state == "failed"
    assert words in run.status().message


def test_a_thinned_teacher_or_a_second_slice_is_refused():
    alone = {"slices": [{"dataset_id": "d", "loss": "grpo"}]}
    with pytest.raises(ConfigError, match="start from a model or from an earlier student"):
        load_config(DistillConfig, alone)
    two = {"slices": [*alone["slices"], {"dataset_id": "e"}], "student": {"init": "model"}}
    with pytest.raises(ConfigError, match="trains alone"):
        load_config(DistillConfig, two)
    judged = alone | {"student": {"init": "model"}, "policy": {"reward": "reward_model"}}
    with pytest.raises(ConfigError, match="the reward model is not named"):
        load_config(DistillConfig, judged)


@pytest.mark.parametrize(
    ("loss", "rows", "changes"),
    [
        ("grpo", asked(8), {"policy": {"reward": "teacher", "answers": 2}, "teacher_path": "the tiny one"}),
        ("reward_model", asked(8, rejected_answers=["no no"]), {}),
        ("label", labelled(20), {}),
    ],
)
def test_a_check_says_what_it_takes_before_anything_is_trained(app: App, tiny: Path, loss, rows, changes):
    paths = {name: str(tiny) for name in changes if name == "teacher_path"}
    run = start(app, f"c{loss[:4]}", tiny, rows, loss, launch=False, **changes | paths)
    check = RunDir.create(app.folders.runs, f"preflight-{loss[:4]}", run.config())
    (check.path / "input.parquet").write_bytes((run.path / "input.parquet").read_bytes())
    app.launch(check)
    assert app.wait(check.run_id, timeout_s=120).state == "done", check.status().message
    found = json.loads((check.path / "preflight.json").read_bytes())
    assert found["blocks"] == [] and found["steps"] == 6
    assert found["memory_gb"] >= found["trainable"] * 16 / 1e9 > 0
    assert found["memory_gb"] > found["parameters"] * 20 / 1e9 or loss != "grpo"  # the teacher and a copy beside it
    assert found["step_s"] * 6 * 1.0001 >= found["forecast_s"] > 0 and found["disk_gb"] > 0
    assert found["first_batch"]
