"""Trainings beside no other slice: a student by what its answers earn, a reward model, an encoder of labels.

``workers.distill`` hands them over; each writes the same curves, checkpoints and preflight.json as it does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from kdcore.configs.base import load_config
from kdcore.configs.distillation import LABEL_LOSSES, POLICY_LOSSES, DistillConfig
from kdcore.distill.classifier import build_classifier, labels_of, train_classifier, vote
from kdcore.distill.data import read_rows
from kdcore.distill.loop import Job, planned_steps
from kdcore.distill.policy import train_policy
from kdcore.distill.preflight import Report, check_disk, refuse
from kdcore.distill.reward_model import longest_chat, train_reward
from kdcore.distill.student import build_student, save_merged
from kdcore.distill.whole_cost import label_cost, policy_cost, reward_cost
from kdcore.errors import DataError
from kdcore.hardware import keep_freed_memory, pick_precision, torch_device
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir, write_json
from kdcore.workers import training
from kdcore.workers.main import on_accelerator
from kdcore.workers.rewards import load_judge, reward_of, scored_by


def work(run: RunDir, reporter: Reporter) -> None:
    """Train what the recipe's one slice names."""
    config = load_config(DistillConfig, run.config())
    loss = config.slices[0].loss
    keep_freed_memory()
    kind = _policy if loss in POLICY_LOSSES else _labels if loss in LABEL_LOSSES else _reward
    kind(run, reporter, config)


def preflight(run: RunDir, reporter: Reporter) -> None:
    """What would be trained on, counted and shown, and one measured step."""
    config = load_config(DistillConfig, run.config())
    loss = config.slices[0].loss
    kind = _policy_check if loss in POLICY_LOSSES else _label_check if loss in LABEL_LOSSES else _reward_check
    _written(run, kind(run, reporter, config))


def _policy_check(run: RunDir, reporter: Reporter, config: DistillConfig) -> Report:
    _, tokenizer, rows, _, report = training.prepare(run, reporter)
    report.steps = planned_steps(config, len(_asked(run)))
    if not report.blocks:
        with on_accelerator(run, reporter):
            reporter.phase("measuring one step")
            student = build_student(config.student, config.student_path, config.teacher_path, torch.float32)
            prompts = [row.ids[: row.prompt_length] for row in rows]
            policy_cost(config, student, prompts, training.pad_token(tokenizer), report)
            check_disk(student, run.path, report)
    return report


def _reward_check(run: RunDir, reporter: Reporter, config: DistillConfig) -> Report:
    pairs, _, report = _pairs(run, config)
    if not report.blocks:
        with on_accelerator(run, reporter):
            reporter.phase("measuring one step")
            model, tokenizer = load_judge(config.student_path, "cpu")
            reward_cost(config, model, tokenizer, pairs, report)
            check_disk(model, run.path, report)
    return report


def _label_check(run: RunDir, reporter: Reporter, config: DistillConfig) -> Report:
    labels, train, _, report = _voted(run, config)
    if not report.blocks:
        with on_accelerator(run, reporter):
            reporter.phase("measuring one step")
            model, reader = build_classifier(config, config.student_path, labels)
            some = [{"text": row.text, "shares": row.shares} for row in train[: config.batch_size]]
            label_cost(model, reader.batch(some), report)
            check_disk(model, run.path, report)
    return report


def _asked(run: RunDir) -> list[dict[str, Any]]:
    """The training rows, each question once."""
    return list({row["messages"]: row for row in read_rows(run.path / "input.parquet", "train")}.values())


def _policy(run: RunDir, reporter: Reporter, config: DistillConfig) -> None:
    _, tokenizer, rows, heldout, report = training.prepare(run, reporter)
    refuse(report)
    every = [row for split in ("train", "heldout") for row in read_rows(run.path / "input.parquet", split)]
    with on_accelerator(run, reporter):
        reporter.phase("building the student")
        precision = pick_precision(config.precision, torch.cuda.is_available())
        student = build_student(config.student, config.student_path, config.teacher_path, torch.float32)
        reward = reward_of(config, every, torch_device())
        job = Job(
            config=config,
            student=student,
            rows=rows,
            heldout=heldout,
            pad_id=training.pad_token(tokenizer),
            folder=run.path / "checkpoints",
            mixed_precision=training.MIXED.get(precision, "no"),
            answers=training.shown_answers(config, tokenizer, heldout, reporter, reward),
            general=training.general_rows(run, config, tokenizer),
        )
        questions = [{"sample_id": row["sample_id"], "prompt": json.loads(row["messages"])} for row in _asked(run)]
        with training.kept(student, tokenizer, run, reporter):
            train_policy(job, questions, reward, tokenizer, reporter)


def _reward(run: RunDir, reporter: Reporter, config: DistillConfig) -> None:
    from transformers import AutoTokenizer

    pairs, heldout, report = _pairs(run, config)
    refuse(report)
    with on_accelerator(run, reporter):
        reporter.phase("building the reward model")
        tokenizer: Any = AutoTokenizer.from_pretrained(config.student_path)
        mixed = training.MIXED.get(pick_precision(config.precision, torch.cuda.is_available()), "no")
        folder = run.path / "checkpoints"
        model = train_reward(config, config.student_path, pairs, heldout, tokenizer, folder, mixed, reporter)
        reporter.phase("saving the reward model")
        save_merged(model, tokenizer, run.path / "reward_model")
        reporter.phase("scoring the held-out pairs")
        write_json(run.path / "margins.json", _scored(run, config, model.eval(), tokenizer))


def _scored(run: RunDir, config: DistillConfig, model: Any, tokenizer: Any) -> list[dict[str, Any]]:
    """What the finished model gives both answers of each held-out pair that it reads whole, as TRL measures it."""
    limit = longest_chat(config)

    def whole(row: dict[str, Any]) -> bool:
        chats = _pair(row).values()
        return all(len(tokenizer.apply_chat_template(chat, return_dict=False)) <= limit for chat in chats)

    rows = [row for row in read_rows(run.path / "input.parquet", "heldout") if row["rivals"] and whole(row)]
    reward = scored_by(model, tokenizer, rows, limit)
    ids = [row["sample_id"] for row in rows]
    sides = reward(ids, [row["completion"] for row in rows]), reward(ids, [row["rivals"][-1] for row in rows])
    return [
        {"sample_id": name, "chosen": chosen, "rejected": rejected}
        for name, chosen, rejected in zip(ids, *sides, strict=True)
    ]


def _pairs(run: RunDir, config: DistillConfig) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Report]:
    """Best and worst answer of each row that has two, as whole chats."""
    found = {
        split: [_pair(row) for row in read_rows(run.path / "input.parquet", split) if row["rivals"]]
        for split in ("train", "heldout")
    }
    report = _counted(run, config, found["train"], found["heldout"])
    if not found["train"]:
        report.blocks.append(
            "no training row has a second answer to compare with; make pairs with a feedback method, "
            "or edit answers on the Review page"
        )
    for pair in found["train"][:3]:
        texts = [pair[side][-1]["content"] for side in ("chosen", "rejected")]
        reads = "\n".join(f"{message['role']}: {message['content']}" for message in pair["chosen"][:-1])
        shown = {"reads": reads, "learns": texts[0], "worse": [texts[1]], "supervised": 0, "topk": False}
        report.first_batch.append(shown)
    return found["train"], found["heldout"], _written(run, report)


def _pair(row: dict[str, Any]) -> dict[str, Any]:
    chat = json.loads(row["messages"])
    answers = {"chosen": row["completion"], "rejected": row["rivals"][-1]}
    return {side: [*chat, {"role": "assistant", "content": text}] for side, text in answers.items()}


def _labels(run: RunDir, reporter: Reporter, config: DistillConfig) -> None:
    labels, train, heldout, report = _voted(run, config)
    refuse(report)
    with on_accelerator(run, reporter):
        reporter.phase("building the encoder")
        mixed = training.MIXED.get(pick_precision(config.precision, torch.cuda.is_available()), "no")
        folder = run.path / "checkpoints"
        model, tokenizer, said = train_classifier(
            config, config.student_path, labels, train, heldout, folder, mixed, reporter
        )
        for row, label in zip(heldout, said, strict=True):
            told = {"kind": "train_answer", "attempt": reporter.epoch, "step": planned_steps(config, len(train))}
            reporter.append(told | {"sample_id": row.sample_id, "completion": label})
        reporter.phase("saving the encoder")
        save_merged(model, tokenizer, run.path / "classifier")


def _voted(run: RunDir, config: DistillConfig) -> tuple[list[str], list[Any], list[Any], Report]:
    rows = {split: read_rows(run.path / "input.parquet", split) for split in ("train", "heldout")}
    labels: list[str] = []
    problem = ""
    try:
        labels = labels_of(rows["train"])
    except DataError as exc:
        problem = str(exc).rstrip(".")
    train, heldout = (vote(rows[split], labels) for split in ("train", "heldout"))
    report = _counted(run, config, train, heldout)
    if problem:
        report.blocks.append(problem)
    unknown = {row["answer"] for row in rows["heldout"]} - set(labels)
    if labels and unknown:
        report.warnings.append(f"{len(unknown)} labels stand in held-out rows only and are left out")
    for row in train[:3]:
        shares = zip(labels, row.shares, strict=True)
        learns = ", ".join(f"{label} {share:.0%}" for label, share in shares if share)
        report.first_batch.append({"reads": row.text, "learns": learns, "supervised": 1, "topk": False})
    return labels, train, heldout, _written(run, report)


def _counted(run: RunDir, config: DistillConfig, train: list[Any], heldout: list[Any]) -> Report:
    report = Report(rows=len(train), heldout=len(heldout))
    report.steps = planned_steps(config, len(train)) if train else 0
    if not heldout:
        report.warnings.append("no held-out rows: the curve can't show whether it generalises")
    return report


def _written(run: RunDir, report: Report) -> Report:
    write_json(Path(run.path) / "preflight.json", report.to_dict())
    return report
