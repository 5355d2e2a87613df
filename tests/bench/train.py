"""`make bench-train`: our loop against TRL's SFTTrainer, and the cost of the KD loss.

Same thinned model, rows, batch, precision, schedule and steps on both sides; TRL for a chat data set with the loss on
the answer only, once as it comes (it recomputes activations to save memory) and once told to keep them, as we do.
Rates are supervised tokens a second after one warm-up step. Once the questions stand alone, once behind the system
message and worked examples of the sample project. Each side runs in a process of its own, as users run it, in turns;
of each step its quickest time counts, as neighbours on a machine only ever add. Losses are those of all rows at the
end. As the order of the rows moves them, the peer trains once more with the rows in our order, and that loss is the
one to be met.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kdcore.configs.distillation import DistillConfig, SliceConfig
from kdcore.distill.batches.batch import batches
from kdcore.distill.batches.rows import Row
from kdcore.distill.batches.targets import TEXT, Targets
from kdcore.distill.losses.sequence import sequence_level_kd
from kdcore.distill.measures.heldout import HeldoutEvaluator
from kdcore.distill.student.build import load_causal_lm, thin
from kdcore.distill.terms.chunked_loss import head_loss
from kdcore.distill.training.loop import TrainingJob, train
from kdcore.hardware import keep_freed_memory
from kdcore.models import DEFAULT_TEACHER
from kdcore.services.main_job import SAMPLE_TEMPLATE
from kdcore.settings import workspace
from tests.bench.report import line, show

ROWS, BATCH, STEPS, LAYERS = 48, 8, 6, 10
TURNS = 2
ANSWER = ["the", "heart", "pumps", "blood", "and", "a", "court", "decides", "what", "contract", "means"]


def chats(examples: bool = False) -> list[list[dict[str, str]]]:
    """Short questions with answers of 20 to 200 words, as teachers write them; the answer is the last message."""
    chance = random.Random(0)
    questions = [
        json.loads(t)["question"] for t in (Path(__file__).parents[2] / "data/seeds/medical_questions.jsonl").open()
    ]
    before: list[dict[str, str]] = []
    if examples:
        before = [{"role": "system", "content": SAMPLE_TEMPLATE.system}]
        for each in SAMPLE_TEMPLATE.examples:
            before += [{"role": "user", "content": each.user}, {"role": "assistant", "content": each.assistant}]
    return [
        [
            *before,
            {"role": "user", "content": questions[i % len(questions)]},
            {"role": "assistant", "content": " ".join(chance.choices(ANSWER, k=chance.randint(20, 200)))},
        ]
        for i in range(ROWS)
    ]


def encode(tokenizer: Any, k: int = 0, examples: bool = False) -> list[Row]:
    """Our rows, with random top-k where asked."""
    rows: list[Row] = []
    random_k = np.random.default_rng(0)
    for number, chat in enumerate(chats(examples)):
        prompt = tokenizer.apply_chat_template(
            chat[:-1], add_generation_prompt=True, tokenize=True, return_dict=False
        )
        answer = tokenizer(chat[-1]["content"], add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        ids = random_k.integers(0, 49_000, (len(answer), k)) if k else None
        logprobs = np.full((len(answer), k), -np.log(k * 1.2), dtype=np.float32) if k else None
        rows.append(Row(str(number), 0, len(prompt), prompt + answer, False, ids, logprobs))
    return rows


@dataclass(frozen=True, slots=True)
class Figures:
    """What one process measured: seconds of each step but the first, their tokens, the loss of all rows, its peak."""

    seconds: list[float]
    tokens: float
    loss: float
    peak_gb: float


class Timer:
    """A pen that keeps the time of each step."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.tokens: list[float] = []

    def metric(self, step: int, split: str, values: dict[str, float]) -> None:
        if split == "train":
            self.tokens.append(values["tokens_per_s"])
            self.times.append(time.perf_counter())

    def learnt(self, *_: Any) -> None: ...

    def progress(self, *_: Any, **__: Any) -> None: ...

    def phase(self, message: str) -> None: ...

    def check_stop(self) -> None: ...


def ours(path: Path, tokenizer: Any, k: int = 0, examples: bool = False) -> Figures:
    """Our loop; with ``k`` random stored words it learns by forward KL."""
    rows = encode(tokenizer, k, examples)
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
        train(TrainingJob(config, student, rows, [], tokenizer.eos_token_id, Path(folder)), timer)
        peak_gb = most_memory_gb()
    seconds = np.diff(timer.times)
    tokens = float((np.asarray(timer.tokens[1:]) * seconds).sum())
    return Figures(list(seconds), tokens, loss_of(student, rows), peak_gb)


def most_memory_gb() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def loss_of(student: Any, rows: list[Row]) -> float:
    """Nats a token of all rows."""
    return HeldoutEvaluator(rows, 1, (False,), BATCH, 0).measure(student, 512)["sequence_level_kd"]


def trl(path: Path, tokenizer: Any, flags: Sequence[str]) -> Figures:
    """SFTTrainer; ``ordered`` by our order of rows, ``recomputing`` activations as it does by itself."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    stamps: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            stamps.append(time.perf_counter())

    examples, ordered = "examples" in flags, "ordered" in flags
    talks, rows = chats(examples), encode(tokenizer, examples=examples)
    if ordered:
        talks = [talks[int(row.sample_id)] for group in batches(rows, BATCH, 0, 0) for row in group]
    data = Dataset.from_list([{"prompt": chat[:-1], "completion": chat[-1:]} for chat in talks])
    torch.manual_seed(0)
    student = thin(load_causal_lm(str(path), torch.float32), LAYERS)
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            output_dir=folder,
            per_device_train_batch_size=BATCH,
            max_steps=STEPS,
            learning_rate=1e-4,
            lr_scheduler_type="cosine",
            weight_decay=0.01,
            train_sampling_strategy="sequential" if ordered else "random",
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            bf16=False,
            use_cpu=not torch.cuda.is_available(),
            gradient_checkpointing="recomputing" in flags,
        )
        trainer = SFTTrainer(
            model=student, args=arguments, train_dataset=data, processing_class=tokenizer, callbacks=[Clock()]
        )
        trainer.train()
        peak_gb = most_memory_gb()
    supervised = sum(row.supervised for row in rows) / ROWS * BATCH
    return Figures(list(np.diff(stamps)), supervised * (STEPS - 1), loss_of(student, rows), peak_gb)


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


def side(who: str, *flags: str) -> Any:
    """What one side measures, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.train", who, *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def measured(who: str, flags: Sequence[str]) -> Any:
    """The figures of one side, as its process prints them."""
    from transformers import AutoTokenizer

    path = workspace().models / DEFAULT_TEACHER
    tokenizer: Any = AutoTokenizer.from_pretrained(path)
    examples = "examples" in flags
    if who == "memory":
        return loss_memory()
    if who == "trl":
        return asdict(trl(path, tokenizer, flags))
    keep_freed_memory()  # as the worker does
    return asdict(ours(path, tokenizer, 20 if "topk" in flags else 0, examples))


def in_turns(sides: Sequence[tuple[str, ...]]) -> list[tuple[float, float, float, float]]:
    """(tokens a second, seconds a step, loss, peak GB) of each side, run in turns; of each step its quickest time."""
    runs = [[Figures(**side(*each)) for each in sides] for _ in range(TURNS)]
    found: list[tuple[float, float, float, float]] = []
    for mine in zip(*runs, strict=True):
        seconds = np.min([one.seconds for one in mine], axis=0)
        found.append((mine[0].tokens / seconds.sum(), float(seconds.mean()), mine[0].loss, mine[0].peak_gb))
    return found


def main() -> None:
    """Ours, TRL, ours with top-k."""
    if len(sys.argv) > 1:
        print(json.dumps(measured(sys.argv[1], sys.argv[2:])))
        return
    mine, keeps, recomputes, topk = in_turns([("ours",), ("trl",), ("trl", "recomputing"), ("ours", "topk")])
    shown, shown_peer = in_turns([("ours", "examples"), ("trl", "examples")])
    peer_loss, shown_peer_loss = side("trl", "ordered")["loss"], side("trl", "examples", "ordered")["loss"]
    chunked, dense = side("memory")
    lower: Any = {"lower_is_better": True}
    show(
        [
            line("train/TRL SFTTrainer as it comes", mine[0], recomputes[0], "supervised tokens/s", 3.0),
            line("train/TRL, activations kept", mine[0], keeps[0], "supervised tokens/s", 3.0),
            line("train/TRL, kept, worked examples", shown[0], shown_peer[0], "supervised tokens/s", 3.0),
            line("train/loss at the end", mine[2], peer_loss, "nats a token", 0.99, **lower),
            line("train/loss, worked examples", shown[2], shown_peer_loss, "nats a token", 0.99, **lower),
            line("train/KD step", topk[1], mine[1], "s", 1 / 1.15, **lower),
            line("train/peak memory, TRL as it comes", mine[3], recomputes[3], "GB", 1.0, **lower),
            line("train/loss memory", chunked, dense, "GB", 4.0, **lower),
        ]
    )


if __name__ == "__main__":
    main()
