"""Around the steps of every training: rows with their checks, general questions, shown answers, the student kept.

The kinds beside it (``mixture``, ``policy``, ``reward_model``, ``classifier``) differ in what they train;
this they share.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import fmean
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer

from kdcore.configs.distillation import DistillConfig
from kdcore.distill.batches.alignment import Translator
from kdcore.distill.batches.compatibility import compatibility, within
from kdcore.distill.batches.rows import Row, encode, of_text, read_rows, same_tokenizer, without_token_ids
from kdcore.distill.measures.heldout import store_topk
from kdcore.distill.student.build import load_causal_lm, save_merged
from kdcore.distill.training.loop import Reward, planned_steps
from kdcore.distill.training.preflight import Report, check_rows, check_sources, show_first_batch
from kdcore.evaluate.answers import answer
from kdcore.hardware import pick_precision, torch_device
from kdcore.jobs.reporter import Reporter, Stopped
from kdcore.jobs.run_dir import RunDir, write_json
from kdcore.records.datasets import TrainingRow
from kdcore.records.journal import TrainAnswerRecord

MIXED = {"bfloat16": "bf16", "float16": "fp16"}  # precision → accelerate's word for it


def prepare(run: RunDir, reporter: Reporter) -> tuple[DistillConfig, Any, list[Row], list[Row], Report]:
    """Config, tokenizer, encoded rows, and the checks on them written to preflight.json."""
    config = run.load(DistillConfig)
    reporter.phase("reading the data")
    path = config.teacher_path if config.student.init == "teacher_layers" else config.student_path
    tokenizer: Any = AutoTokenizer.from_pretrained(path)
    splits = {split: read_rows(run.path / "input.parquet", split) for split in ("train", "heldout")}
    report = Report()
    teacher: Any = AutoTokenizer.from_pretrained(config.teacher_path) if config.teacher_path else None
    outputs = AutoConfig.from_pretrained(path)
    if config.student.init == "model" and teacher is not None:
        report.fits = compatibility(tokenizer, teacher, outputs, AutoConfig.from_pretrained(config.teacher_path))
    if config.student.init == "model" and (teacher is None or not same_tokenizer(tokenizer, teacher)):
        splits = _in_its_tokens(config, splits, tokenizer, report)
        if config.compares_with_teacher:
            report.blocks.append(
                "the live teacher has another tokenizer than the student, so their words can't be compared; "
                "choose a student of the teacher's family, or sequence_level_kd"
            )
    sampled = frozenset(number for number, part in enumerate(config.slices) if part.tail == "drawn")
    if config.anchor_path and not same_tokenizer(tokenizer, AutoTokenizer.from_pretrained(config.anchor_path)):
        report.blocks.append(f"{config.anchor} has other tokens than the student; leave the anchor out")
    rows = _with_rejected(config, encode(splits["train"], tokenizer, config.max_length, sampled), report)
    heldout = encode(splits["heldout"], tokenizer, config.max_length)
    within([*rows, *heldout], int(outputs.get_text_config().vocab_size))
    check_rows(config, rows, heldout, report)
    check_sources(config, splits["train"], report)
    if not report.blocks:
        show_first_batch(config, rows, tokenizer, report)
    write_json(run.path / "preflight.json", report.to_dict())
    return config, tokenizer, rows, [row for row in heldout if row.supervised], report


def _with_rejected(config: DistillConfig, rows: list[Row], report: Report) -> list[Row]:
    """The rows without those of a ranking slice that have one answer only; a slice that keeps none blocks.

    A loss that learns from single answers keeps them all where some of them are bad.
    """
    with_bad = {row.slice for row in rows if row.undesirable}
    alone = [
        not part.traits.ranks or (part.traits.unary and number in with_bad)
        for number, part in enumerate(config.slices)
    ]
    kept = [row for row in rows if row.rejected or alone[row.slice]]
    for number, part in enumerate(config.slices):
        before, after = (sum(row.slice == number for row in found) for found in (rows, kept))
        if before and not after:
            report.blocks.append(
                f"no training row of slice {number + 1} ({part.loss}) has a second answer to put in order; "
                "make pairs with a feedback method, or edit answers on the Review page"
                + (", or freeze the version with its rejected answers" if part.traits.unary else "")
            )
        elif after < before:
            report.warnings.append(
                f"{before - after} of {before} rows of slice {number + 1} ({part.loss}) have one answer only "
                "and are left out"
            )
    return kept


def _in_its_tokens(
    config: DistillConfig, splits: dict[str, list[TrainingRow]], tokenizer: Any, report: Report
) -> dict[str, list[TrainingRow]]:
    """The rows for a student of other tokens: what both can say of the same text, else the text."""
    said = "the student's tokens are not the teacher's: "
    if any(part.tail == "drawn" for part in config.slices):
        report.blocks.append(
            f'{said}words that were drawn from the tail can\'t be carried over; set the tail to "bucket"'
        )
    try:
        if not config.teacher_path:
            raise ValueError("the teacher is not on this machine")
        translator = Translator(AutoTokenizer.from_pretrained(config.teacher_path), tokenizer)
    except ValueError as exc:
        report.warnings.append(f"{said}it learns from the text, the stored top-k can't be used ({exc})")
        return {split: without_token_ids(found) for split, found in splits.items()}
    ranked = [part.traits.by_rank for part in config.slices]
    found = {
        "train": [translator.translate(row, by_rank=ranked[row["slice"]]) for row in splits["train"]],
        "heldout": [translator.translate(row) for row in splits["heldout"]],
    }
    if translator.share.tokens:
        report.warnings.append(f"{said}{translator.share.words()}; elsewhere it learns from the text")
    return found


def general_rows(run: RunDir, config: DistillConfig, tokenizer: Any) -> list[Row]:
    """Questions of no subject with good answers; none where the run folder brings none.

    With an anchor they carry what it would say there, so that the distance to it is measured.
    """
    texts = run.read_lines("general.jsonl")[: config.general_rows]
    rows = [
        of_text(f"general-{number}", json.dumps([{"role": "user", "content": text["question"]}]), text["answer"])
        for number, text in enumerate(texts)
    ]
    read = encode(rows, tokenizer, config.max_length)
    if config.anchor_path and read:
        anchor = load_causal_lm(config.anchor_path, torch.float32).to(torch_device())
        dtype = getattr(torch, pick_precision(config.precision, torch.cuda.is_available()))
        with torch.autocast(torch_device(), dtype, enabled=dtype != torch.float32):  # as the student is measured
            store_topk(anchor, read, pad_token(tokenizer), config.batch_size)
    return read


def shown_answers(
    config: DistillConfig, tokenizer: Any, heldout: list[Row], reporter: Reporter, reward: Reward | None = None
) -> Callable[[Any, int], None]:
    """Writes down what the student says to the same few held-out questions at each evaluation, and what it earns."""
    chosen = heldout[: config.shown_answers]

    def write(student: Any, step: int) -> None:
        was_training = student.training
        student.eval()
        prompts = [row.ids[: row.prompt_length] for row in chosen]
        most = config.shown_tokens if reward is None else max(config.shown_tokens, config.rollout_tokens)
        try:
            said = answer(
                student,
                tokenizer,
                prompts,
                most,
                config.batch_size,
                lambda done: reporter.check_stop(),
            )
        except Stopped:
            return  # the loop stops between two steps, where nothing is lost
        finally:
            student.train(was_training)
        for row, text in zip(chosen, said, strict=True):
            reporter.append(
                TrainAnswerRecord(attempt=reporter.epoch, step=step, sample_id=row.sample_id, completion=text)
            )
        if reward is not None and chosen:
            reporter.metric(step, "heldout", {"reward": fmean(reward([row.sample_id for row in chosen], said))})

    return write


def pad_token(tokenizer: Any) -> int:
    """An id to pad with; padded positions are masked, so any id does."""
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0)


@contextmanager
def kept(student: Any, tokenizer: Any, run: RunDir, reporter: Reporter) -> Iterator[None]:
    """Save the student once the block has trained it, or where it was stopped to be kept as it is then."""
    try:
        yield
    except Stopped as stop:
        if stop.state == "cancelled":  # stop and keep
            save_merged(student, tokenizer, run.path / "student")
        raise
    reporter.phase("saving the student")
    save_merged(student, tokenizer, run.path / "student")


def counted(run: RunDir, config: DistillConfig, train: list[Any], heldout: list[Any]) -> Report:
    """A report that counts rows and steps and warns where nothing is held out."""
    report = Report(rows=len(train), heldout=len(heldout))
    report.steps = planned_steps(config, len(train)) if train else 0
    if not heldout:
        report.warnings.append("no held-out rows: the curve can't show whether it generalises")
    return report


def written(run: RunDir, report: Report) -> Report:
    """Keep the report as preflight.json; returns it."""
    write_json(run.path / "preflight.json", report.to_dict())
    return report
