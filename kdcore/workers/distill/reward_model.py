"""Train a model that scores answers, from pairs of which one is better."""

from __future__ import annotations

import json
from typing import Any

import torch

from kdcore.configs.distillation import DistillConfig
from kdcore.distill.batches.rows import read_rows
from kdcore.distill.student.build import save_merged
from kdcore.distill.training.preflight import Report, check_disk, refuse
from kdcore.distill.trl.reward_model import Pair, longest_chat, reward_cost, train_reward
from kdcore.hardware import pick_precision
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir, write_json
from kdcore.records.datasets import TrainingRow
from kdcore.records.runs import BatchRow, PairScore
from kdcore.types import Message
from kdcore.workers.base import on_accelerator
from kdcore.workers.distill import setup
from kdcore.workers.distill.rewards import load_judge, scored_by


def check(run: RunDir, reporter: Reporter, config: DistillConfig) -> Report:
    """Count the pairs and measure one step."""
    pairs, _, report = _pairs(run, config)
    if not report.blocks:
        with on_accelerator(run, reporter):
            reporter.phase("measuring one step")
            model, tokenizer = load_judge(config.student_path, "cpu")
            reward_cost(config, model, tokenizer, pairs, report)
            check_disk(model, run.path, report)
    return report


def train(run: RunDir, reporter: Reporter, config: DistillConfig) -> None:
    """Train on the pairs, then score the held-out ones."""
    from transformers import AutoTokenizer

    pairs, heldout, report = _pairs(run, config)
    refuse(report)
    with on_accelerator(run, reporter):
        reporter.phase("building the reward model")
        tokenizer: Any = AutoTokenizer.from_pretrained(config.student_path)
        mixed = setup.MIXED.get(pick_precision(config.precision, torch.cuda.is_available()), "no")
        folder = run.path / "checkpoints"
        model = train_reward(config, config.student_path, pairs, heldout, tokenizer, folder, mixed, reporter)
        reporter.phase("saving the reward model")
        save_merged(model, tokenizer, run.path / "reward_model")
        reporter.phase("scoring the held-out pairs")
        write_json(run.path / "margins.json", _scored(run, config, model.eval(), tokenizer))


def _scored(run: RunDir, config: DistillConfig, model: Any, tokenizer: Any) -> list[PairScore]:
    """What the finished model gives both answers of each held-out pair that it reads whole, as TRL measures it."""
    limit = longest_chat(config)

    def whole(row: TrainingRow) -> bool:
        pair = _pair(row)
        chats = pair["chosen"], pair["rejected"]
        return all(len(tokenizer.apply_chat_template(chat, return_dict=False)) <= limit for chat in chats)

    rows = [row for row in read_rows(run.path / "input.parquet", "heldout") if row["rejected_answers"] and whole(row)]
    reward = scored_by(model, tokenizer, rows, limit)
    ids = [row["sample_id"] for row in rows]
    sides = (
        reward(ids, [row["completion"] for row in rows]),
        reward(ids, [(row["rejected_answers"] or [""])[-1] for row in rows]),
    )
    return [
        {"sample_id": name, "chosen": chosen, "rejected": rejected}
        for name, chosen, rejected in zip(ids, *sides, strict=True)
    ]


def _pairs(run: RunDir, config: DistillConfig) -> tuple[list[Pair], list[Pair], Report]:
    """Best and worst answer of each row that has two, as whole chats."""
    found = {
        split: [_pair(row) for row in read_rows(run.path / "input.parquet", split) if row["rejected_answers"]]
        for split in ("train", "heldout")
    }
    report = setup.counted(run, config, found["train"], found["heldout"])
    if not found["train"]:
        report.blocks.append(
            "no training row has a second answer to compare with; make pairs with a feedback method, "
            "or edit answers on the Review page"
        )
    for pair in found["train"][:3]:
        reads = "\n".join(f"{message['role']}: {message['content']}" for message in pair["chosen"][:-1])
        learns, worse = pair["chosen"][-1]["content"], pair["rejected"][-1]["content"]
        report.first_batch.append(
            BatchRow(
                sample_id="", reads=reads, learns=learns, supervised=0, topk=False, undesirable=False, worse=[worse]
            )
        )
    return found["train"], found["heldout"], setup.written(run, report)


def _pair(row: TrainingRow) -> Pair:
    """The row's own answer against the worst one that it has."""
    chat: list[Message] = json.loads(row["messages"])
    worst = (row["rejected_answers"] or [""])[-1]
    return {
        "chosen": [*chat, {"role": "assistant", "content": row["completion"]}],
        "rejected": [*chat, {"role": "assistant", "content": worst}],
    }
