"""`make bench-train`: our loop against TRL's SFTTrainer, and the cost of the KD loss.

Same thinned model, rows, batch, precision and steps on both sides; TRL at its defaults for a chat data set
with the loss on the answer only. Rates are supervised tokens a second after one warm-up step.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kdcore.configs.distillation import DistillConfig, SliceConfig
from kdcore.distill.data import Row
from kdcore.distill.loop import Job, train
from kdcore.distill.losses.sequence import sequence_level_kd
from kdcore.distill.objective import TEXT, Targets, head_loss
from kdcore.distill.student import load_causal_lm, thin
from kdcore.models import DEFAULT_TEACHER
from kdcore.settings import workspace
from tests.bench.report import line, show

ROWS, BATCH, STEPS, LAYERS = 48, 8, 6, 10
ANSWER = ["the", "heart", "pumps", "blood", "and", "a", "court", "decides", "what", "contract", "means"]


def chats() -> list[list[dict[str, str]]]:
    """Short questions with answers of 20 to 200 words, as teachers write them."""
    chance = random.Random(0)
    questions = [
        json.loads(t)["question"] for t in (Path(__file__).parents[2] / "data/seeds/medical_questions.jsonl").open()
    ]
    return [
        [
            {"role": "user", "content": questions[i % len(questions)]},
            {"role": "assistant", "content": " ".join(chance.choices(ANSWER, k=chance.randint(20, 200)))},
        ]
        for i in range(ROWS)
    ]


def encode(tokenizer: Any, k: int = 0) -> list[Row]:
    """Our rows, with random top-k where asked."""
    rows: list[Row] = []
    random_k = np.random.default_rng(0)
    for number, chat in enumerate(chats()):
        prompt = tokenizer.apply_chat_template(chat[:1], add_generation_prompt=True, tokenize=True, return_dict=False)
        answer = tokenizer(chat[1]["content"], add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        ids = random_k.integers(0, 49_000, (len(answer), k)) if k else None
        logprobs = np.full((len(answer), k), -np.log(k * 1.2), dtype=np.float32) if k else None
        rows.append(Row(str(number), 0, len(prompt), prompt + answer, False, ids, logprobs))
    return rows


class Timer:
    """A pen that keeps the time of each step and the losses."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.tokens: list[float] = []
        self.losses: list[float] = []

    def metric(self, step: int, split: str, values: dict[str, float]) -> None:
        if split == "train":
            self.tokens.append(values["tokens_per_s"])
            self.losses.append(values["loss"])
            self.times.append(time.perf_counter())

    def learnt(self, *_: Any) -> None: ...

    def progress(self, *_: Any, **__: Any) -> None: ...

    def phase(self, message: str) -> None: ...

    def check_stop(self) -> None: ...


def ours(path: Path, tokenizer: Any, k: int) -> tuple[float, float, float]:
    """(supervised tokens a second, seconds a step, last loss)."""
    rows = encode(tokenizer, k)
    loss = "forward_kl" if k else "sequence_level_kd"
    config = DistillConfig(
        slices=(SliceConfig(dataset_id="b", loss=loss),),
        batch_size=BATCH,
        max_steps=STEPS,
        learning_rate=1e-4,
        save_every=10**6,
        warmup_ratio=0.0,
    )
    torch.manual_seed(0)
    student = thin(load_causal_lm(str(path), torch.float32), LAYERS)
    timer = Timer()
    with tempfile.TemporaryDirectory() as folder:
        train(Job(config, student, rows, [], tokenizer.eos_token_id, Path(folder)), timer)
    seconds = timer.times[-1] - timer.times[0]
    weights = np.diff(timer.times)
    tokens = float((np.asarray(timer.tokens[1:]) * weights).sum())
    return tokens / seconds, seconds / (STEPS - 1), timer.losses[-1]


def trl(path: Path, tokenizer: Any) -> tuple[float, float]:
    """(supervised tokens a second, last loss) of SFTTrainer."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    stamps: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            stamps.append(time.perf_counter())

    data = Dataset.from_list([{"prompt": chat[:1], "completion": chat[1:]} for chat in chats()])
    torch.manual_seed(0)
    student = thin(load_causal_lm(str(path), torch.float32), LAYERS)
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            output_dir=folder,
            per_device_train_batch_size=BATCH,
            max_steps=STEPS,
            learning_rate=1e-4,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            bf16=False,
            use_cpu=not torch.cuda.is_available(),
            gradient_checkpointing=False,
        )
        trainer = SFTTrainer(
            model=student, args=arguments, train_dataset=data, processing_class=tokenizer, callbacks=[Clock()]
        )
        trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    supervised = sum(row.supervised for row in encode(tokenizer)) / ROWS * BATCH
    return supervised * (STEPS - 1) / (stamps[-1] - stamps[0]), losses[-1]


def loss_memory() -> tuple[float, float]:
    """Peak bytes of logits-sized buffers for 8,192 tokens × 49,152 words: chunked against dense."""
    tokens, vocabulary, width = 8192, 49_152, 64
    hidden = torch.randn(tokens, width, requires_grad=True)
    head = torch.randn(vocabulary, width, requires_grad=True)
    labels = torch.randint(0, vocabulary, (tokens,))
    targets = Targets(labels, torch.full((tokens,), 1 / tokens), torch.full((tokens,), TEXT))

    def peak(work: Any) -> float:
        with torch.profiler.profile(profile_memory=True, activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            work()
        level = most = 0
        events = profile.profiler.kineto_results.events()
        for event in sorted((e for e in events if e.name() == "[memory]"), key=lambda e: e.start_ns()):
            level += event.nbytes()
            most = max(most, level)
        return most / 1e9

    chunked = peak(lambda: head_loss(hidden, head, targets, (), 512)[0].backward())
    hidden.grad = head.grad = None
    mask = torch.ones(1, tokens)
    dense = peak(lambda: sequence_level_kd((hidden @ head.t())[None], labels[None], mask).backward())
    return chunked, dense


def main() -> None:
    """Ours, TRL, ours with top-k."""
    from transformers import AutoTokenizer

    path = workspace().models / DEFAULT_TEACHER
    tokenizer: Any = AutoTokenizer.from_pretrained(path)
    rate, step, loss = ours(path, tokenizer, 0)
    peer_rate, peer_loss = trl(path, tokenizer)
    _, kd_step, _ = ours(path, tokenizer, 20)
    chunked, dense = loss_memory()
    print(f"last losses: ours {loss:.3f}, TRL {peer_loss:.3f}", flush=True)
    show(
        [
            line("train/TRL SFTTrainer", rate, peer_rate, "supervised tokens/s", 3.0),
            line("train/KD step", kd_step, step, "s", 1 / 1.15, lower_is_better=True),
            line("train/loss memory", chunked, dense, "GB", 4.0, lower_is_better=True),
        ]
    )


if __name__ == "__main__":
    main()
