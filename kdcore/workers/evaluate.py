"""Base, student and teacher on the same held-out rows; one journal record for each model and row."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoTokenizer

from kdcore.configs.base import load_config
from kdcore.configs.evaluation import EvaluateConfig, ModelRole
from kdcore.distill.batches.batch import collate
from kdcore.distill.batches.rows import Row, encode, read_rows, same_tokenizer, without_token_ids
from kdcore.distill.student.build import load_causal_lm, thin
from kdcore.distill.terms.slices import heldout_teaching
from kdcore.evaluate.answers import answer, compare
from kdcore.evaluate.measures import rouge_l
from kdcore.hardware import pick_precision
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.tail import records_of
from kdcore.records.journal import EvalItemRecord
from kdcore.workers.base import on_accelerator, run_worker
from kdcore.workers.distill.setup import pad_token

MAX_TOKENS = 4096
ROLES: tuple[ModelRole, ...] = ("teacher", "student", "base")


@dataclass(slots=True)
class Subject:
    """A loaded model with its own tokenizer."""

    model: Any
    tokenizer: Any


def path_of(config: EvaluateConfig, role: ModelRole) -> str:
    """Where a role's model is; "" where there is none, as for a teacher behind an endpoint."""
    return {"teacher": config.teacher_path, "student": config.student_path, "base": config.base_path}[role]


def load_role(config: EvaluateConfig, role: ModelRole) -> Any:
    """The model of one role, ready to answer. The base of a thinned student is the thinned, untrained copy."""
    cuda = torch.cuda.is_available()
    model = load_causal_lm(path_of(config, role), getattr(torch, pick_precision(config.precision, cuda)))
    if role == "base" and config.base_keep_layers:
        model = thin(model, config.base_keep_layers)
    return model.to("cuda" if cuda else "cpu").eval()


def supervised_logits(model: Any, row: Row, pad_id: int) -> torch.Tensor:
    """Logits (T, V) float32 that predict the supervised tokens of one row, by the model's own forward pass."""
    batch = collate([row], pad_id, heldout_teaching(1)).to(model.device)
    with torch.inference_mode():
        logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits  # (1, T, V)
        return logits[0, batch.positions].float()


def work(run: RunDir, reporter: Reporter) -> None:
    """Measure each model that has no records yet."""
    config = load_config(EvaluateConfig, run.config())
    rows = read_rows(run.path / "input.parquet", "heldout")[: config.max_items]
    done = {(item.candidate, item.sample_id) for item in records_of(run, EvalItemRecord)}
    roles: list[ModelRole] = [role for role in ROLES if path_of(config, role)]
    total = len(rows) * len(roles)
    with on_accelerator(run, reporter):
        teacher = _open(config, "teacher", reporter) if "teacher" in roles else None
        for place, role in enumerate(roles):
            missing = [row for row in rows if (role, row["sample_id"]) not in done]
            if missing:
                subject = teacher if role == "teacher" and teacher else _open(config, role, reporter)
                reporter.phase(f"the {role} is answering")
                _measure(config, role, subject, teacher, missing, reporter, place * len(rows), total)
    reporter.progress(total, total, "answers")


def _open(config: EvaluateConfig, role: ModelRole, reporter: Reporter) -> Subject:
    reporter.phase(f"loading the {role}")
    return Subject(load_role(config, role), AutoTokenizer.from_pretrained(path_of(config, role)))


def _measure(
    config: EvaluateConfig,
    role: ModelRole,
    subject: Subject,
    teacher: Subject | None,
    rows: list[dict[str, Any]],
    reporter: Reporter,
    start: int,
    total: int,
) -> None:
    def check(done: int) -> None:
        reporter.check_stop()
        reporter.progress(start + done, total, "answers")

    # Token ids and distributions are the teacher's; a model with another tokenizer is measured on the text.
    comparable = teacher is not None and (subject is teacher or same_tokenizer(subject.tokenizer, teacher.tokenizer))
    found = encode(rows if comparable else without_token_ids(rows), subject.tokenizer, MAX_TOKENS)
    encoded = [row for row in found if row.supervised]
    references = {row["sample_id"]: row["completion"] for row in rows}
    prompts = [row.ids[: row.prompt_length] for row in encoded]
    pad = pad_token(subject.tokenizer)
    texts = answer(subject.model, subject.tokenizer, prompts, config.max_new_tokens, config.batch_size, check)
    for row, text in zip(encoded, texts, strict=True):
        reporter.check_stop()
        labels = torch.tensor(row.ids[row.prompt_length :], device=subject.model.device)
        own = supervised_logits(subject.model, row, pad)
        other = None
        if comparable and teacher is not None:
            other = own if subject is teacher else supervised_logits(teacher.model, row, pad)
            width = min(own.shape[1], other.shape[1])  # one of the two may be padded to a round number of words
            own, other = own[:, :width], other[:, :width]
        measures = compare(own, other, labels)
        measures |= {"rouge_l": rouge_l(text, references[row.sample_id]), "tokens": float(row.supervised)}
        reporter.append(
            EvalItemRecord(
                sample_id=row.sample_id, candidate=role, completion=text, measures=measures, time=time.time()
            )
        )


if __name__ == "__main__":
    run_worker(work)
