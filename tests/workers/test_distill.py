"""The real training worker on a tiny model: killed, paused and resumed, it ends where an undisturbed run ends."""

import json
import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdcore.configs.distillation import DistillConfig, SliceConfig, StudentConfig
from kdcore.jobs import launcher
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.tail import read_metrics
from kdcore.models import DEFAULT_TEACHER
from kdcore.services.app import App
from kdcore.services.training_input import SCHEMA
from kdcore.store import training
from kdcore.types import TERMINAL_STATES

pytestmark = pytest.mark.models
STEPS = 24


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, models) -> Path:
    """A two-layer Llama with the built-in tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = AutoTokenizer.from_pretrained(models / DEFAULT_TEACHER)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=4, num_attention_heads=2,
        num_key_value_heads=2, tie_word_embeddings=True, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def start(app: App, tiny: Path, name: str, launch: bool = True, rows: int = 16, **changes) -> RunDir:
    config = DistillConfig(
        slices=changes.pop("slices", (SliceConfig(dataset_id="d"),)),
        student=StudentConfig(init="teacher_layers", keep_layers=2, **changes.pop("student", {})),
        teacher_path=str(tiny),
        batch_size=4,
        max_steps=STEPS,
        save_every=3,
        eval_every=8,
        learning_rate=1e-3,
        **changes,
    )
    run = RunDir.create(app.folders.runs, f"distill-{name}", config.model_dump(mode="json"))
    chance = np.random.default_rng(0)
    table = []
    for i in range(rows):
        ids = chance.integers(100, 5000, 8).tolist()
        topk = np.stack([np.concatenate([[t], chance.choice(np.arange(5000, 9000), 4, replace=False)]) for t in ids])
        logprobs = np.log(np.tile([0.7, 0.1, 0.05, 0.05, 0.02], (8, 1)))
        table.append(
            {
                "sample_id": f"s{i}",
                "slice": 0,
                "split": "heldout" if i % 5 == 0 else "train",
                "messages": json.dumps([{"role": "user", "content": f"question {i}"}]),
                "completion": "words",
                "token_ids": ids,
                "k": 5,
                "topk_ids": topk.ravel().tolist(),
                "topk_logprobs": logprobs.ravel().astype(np.float16).tolist(),
            }
        )
    pq.write_table(pa.Table.from_pylist(table, schema=SCHEMA), run.path / "input.parquet")
    return app.launch(run) if launch else run


def losses(run: RunDir) -> dict[int, float]:
    rows, _ = read_metrics(run.path / "metrics.jsonl")
    return {r["step"]: r["value"] for r in rows if r["name"] == "loss"}


def wait_for_step(run: RunDir, step: int):
    deadline = time.monotonic() + 60
    while max(losses(run), default=0) < step and time.monotonic() < deadline:
        if run.status().state in TERMINAL_STATES:
            return
        time.sleep(0.005)


@pytest.fixture
def undisturbed(app: App, tiny: Path) -> dict[int, float]:
    run = start(app, tiny, "calm")
    assert app.wait(run.run_id, timeout_s=180).state == "done", run.status().message
    return losses(run)


KILLS = int(os.environ.get("KD_KILLS", "3"))  # make test-kills: 25


def wait_for_save(run: RunDir):
    """Until a checkpoint or the student is half written."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and run.status().state not in TERMINAL_STATES:
        for _ in range(200):
            if any(run.path.glob("checkpoints/.*.tmp")) or (run.path / ".student.tmp").exists():
                return
            time.sleep(0.0005)


def test_killed_and_paused_it_ends_in_the_same_place(app: App, tiny: Path, undisturbed):
    """Killed between steps and while saving, paused once: same steps, same final loss."""
    chance = random.Random(3)
    run = start(app, tiny, "storm")
    killed = in_save = 0
    while killed < KILLS:
        done = max(losses(run), default=0)
        if chance.random() < 0.5:
            wait_for_save(run)
            in_save += 1
        else:
            wait_for_step(run, min(STEPS, done + chance.randint(1, 4)))
        if run.status().state in TERMINAL_STATES:
            break
        if killed == 1:
            app.stop(run.run_id, "pause")
            assert app.wait(run.run_id).state in ("paused", "done")
        else:
            os.killpg(run.status().pid, signal.SIGKILL)
            while launcher.is_alive(run.status()):
                time.sleep(0.01)
        killed += 1
        app.launch(run)
    assert app.wait(run.run_id, timeout_s=180).state == "done", run.status().message
    print(f"{killed} stops, {in_save} of them while saving")
    assert killed == KILLS, "the run ended before it was killed often enough"
    stormy = losses(run)
    assert max(stormy) == max(undisturbed) == STEPS
    assert stormy[STEPS] == pytest.approx(undisturbed[STEPS], abs=1e-5)
    assert undisturbed[STEPS] < undisturbed[1]
    assert (run.path / "student" / "model.safetensors").exists()
    assert set(stormy) == set(range(1, STEPS + 1))
    for step in range(1, STEPS + 1):  # the database has each step once, as its latest attempt made it
        assert 1 <= len(training.rows_of_step(app.store, run.run_id, step)) <= 4


def test_two_losses_and_own_answers_with_a_live_teacher_survive_a_kill(app: App, tiny: Path):
    slices = (
        SliceConfig(dataset_id="d", loss="reverse_kl", targets="live", temperature=2.0),
        SliceConfig(dataset_id="e", loss="generalized_jsd", targets="live", beta=0.3, weight=0.5),
    )
    ends = []
    for name, kill in (("calm", False), ("storm", True)):
        run = start(app, tiny, f"own-{name}", launch=False, slices=slices, on_policy=0.5, rollout_tokens=6)
        table = pq.read_table(run.path / "input.parquet").to_pylist()
        for place, row in enumerate(table):
            row["slice"] = place % 2
        pq.write_table(pa.Table.from_pylist(table, schema=SCHEMA), run.path / "input.parquet")
        app.launch(run)
        if kill:
            wait_for_step(run, 11)
            os.killpg(run.status().pid, signal.SIGKILL)
            while launcher.is_alive(run.status()):
                time.sleep(0.01)
            app.launch(run)
        assert app.wait(run.run_id, timeout_s=180).state == "done", run.status().message
        found, _ = read_metrics(run.path / "metrics.jsonl")
        assert {"loss/slice0", "loss/slice1", "reverse_kl", "top5"} <= {row["name"] for row in found}
        ends.append(losses(run))
    assert ends[0][STEPS] == pytest.approx(ends[1][STEPS], abs=1e-5)


def test_a_ranking_slice_beside_a_text_slice_survives_a_kill_and_remembers_its_reference(app: App, tiny: Path):
    slices = (
        SliceConfig(dataset_id="d", loss="forward_kl"),
        SliceConfig(dataset_id="e", loss="dpo", weight=0.5, preference_beta=0.5),
    )
    ends, references = [], []
    for name, kill in (("calm", False), ("storm", True)):
        run = start(app, tiny, f"dpo-{name}", launch=False, slices=slices, shown_answers=2, shown_tokens=4)
        table = pq.read_table(run.path / "input.parquet").to_pylist()
        for place, row in enumerate(table):
            row["slice"] = place % 2
            row["rivals"] = ["other words here"] if place % 2 and place != 3 else None
        pq.write_table(pa.Table.from_pylist(table, schema=SCHEMA), run.path / "input.parquet")
        app.launch(run)
        if kill:
            wait_for_step(run, 11)
            os.killpg(run.status().pid, signal.SIGKILL)
            while launcher.is_alive(run.status()):
                time.sleep(0.01)
            app.launch(run)
        assert app.wait(run.run_id, timeout_s=180).state == "done", run.status().message
        found, _ = read_metrics(run.path / "metrics.jsonl")
        names = {row["name"] for row in found}
        assert {"loss/slice0", "loss/slice1", "margin", "preferred", "pull/slice0", "pull/slice1"} <= names
        report = json.loads((run.path / "preflight.json").read_bytes())
        assert any("1 of 12 rows have one answer only" in text for text in report["warnings"])
        ends.append(losses(run))
        references.append((run.path / "checkpoints" / "reference.json").read_bytes())
        held = [row["value"] for row in found if row["split"] == "heldout" and row["name"] == "margin"]
        assert held[0] == pytest.approx(0, abs=2e-3)  # float32 sums over other batches
        assert held[-1] > 0
        steps = {step for step in range(1, STEPS + 1) if training.rows_of_step(app.store, run.run_id, step)}
        assert steps == set(range(1, STEPS + 1))
        assert all(len(training.rows_of_step(app.store, run.run_id, step)) <= 4 for step in steps)
        assert {row["step"] for row in training.answers(app.store, run.run_id, [])} == {0, 8, 16, 24}
    assert ends[0][STEPS] == pytest.approx(ends[1][STEPS], abs=1e-5)
    assert references[0] == references[1]


def test_inner_states_with_a_learnt_projector_survive_a_kill(app: App, tiny: Path):
    ends = []
    for name, kill in (("calm", False), ("storm", True)):
        run = start(app, tiny, f"inner-{name}", similarity={"loss": "hidden_cosine", "weight": 20, "layers": 2})
        if kill:
            wait_for_step(run, 11)
            os.killpg(run.status().pid, signal.SIGKILL)
            while launcher.is_alive(run.status()):
                time.sleep(0.01)
            app.launch(run)
        assert app.wait(run.run_id, timeout_s=180).state == "done", run.status().message
        found, _ = read_metrics(run.path / "metrics.jsonl")
        near = {row["step"]: row["value"] for row in found if row["name"] == "loss/similarity"}
        assert near[STEPS] < near[1]
        ends.append(losses(run))
    assert ends[0][STEPS] == pytest.approx(ends[1][STEPS], abs=1e-5)


def test_a_damaged_checkpoint_is_passed_over(app: App, tiny: Path, undisturbed):
    run = start(app, tiny, "bitrot")
    wait_for_step(run, 10)
    app.stop(run.run_id, "pause")
    assert app.wait(run.run_id).state == "paused"
    newest = sorted((run.path / "checkpoints").iterdir())[-1] / "weights.safetensors"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 0xFF
    newest.write_bytes(bytes(data))
    app.launch(run)
    assert app.wait(run.run_id, timeout_s=180).state == "done", run.status().message
    assert losses(run)[STEPS] == pytest.approx(undisturbed[STEPS], abs=1e-5)


def test_stop_and_keep_leaves_a_student(app: App, tiny: Path):
    run = start(app, tiny, "kept", student={"adapter": "lora", "lora_rank": 4})
    wait_for_step(run, 3)
    app.stop(run.run_id, "cancel")
    assert app.wait(run.run_id).state == "cancelled"
    assert (run.path / "student" / "config.json").exists()


def test_nothing_to_learn_is_refused_with_the_reason(app: App, tiny: Path):
    run = start(app, tiny, "short", max_length=32, launch=False)
    table = pq.read_table(run.path / "input.parquet").to_pylist()
    for row in table:
        row["messages"] = json.dumps([{"role": "user", "content": "word " * 100}])
    pq.write_table(pa.Table.from_pylist(table, schema=SCHEMA), run.path / "input.parquet")
    app.launch(run)
    status = app.wait(run.run_id, timeout_s=120)
    assert status.state == "failed"
    assert "no supervised token" in status.message


@pytest.fixture(scope="module")
def stranger(tmp_path_factory) -> Path:
    """A tiny model whose tokenizer is not the teacher's: letters only."""
    import string

    import torch
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = {c: i for i, c in enumerate(["<unk>", "<end>", *string.ascii_letters, " ", "."])}
    inner = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", eos_token="<end>", pad_token="<end>"
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}. {% endfor %}"
    folder = tmp_path_factory.mktemp("stranger")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, eos_token_id=1,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("loss", "state"), [("sequence_level_kd", "done"), ("forward_kl", "failed")])
def test_another_tokenizer_learns_from_text_and_never_from_the_teachers_ids(app, tiny, stranger, loss, state):
    run = start(app, tiny, f"stranger-{loss.replace('_', '')}", launch=False)
    config = run.config()
    config["student"] |= {"init": "model", "model": str(stranger)}
    config |= {"student_path": str(stranger), "max_steps": 4}
    config["slices"][0]["loss"] = loss
    (run.path / "config.json").write_text(json.dumps(config))
    app.launch(run)
    status = app.wait(run.run_id, timeout_s=120)
    assert status.state == state, status.message
    report = json.loads((run.path / "preflight.json").read_bytes())
    assert any("tokenizer is not the teacher's" in text for text in report["warnings"])
    assert report["with_topk"] == 0
    if state == "failed":
        assert "no row has stored top-k" in status.message
