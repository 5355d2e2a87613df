"""What would happen, before it does: supervised tokens, cut rows, the first batch, memory, time."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import psutil
import torch

from kdcore.configs.distillation import DistillConfig
from kdcore.distill.batches.batch import batches, collate
from kdcore.distill.batches.rows import Row
from kdcore.distill.batches.targets import TEXT
from kdcore.distill.measures.heldout import HeldoutEvaluator
from kdcore.distill.student.rollouts import MEMORY_SHARE, by_vllm
from kdcore.distill.terms.slices import teaching_of
from kdcore.distill.training import checkpoint
from kdcore.distill.training.loop import planned_steps, student_with_losses
from kdcore.errors import DataError
from kdcore.hardware import torch_device
from kdcore.records.datasets import TrainingRow
from kdcore.records.runs import BatchRow, Compatibility, PreflightReport

BYTES_FULL = 16  # float32 weight, gradient and two AdamW moments
BYTES_FROZEN = 4
BYTES_SAVED = 12  # of a checkpoint: float32 weight and two moments
PROBED = 32  # held-out rows that the untrained student is measured on
NOTHING_TO_LEARN = 0.02  # nats a token


@dataclass(slots=True)
class Report:
    """The findings. ``blocks`` must be empty to start; ``warnings`` are for a person to weigh."""

    rows: int = 0
    heldout: int = 0
    supervised_tokens: int = 0
    shortest: int = 0
    longest: int = 0
    truncated: int = 0
    with_topk: int = 0
    teacher_models: dict[str, int] = field(default_factory=dict[str, int])  # model → rows whose stored words are its
    steps: int = 0
    parameters: int = 0
    trainable: int = 0
    memory_gb: float = 0.0
    free_gb: float = 0.0
    disk_gb: float = 0.0
    disk_free_gb: float = 0.0
    step_s: float = 0.0
    forecast_s: float = 0.0
    baseline: dict[str, float] = field(default_factory=dict[str, float])  # of the untrained student, held-out
    fits: list[Compatibility] = field(default_factory=list[Compatibility])
    first_batch: list[BatchRow] = field(default_factory=list[BatchRow])
    warnings: list[str] = field(default_factory=list[str])
    blocks: list[str] = field(default_factory=list[str])

    def to_dict(self) -> PreflightReport:
        """Plain data for preflight.json."""
        return cast("PreflightReport", asdict(self))


def check_rows(config: DistillConfig, rows: list[Row], heldout: list[Row], report: Report) -> Report:
    """Count what is supervised; a row without supervised tokens blocks the start."""
    counts = [row.supervised for row in rows]
    report.rows, report.heldout = len(rows), len(heldout)
    report.supervised_tokens = sum(counts)
    report.shortest, report.longest = min(counts, default=0), max(counts, default=0)
    report.truncated = sum(row.truncated for row in rows)
    report.with_topk = sum(row.topk_ids is not None for row in rows)
    report.steps = planned_steps(config, len(rows)) if rows else 0
    empty = [row.sample_id for row in rows if row.supervised == 0]
    if not rows:
        report.blocks.append("the training split is empty; freeze a version with more rows")
    if empty:
        report.blocks.append(
            f"{len(empty)} rows have no supervised token (such as {empty[0]}): "
            f"their prompts alone reach {config.max_length} tokens; raise the longest row or leave them out"
        )
    if report.truncated:
        report.warnings.append(f"{report.truncated} of {len(rows)} rows are cut at {config.max_length} tokens")
    if not heldout:
        report.warnings.append("no held-out rows: the curve can't show whether the student generalises")
    wants = _wants_stored(config)
    without = sum(1 for row in rows if wants[row.slice] and row.topk_ids is None)
    if without == len(rows) and without:
        report.blocks.append(
            "no row has stored top-k for this loss; have a teacher read the answers on the Datasets page, "
            "compare with the live teacher, or choose sequence_level_kd"
        )
    elif without:
        report.warnings.append(
            f"{without} of {len(rows)} rows have no stored top-k (edited by people, or made without it); "
            "they are trained on their text by cross-entropy, unless a teacher reads them on the Datasets page"
        )
    _check_sampled_tail(config, rows, report)
    return report


def _wants_stored(config: DistillConfig) -> list[bool]:
    """By slice: whether it learns from stored words."""
    _, teaching = teaching_of(config.slices)
    return [kind != TEXT and not live for kind, live in zip(teaching.kinds, teaching.live, strict=True)]


def check_sources(config: DistillConfig, rows: Sequence[TrainingRow], report: Report) -> None:
    """Count whose words the rows of ``input.parquet`` bring and learn from; those of several models are told."""
    wants = _wants_stored(config)
    with_words = [row for row in rows if wants[row["slice"]] and row.get("topk_ids")]
    names = Counter(model for row in with_words if (model := row.get("teacher_model")))
    report.teacher_models = dict(names.most_common())
    if len(report.teacher_models) > 1:
        rows_in_all = sum(report.teacher_models.values())
        shares = ", ".join(
            f"{model} ({count} of {rows_in_all} rows)" for model, count in report.teacher_models.items()
        )
        report.warnings.append(
            f"the stored words are of {len(report.teacher_models)} models: {shares}; "
            "an answer as its teacher wrote it brings that teacher's, any other those of the model that read it last"
        )


def _check_sampled_tail(config: DistillConfig, rows: list[Row], report: Report) -> None:
    """Slices that learn words drawn from the tail need rows that have some."""
    for number, part in enumerate(config.slices):
        asked = [row for row in rows if row.slice == number and part.tail == "drawn" and row.topk_ids is not None]
        bare = sum(row.offsets is None for row in asked)
        if bare and bare == len(asked):
            report.blocks.append(
                f"no row of slice {number + 1} has words drawn from the tail; have a teacher draw some as it reads "
                'the answers (Datasets page), or set the tail to "bucket"'
            )
        elif bare:
            report.warnings.append(
                f"{bare} of {len(asked)} rows of slice {number + 1} have no words drawn from the tail: "
                "there all other words count as one"
            )


def check_memory(model: Any, beside: int, report: Report) -> bool:
    """Memory by count, with ``beside`` bytes for what is not trained; False, and a block, where it does not fit."""
    report.parameters = sum(p.numel() for p in model.parameters())
    report.trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = beside + sum(p.numel() * p.element_size() for p in model.parameters() if not p.requires_grad)
    report.memory_gb = (report.trainable * BYTES_FULL + frozen) / 1e9
    free = torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else psutil.virtual_memory().available
    report.free_gb = free / 1e9
    if report.memory_gb > report.free_gb:
        report.blocks.append(f"about {report.memory_gb:.1f} GB are needed, {report.free_gb:.1f} GB are free")
        return False
    return True


def check_cost(
    config: DistillConfig, student: Any, rows: list[Row], pad_id: int, report: Report, teacher: Any = None
) -> Report:
    """Memory by count, time by one real forward and backward pass on the first batch."""
    device = torch_device()
    beside = sum(p.numel() * p.element_size() for p in teacher.parameters()) if teacher is not None else 0
    if by_vllm(config) and device == "cuda":
        beside += int(MEMORY_SHARE * torch.cuda.mem_get_info()[1])
    if not check_memory(student, beside, report):
        return report
    group = next(batches(rows, config.batch_size, config.seed, 0))
    for row in group:  # the figures of a reference do not matter for the time
        row.reference = row.reference or (0.0,) * len(row.answers)
    teacher = teacher.to(device).eval() if teacher is not None else None
    model = student_with_losses(config, student.to(device).train(), teacher).to(device)
    batch = collate(group, pad_id, model.teaching).to(device)
    started = time.perf_counter()
    loss, *_ = model(batch)
    loss.backward()
    student.zero_grad(set_to_none=True)
    report.step_s = time.perf_counter() - started
    average = _read_tokens(config, rows) / len(rows) * config.batch_size
    report.forecast_s = report.step_s * report.steps * average / _read_tokens(config, group)
    if config.on_policy:
        report.warnings.append(
            f"{config.on_policy:.0%} of the steps first let the student write; the forecast does not count that time"
        )
    return report


def check_disk(student: Any, folder: Path, report: Report) -> Report:
    """Disk by count: the checkpoints that are kept and one that is being written, and the student at the end."""
    trainable = sum(p.numel() for p in student.parameters() if p.requires_grad)
    whole = sum(p.numel() for p in student.parameters())
    report.disk_gb = ((checkpoint.KEEP + 1) * trainable * BYTES_SAVED + whole * BYTES_FROZEN) / 1e9
    report.disk_free_gb = shutil.disk_usage(folder).free / 1e9
    if report.disk_gb > report.disk_free_gb:
        report.blocks.append(
            f"checkpoints and student take about {report.disk_gb:.1f} GB of disk, "
            f"{report.disk_free_gb:.1f} GB are free"
        )
    return report


def headroom(config: DistillConfig, student: Any, heldout: list[Row], pad_id: int, report: Report) -> Report:
    """What there is to learn: the untrained student's distance to the teacher on some held-out rows."""
    probe = HeldoutEvaluator(
        heldout[:PROBED], len(config.slices), (False,) * len(config.slices), config.batch_size, pad_id
    )
    report.baseline = probe.measure(student, config.chunk_tokens)
    if report.baseline.get("forward_kl", 1.0) < NOTHING_TO_LEARN:
        report.warnings.append(
            f"the student is only {report.baseline['forward_kl']:.3f} nats a token from the teacher already: "
            "there is little left to learn from these rows"
        )
    return report


def _read_tokens(config: DistillConfig, rows: list[Row]) -> int:
    ranked = [part.traits.ranks for part in config.slices]
    return sum(len(ids) for row in rows for ids in (row.answers if ranked[row.slice] else [row.ids]))


def show_first_batch(config: DistillConfig, rows: list[Row], tokenizer: Any, report: Report) -> Report:
    """The first rows as the model sees them: what it reads, and what it is taught."""
    for row in next(batches(rows, config.batch_size, config.seed, 0))[:3]:
        report.first_batch.append(
            {
                "sample_id": row.sample_id,
                "reads": tokenizer.decode(row.ids[: row.prompt_length]),
                "learns": tokenizer.decode(row.ids[row.prompt_length :]),
                "supervised": row.supervised,
                "topk": row.topk_ids is not None,
                "undesirable": row.undesirable,
                "worse": [
                    tokenizer.decode(ids[row.prompt_length :])
                    for ids in (row.rejected if config.slices[row.slice].traits.ranks else [])
                ],
            }
        )
    return report


def refuse(report: Report) -> None:
    """Raise DataError with the first finding that blocks the start."""
    if report.blocks:
        raise DataError(f"{report.blocks[0]}.")
