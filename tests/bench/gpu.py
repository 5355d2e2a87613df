"""`make bench-gpu`: our loop on one GPU beside bare PyTorch, on models of Qwen3's shapes with random weights.

Both sides train on the same tokens in bfloat16 autocast with the same optimizer and clipping; the bare one makes all
logits at once, as transformers does. Of five steps the quickest counts; memory is the most that PyTorch held.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kdcore.configs.distillation import DistillConfig, SliceConfig
from kdcore.distill.batches.rows import Row
from kdcore.distill.training.loop import TrainingJob, train
from tests.bench.report import line, show
from tests.bench.train import Timer

LENGTH, STEPS, WORDS = 1024, 6, 151_936
SHAPES = {  # width, inner width, layers, heads
    "0.6B": (1024, 3072, 28, 16),
    "1.7B": (2048, 6144, 28, 16),
    "8B": (4096, 12288, 36, 32),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A model and how it is trained."""

    size: str
    batch: int
    lora: bool = False
    dtype: torch.dtype = torch.float32
    loss: str = "sequence_level_kd"

    def student(self) -> Any:
        """The model on the GPU, made there."""
        from peft import LoraConfig, get_peft_model
        from transformers import Qwen3Config, Qwen3ForCausalLM

        width, inner, layers, heads = SHAPES[self.size]
        config = Qwen3Config(
            vocab_size=WORDS, hidden_size=width, intermediate_size=inner, num_hidden_layers=layers,
            num_attention_heads=heads, num_key_value_heads=8, head_dim=128, tie_word_embeddings=self.size != "8B",
        )  # fmt: skip
        with torch.device("cuda"):
            model: Any = Qwen3ForCausalLM._from_config(config, dtype=self.dtype)
        return get_peft_model(model, LoraConfig(r=16, target_modules="all-linear")) if self.lora else model

    def rows(self) -> list[Row]:
        """Rows of one length, a quarter of it question; with random top-20 for a divergence."""
        chance = np.random.default_rng(0)
        asked, k = LENGTH // 4, 20 if self.loss != "sequence_level_kd" else 0
        logprobs = np.full((LENGTH - asked, k), -np.log(24), dtype=np.float32) if k else None
        found: list[Row] = []
        for number in range(self.batch * STEPS):
            words = chance.integers(0, WORDS, (LENGTH - asked, k)) if k else None
            ids = chance.integers(0, WORDS, LENGTH).tolist()
            found.append(Row(str(number), 0, asked, ids, False, words, logprobs))
        return found


def ours(case: Case) -> list[float]:
    """When each step of our loop ended."""
    config = DistillConfig(
        slices=(SliceConfig(dataset_id="b", loss=case.loss),),
        batch_size=case.batch, max_steps=STEPS, learning_rate=1e-4, eval_every=10**6, save_every=10**6,
    )  # fmt: skip
    timer = Timer()
    with tempfile.TemporaryDirectory() as folder:
        train(TrainingJob(config, case.student(), case.rows(), [], 0, Path(folder), "bf16"), timer)
    return timer.times


def bare(case: Case) -> list[float]:
    """When each step of the plainest loop ended."""
    model, rows, ends = case.student().train(), case.rows(), list[float]()
    weights = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-4, fused=True)
    for at in range(0, len(rows), case.batch):
        ids = torch.tensor([row.ids for row in rows[at : at + case.batch]], device="cuda")
        labels = ids.clone()
        labels[:, : LENGTH // 4] = -100
        with torch.autocast("cuda", torch.bfloat16):
            loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()  # as a curve is drawn
        ends.append(time.perf_counter())
    return ends


def measured(side: Callable[[Case], list[float]], case: Case) -> tuple[float, float]:
    """Seconds a step and peak GB."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return float(np.diff(side(case)).min()), torch.cuda.max_memory_allocated() / 1e9


CASES = (
    Case("0.6B", 8),
    Case("0.6B", 8, loss="forward_kl"),
    Case("1.7B", 8, lora=True),
    Case("8B", 4, lora=True, dtype=torch.bfloat16),
)


def main() -> None:
    """Each case on both sides."""
    if not torch.cuda.is_available():
        sys.exit("bench-gpu needs a GPU; this machine has none.")
    found: list[dict[str, Any]] = []
    for case in CASES:
        name = f"{case.size} {'lora' if case.lora else 'full'} {case.loss}"
        (mine, mine_gb), (plain, plain_gb) = measured(ours, case), measured(bare, case)
        found += [
            line(f"step of {name}", mine, plain, "s", 0.8, lower_is_better=True),
            line(f"memory of {name}", mine_gb, plain_gb, "GB", 1.0, lower_is_better=True),
        ]
    show(found)


if __name__ == "__main__":
    main()
