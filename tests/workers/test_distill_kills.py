"""Training killed between steps and while saving, with every kind of slice: it ends where an undisturbed run ends."""

import json
import os
import random
import time
from pathlib import Path

import pytest

from kdcore.configs.distillation import SliceConfig
from kdcore.distill.training import checkpoint
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.tail import read_metrics
from kdcore.services.workspace import App
from kdcore.store import training
from kdcore.types import TERMINAL_STATES
from tests.workers.tiny import STEPS, kill, losses, rewrite, start, tiny, undisturbed, wait_for_step

__all__ = ["tiny", "undisturbed"]
pytestmark = pytest.mark.models


KILLS = int(os.environ.get("KD_KILLS", "3"))  # make test-kills: 25


def wait_for_save(run: RunDir):
    """Until a checkpoint or the student is half written."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and run.status().state not in TERMINAL_STATES:
        for _ in range(200):
            if any(run.path.glob("checkpoints/.*.tmp")) or (run.path / ".student.tmp").exists():
                return
            time.sleep(0.0005)


def half_saved(run: RunDir) -> bool:
    """Whether what a kill left behind is a checkpoint or a student without its end."""
    whole = set(checkpoint.complete(run.path / "checkpoints"))
    folders = {path for path in (run.path / "checkpoints").iterdir() if path.is_dir()}
    return bool(folders - whole) or (run.path / ".student.tmp").exists()


def test_killed_and_paused_it_ends_in_the_same_place(app: App, tiny: Path, undisturbed):
    """Killed between steps and while saving, paused once: same steps, same final loss."""
    chance = random.Random(3)
    run = start(app, tiny, "storm")
    wait_for_step(run, 2)
    app.stop(run.run_id, "pause")
    assert app.wait(run.run_id).state == "paused"
    app.launch(run)
    in_save = 0
    for number in range(KILLS):
        if number % 2:
            wait_for_step(run, min(STEPS, max(losses(run), default=0) + chance.randint(1, 4)))
        else:
            wait_for_save(run)
        assert run.status().state not in TERMINAL_STATES, "the run ended before it was killed often enough"
        kill(app, run)
        in_save += half_saved(run)
        app.launch(run)
    assert app.wait(run.run_id, timeout_s=180).state == "done", run.status().message
    print(f"{KILLS} kills, {in_save} of them while saving")
    assert in_save >= max(1, KILLS // 4), "too few kills came while something was half written"
    stormy = losses(run)
    assert max(stormy) == max(undisturbed) == STEPS
    assert stormy[STEPS] == pytest.approx(undisturbed[STEPS], abs=1e-5)
    assert undisturbed[STEPS] < undisturbed[1]
    assert (run.path / "student" / "model.safetensors").exists()
    assert set(stormy) == set(range(1, STEPS + 1))
    # The database has each step once, and three steps of four rows are one epoch.
    trained = [f"s{i}" for i in range(16) if i % 5]
    for number in range(STEPS // 3):
        met = [
            row["sample_id"]
            for step in range(3 * number + 1, 3 * number + 4)
            for row in training.rows_of_step(app.store, run.run_id, step)
        ]
        assert sorted(met) == sorted(trained), f"epoch {number}"


def test_a_ranking_slice_and_inner_states_beside_a_divergence_survive_a_kill(app: App, tiny: Path):
    """The reference is asked once and remembered; the steps, rows and answers are told; inner states draw nearer."""
    slices = (
        SliceConfig(dataset_id="d", loss="forward_kl"),
        SliceConfig(dataset_id="e", loss="dpo", weight=0.5, loss_config={"beta": 0.5}),
    )
    near = {"loss": "hidden_cosine", "weight": 20, "layers": 2}

    def pair(place: int, row: dict) -> None:
        rejected_answers = ["other words here"] if place % 2 and place != 3 else None
        row.update(slice=place % 2, rejected_answers=rejected_answers)

    ends, references = [], []
    for name, stormy in (("calm", False), ("storm", True)):
        run = start(
            app, tiny, f"dpo-{name}", launch=False, slices=slices, shown_answers=2, shown_tokens=4, similarity=near
        )
        rewrite(run, pair)
        app.launch(run)
        if stormy:
            wait_for_step(run, 11)
            kill(app, run)
            app.launch(run)
        assert app.wait(run.run_id, timeout_s=180).state == "done", run.status().message
        found, _ = read_metrics(run.path / "metrics.jsonl")
        names = {row["name"] for row in found}
        assert {
            "loss/slice0",
            "loss/slice1",
            "margin",
            "preferred",
            "gradient_share/slice0",
            "gradient_share/slice1",
            "gradient_share/similarity",
        } <= names
        inner = {row["step"]: row["value"] for row in found if row["name"] == "loss/similarity"}
        assert inner[STEPS] < inner[1]
        report = json.loads((run.path / "preflight.json").read_bytes())
        assert any("1 of 6 rows of slice 2 (dpo) have one answer only" in text for text in report["warnings"])
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
