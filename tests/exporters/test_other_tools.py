"""What LLaMA-Factory and axolotl make of an export: their own loaders, each in an environment of its own."""

import json
import os
import subprocess
import venv
from pathlib import Path

import pytest

from kdcore.exporters import EXPORTERS
from kdcore.install import CPU_TORCH
from kdcore.models import DEFAULT_TEACHER
from kdcore.workers.chat_tokens import ids_of
from tests.exporters.test_exporters import VERSION, made, row

pytestmark = [pytest.mark.long, pytest.mark.models]
HERE = Path(__file__).parent
RELEASES = {"llama_factory": "llamafactory==0.9.5", "axolotl": "axolotl==0.19.0"}


def read_by(tool: str, home: Path, *arguments: str) -> list | dict:
    """What a tool says of an export; installs it first, beside the CPU build of torch."""
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
        for package in (CPU_TORCH, RELEASES[tool]):
            subprocess.run([python, "-m", "pip", "install", "-q", package], check=True)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "HF_HOME": str(home / "hub")}
    script = HERE / f"read_by_{tool}.py"
    done = subprocess.run([python, script, *arguments], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_llama_factory_reads_every_row_and_learns_the_answer_alone(tmp_path, models):
    for form in ("sharegpt", "alpaca"):
        (folder := tmp_path / form).mkdir()
        told = read_by("llama_factory", tmp_path / "env", str(made(folder, form)), str(models / DEFAULT_TEACHER))
        assert {name: len(rows) for name, rows in told.items()} == {"d_v1_train": 5, "d_v1_heldout": 2}
        first = told["d_v1_train"][0]
        assert [part in first["read"] for part in ("Be brief.", "A?", "B.", "Why 0?", "Because 0.")] == [True] * 5
        assert first["learnt"].strip() == "Because 0.<|im_end|>"


def test_axolotl_learns_from_the_teachers_words(tmp_path, models):
    from transformers import AutoTokenizer

    model = str(models / DEFAULT_TEACHER)
    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = [row(place, "train", f"Why {place}?", f"Because of number {place}.") for place in range(3)]
    for each in rows:
        ids = ids_of(tokenizer, json.loads(each["messages"]), each["completion"])
        own = [*tokenizer(each["completion"])["input_ids"], tokenizer.eos_token_id]
        words = [word for token in own for word in (token, 7, 8)]
        topk = {"token_ids": own, "k": 3, "topk_ids": words, "topk_logprobs": [-0.25, -2.5, -4.0] * len(own)}
        each["tokens"] = {"vocabulary": len(tokenizer), "topk": topk, **ids}
        assert EXPORTERS["axolotl_kd"].fits(each)
    EXPORTERS["axolotl_kd"].write(tmp_path, VERSION, rows)
    files = (str(tmp_path / "train.parquet"), str(tmp_path / "axolotl.yaml"))
    for read in read_by("axolotl", tmp_path / "env", *files, model):
        assert read["entries"] == read["length"] and len(read["likeliest"]) > 5
        assert read["likeliest"] == read["follows"] and read["worst"] > -1e9
