"""The student's own answers written by vLLM: by the weights as they are now, and in a training that is killed."""

import subprocess
import sys
from pathlib import Path

import pytest

from kdcore.configs.distillation import SliceConfig
from kdcore.jobs.run_dir import write_json
from kdcore.models import DEFAULT_TEACHER
from kdcore.services.workspace import App
from tests.workers.tiny import kill, losses, start, wait_for_step

pytestmark = pytest.mark.models
pytest.importorskip("vllm")


@pytest.mark.long
@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_it_writes_by_the_weights_as_they_are_now(models: Path, tmp_path: Path, adapter: str):
    program = [sys.executable, "-m", "tests.workers.writes_now", adapter, str(models / DEFAULT_TEACHER)]
    done = subprocess.run([*program, str(tmp_path / "start")], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.long
def test_a_training_on_own_answers_by_vllm_is_killed_and_goes_on(app: App, models: Path):
    parts = (SliceConfig(dataset_id="d", loss="reverse_kl", targets="live"),)
    changes = {"slices": parts, "on_policy": 0.6, "rollout_tokens": 6, "rollouts": "vllm", "shown_answers": 0}
    run = start(app, models / DEFAULT_TEACHER, "own-vllm", launch=False, rows=8, **changes)
    write_json(run.path / "config.json", run.config() | {"max_steps": 8})
    app.launch(run)
    wait_for_step(run, 4)
    kill(app, run)
    app.launch(run)
    assert app.wait(run.run_id, timeout_s=240).state == "done", run.status().message
    assert sorted(losses(run)) == list(range(1, 9))
    assert (run.path / "student" / "config.json").exists() and not (run.path / "rollout_start").exists()
