"""A tiny teacher, a run of its thinned student, how to look at and end it: for tests of the training worker."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdcore.configs.distillation import DistillConfig, SliceConfig, StudentConfig
from kdcore.jobs.backends import local
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.tail import read_metrics
from kdcore.models import DEFAULT_TEACHER
from kdcore.services.distill.input import SCHEMA
from kdcore.services.workspace import App, open_app
from kdcore.types import TERMINAL_STATES

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


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, tiny: Path) -> dict[int, float]:
    app = open_app(tmp_path_factory.mktemp("calm"))
    run = start(app, tiny, "calm")
    assert app.wait(run.run_id, timeout_s=180).state == "done", run.status().message
    app.close()
    return losses(run)


def kill(app: App, run: RunDir) -> None:
    """End the worker's whole group, without a word, and wait until it is gone."""
    os.killpg(run.status().pid, signal.SIGKILL)
    while local.is_alive(run.status()):
        time.sleep(0.01)


def rewrite(run: RunDir, change: Callable[[int, dict[str, Any]], None]) -> None:
    """Change each row of a run's input before it starts; ``change`` is told its place."""
    table = pq.read_table(run.path / "input.parquet").to_pylist()
    for place, row in enumerate(table):
        change(place, row)
    pq.write_table(pa.Table.from_pylist(table, schema=SCHEMA), run.path / "input.parquet")
