"""Base, student and teacher on the same held-out rows; one journal record for each model and row."""

from __future__ import annotations

import time
from typing import Any

import torch
from transformers import AutoTokenizer

from kdcore.configs.base import load_config
from kdcore.configs.evaluation import EvaluateConfig, ModelRole
from kdcore.distill.data import Row, collate, encode, read_rows
from kdcore.distill.signals import supervised_states
from kdcore.distill.student import load_causal_lm, thin
from kdcore.evaluate.answers import answer, compare
from kdcore.evaluate.metrics import rouge_l
from kdcore.hardware import pick_precision
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.tail import all_records
from kdcore.workers.distill import pad_token
from kdcore.workers.main import on_accelerator, run_worker

ROLES: tuple[ModelRole, ...] = ("teacher", "student", "base")


def load_role(config: EvaluateConfig, role: ModelRole) -> Any:
    """The model of one role, ready to answer. The base of a thinned student is the thinned, untrained copy."""
    path = {"teacher": config.teacher_path, "student": config.student_path, "base": config.base_path}[role]
    cuda = torch.cuda.is_available()
    model = load_causal_lm(path, getattr(torch, pick_precision(config.precision, cuda)))
    if role == "base" and config.base_keep_layers:
        model = thin(model, config.base_keep_layers)
    return model.to("cuda" if cuda else "cpu").eval()


def supervised_logits(model: Any, row: Row, pad_id: int) -> torch.Tensor:
    """Logits (T, V) float32 that predict the supervised tokens of one row."""
    batch = collate([row], pad_id, [1.0], [True]).to(model.device)
    with torch.inference_mode():
        states = supervised_states(model, batch)
        return (states @ model.get_output_embeddings().weight.t()).float()


def work(run: RunDir, reporter: Reporter) -> None:
    """Measure each model that has no records yet."""
    config = load_config(EvaluateConfig, run.config())
    rows = read_rows(run.path / "input.parquet", "heldout")[: config.max_items]
    tokenizer: Any = AutoTokenizer.from_pretrained(config.teacher_path)
    encoded = [row for row in encode(rows, tokenizer, 4096) if row.supervised]
    references = {row["sample_id"]: row["completion"] for row in rows}
    done = {(r.body["role"], r.body["sample_id"]) for r in all_records(run) if r.body.get("kind") == "eval_item"}
    total = len(encoded) * len(ROLES)
    with on_accelerator(run, reporter):
        reporter.phase("loading the teacher")
        teacher = load_role(config, "teacher")
        for place, role in enumerate(ROLES):
            missing = [row for row in encoded if (role, row.sample_id) not in done]
            if not missing:
                continue
            reporter.phase(f"loading the {role}")
            model = teacher if role == "teacher" else load_role(config, role)
            start = place * len(encoded)
            reporter.phase(f"the {role} is answering")
            _measure(config, role, model, teacher, tokenizer, missing, references, reporter, start, total)
    reporter.progress(total, total, "answers")


def _measure(
    config: EvaluateConfig,
    role: ModelRole,
    model: Any,
    teacher: Any,
    tokenizer: Any,
    rows: list[Row],
    references: dict[str, str],
    reporter: Reporter,
    start: int,
    total: int,
) -> None:
    def check(done: int) -> None:
        reporter.check_stop()
        reporter.progress(start + done, total, "answers")

    prompts = [row.ids[: row.prompt_length] for row in rows]
    texts = answer(model, tokenizer, prompts, config.max_new_tokens, config.batch_size, check)
    for row, text in zip(rows, texts, strict=True):
        reporter.check_stop()
        pad = pad_token(tokenizer)
        labels = torch.tensor(row.ids[row.prompt_length :], device=model.device)
        own = supervised_logits(model, row, pad)
        other = own if model is teacher else supervised_logits(teacher, row, pad)
        if own.shape != other.shape:
            other = None  # another vocabulary: the distributions can't be compared, the texts can
        measures = compare(own, other, labels) | {"rouge_l": rouge_l(text, references[row.sample_id])}
        reporter.append(
            {
                "kind": "eval_item",
                "sample_id": row.sample_id,
                "role": role,
                "completion": text,
                "measures": measures,
                "time": time.time(),
            }
        )


if __name__ == "__main__":
    run_worker(work)
