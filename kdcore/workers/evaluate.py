"""Any number of candidates on the same held-out rows; one journal record for each candidate and row."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoTokenizer

from kdcore.configs.evaluation import Candidate, EvaluateConfig
from kdcore.configs.teacher import Prompt
from kdcore.distill.batches.batch import collate
from kdcore.distill.batches.rows import Row, encode, read_rows, same_tokenizer, without_token_ids
from kdcore.distill.student.build import load_causal_lm, thin
from kdcore.distill.terms.slices import heldout_teaching
from kdcore.evaluate.answers import answer
from kdcore.evaluate.measures import Answered, of_answer
from kdcore.hardware import pick_precision
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.tail import records_of
from kdcore.records.datasets import TrainingRow
from kdcore.records.journal import EvalItemRecord
from kdcore.workers.base import on_accelerator, run_worker
from kdcore.workers.distill.setup import pad_token

MAX_TOKENS = 4096


@dataclass(slots=True)
class Subject:
    """A loaded candidate with its own tokenizer."""

    label: str
    model: Any
    tokenizer: Any
    prompt: Prompt


def open_candidate(config: EvaluateConfig, candidate: Candidate) -> Subject:
    """A candidate, ready to answer; a thinner copy is thinned, and untrained."""
    cuda = torch.cuda.is_available()
    model = load_causal_lm(candidate.model, getattr(torch, pick_precision(config.precision, cuda)))
    if candidate.keep_layers:
        model = thin(model, candidate.keep_layers)
    tokenizer = AutoTokenizer.from_pretrained(candidate.model)
    return Subject(candidate.label, model.to("cuda" if cuda else "cpu").eval(), tokenizer, candidate.prompt)


def as_shown(row: TrainingRow, prompt: Prompt) -> TrainingRow:
    """A held-out row with the chat that a candidate is shown; rows of before there was a choice have one chat."""
    return {**row, "messages": row.get("asked") or row["messages"]} if prompt == "teacher" else row


def supervised_logits(model: Any, row: Row, pad_id: int) -> torch.Tensor:
    """Logits (T, V) float32 that predict the supervised tokens of one row, by the model's own forward pass."""
    batch = collate([row], pad_id, heldout_teaching(1)).to(model.device)
    with torch.inference_mode():
        logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits  # (1, T, V)
        return logits[0, batch.positions].float()


def work(run: RunDir, reporter: Reporter) -> None:
    """Measure each candidate that has rows without a record; the teacher first: the others are held against it."""
    config = run.load(EvaluateConfig)
    rows = read_rows(run.path / "input.parquet", "heldout")[: config.max_items]
    done = {(item.candidate, item.sample_id) for item in records_of(run, EvalItemRecord)}
    candidates = sorted(config.candidates, key=lambda candidate: candidate.label != config.teacher)
    total = len(rows) * len(candidates)
    teacher: Subject | None = None
    with on_accelerator(run, reporter):
        for place, candidate in enumerate(candidates):
            missing = [row for row in rows if (candidate.label, row["sample_id"]) not in done]
            is_teacher = candidate.label == config.teacher
            if not missing and not is_teacher:
                continue
            reporter.phase(f"loading {candidate.label}")
            subject = open_candidate(config, candidate)
            teacher = subject if is_teacher else teacher
            if missing:
                reporter.phase(f"{candidate.label} is answering")
                _measure(config, subject, teacher, missing, reporter, place * len(rows), total)
    reporter.progress(total, total, "answers")


def _measure(
    config: EvaluateConfig,
    subject: Subject,
    teacher: Subject | None,
    rows: list[TrainingRow],
    reporter: Reporter,
    start: int,
    total: int,
) -> None:
    def check(done: int) -> None:
        reporter.check_stop()
        reporter.progress(start + done, total, "answers")

    # Token ids and distributions are the teacher's; a model with another tokenizer is measured on the text.
    comparable = teacher is not None and (subject is teacher or same_tokenizer(subject.tokenizer, teacher.tokenizer))
    shown = [as_shown(row, subject.prompt) for row in rows]
    found = encode(shown if comparable else without_token_ids(shown), subject.tokenizer, MAX_TOKENS)
    encoded = [row for row in found if row.supervised]
    read = {}
    if comparable and teacher is not None and teacher is not subject:
        asked = encode([as_shown(row, teacher.prompt) for row in rows], subject.tokenizer, MAX_TOKENS)
        read = {row.sample_id: row for row in asked}
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
            other = own if subject is teacher else supervised_logits(teacher.model, read[row.sample_id], pad)
            both = min(len(own), len(other))  # a longer prompt may have cut the answer shorter
            own, other, labels = own[:both], other[:both], labels[:both]
            width = min(own.shape[1], other.shape[1])  # one of the two may be padded to a round number of words
            own, other = own[:, :width], other[:, :width].log_softmax(-1)
        said = Answered(text, references[row.sample_id], own.log_softmax(-1), other, labels)
        reporter.append(
            EvalItemRecord(
                sample_id=row.sample_id,
                candidate=subject.label,
                completion=text,
                measures=of_answer(said) | {"tokens": float(row.supervised)},
                time=time.time(),
            )
        )


if __name__ == "__main__":
    run_worker(work)
