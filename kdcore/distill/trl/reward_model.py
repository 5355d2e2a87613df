"""A distilled reward model (survey Eq. 12): TRL learns which of two answers is better, from pairs that are ranked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

from kdcore.configs.distillation import DistillConfig
from kdcore.distill.training.loop import planned_steps
from kdcore.distill.training.preflight import Report, check_memory
from kdcore.distill.trl.callback import ReporterCallback, common_arguments, run
from kdcore.distill.trl.measured_step import timed
from kdcore.distill.trl.policy import trl
from kdcore.hardware import torch_device
from kdcore.types import Message

LENGTH_LIMIT = 2048
HELDOUT = {"eval_loss": "reward_loss", "eval_accuracy": "preferred", "eval_margin": "margin"}
FIGURES = {"accuracy": "preferred", "margin": "margin", "mean_reward": "reward"}


class Pair(TypedDict):
    """Two whole chats that differ in the last answer, the better and the worse."""

    chosen: list[Message]
    rejected: list[Message]


def longest_chat(config: DistillConfig) -> int:
    """Tokens of the longest chat that counts; TRL leaves out pairs with a longer one."""
    return min(config.max_length, LENGTH_LIMIT)


def train_reward(
    config: DistillConfig,
    path: str,
    pairs: list[Pair],
    heldout: list[Pair],
    tokenizer: Any,
    folder: Path,
    mixed_precision: str,
    pen: Any,
) -> Any:
    """Train a model of one output from the causal LM at ``path``; returns it.

    -log σ(r_chosen - r_rejected), mean over pairs, which is log 2
    where the two score alike.
    """
    from datasets import Dataset

    lib = trl()
    total = planned_steps(config, len(pairs))
    settings = lib.RewardConfig(
        **common_arguments(config, folder, total, mixed_precision),
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        max_length=longest_chat(config),
        eval_strategy="no",  # the callback asks for it, at the recipe's steps
    )

    def measure(model: Any, step: int) -> None:
        if heldout:
            found = trainer.evaluate()
            pen.metric(step, "heldout", {HELDOUT[name]: float(found[name]) for name in HELDOUT if name in found})

    callback = ReporterCallback(pen, config, total, measure, FIGURES)
    trainer = lib.RewardTrainer(
        model=path,
        args=settings,
        train_dataset=Dataset.from_list([dict(pair) for pair in pairs]),
        eval_dataset=Dataset.from_list([dict(pair) for pair in heldout]) if heldout else None,
        processing_class=tokenizer,
        callbacks=[callback],
    )
    run(trainer, callback, folder)
    return trainer.model


def reward_cost(config: DistillConfig, model: Any, tokenizer: Any, pairs: list[Pair], report: Report) -> None:
    """One step on the longest pairs, both answers of each; the forecast is of pairs of the average length."""
    if not check_memory(model, 0, report):
        return
    model.to(torch_device())
    texts = [
        tokenizer.apply_chat_template(side, tokenize=False)
        for pair in pairs
        for side in (pair["chosen"], pair["rejected"])
    ]
    longest = sorted(texts, key=len)[-2 * config.batch_size :]
    batch = tokenizer(
        longest, padding=True, truncation=True, max_length=config.max_length, return_tensors="pt"
    ).to(model.device)  # fmt: skip
    timed(model, lambda: model(**batch).logits.float().mean(), report)
    report.forecast_s *= (sum(map(len, texts)) / len(texts)) / (sum(map(len, longest)) / len(longest))
