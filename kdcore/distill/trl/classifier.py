"""An encoder that learns the teacher's labels (survey §4.4.1): small, fast, and measured against what people gave.

Several answers to one text are votes; the target is their share, so a text that divides the teacher teaches doubt
(Hinton et al. 2015, with the votes as soft targets).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdcore.configs.distillation import DistillConfig
from kdcore.distill.training.loop import planned_steps
from kdcore.distill.training.preflight import Report, check_memory
from kdcore.distill.trl.callback import ReporterCallback, common_arguments, run
from kdcore.distill.trl.measured_step import timed
from kdcore.errors import DataError
from kdcore.hardware import torch_device
from kdcore.records.datasets import TrainingRow

MAX_LABELS = 200
LONGEST_LABEL = 80  # characters


@dataclass(frozen=True, slots=True)
class SoftLabelled:
    """One text and the share of the teacher's votes for each label (L,), summing to 1."""

    sample_id: str
    text: str
    shares: tuple[float, ...]


def vote(rows: Sequence[TrainingRow], labels: Sequence[str]) -> list[SoftLabelled]:
    """One text once, its answers counted; ``rows`` have sample_id, text and answer. Unknown labels are left out."""
    counts: dict[str, Counter[str]] = {}
    first: dict[str, str] = {}
    for row in rows:
        if row["answer"] in labels:
            counts.setdefault(row["text"], Counter())[row["answer"]] += 1
            first.setdefault(row["text"], row["sample_id"])
    return [
        SoftLabelled(first[text], text, tuple(votes[label] / votes.total() for label in labels))
        for text, votes in counts.items()
    ]


def labels_of(rows: Sequence[TrainingRow]) -> list[str]:
    """The labels among the training rows' answers, sorted; raises DataError where these are no labels."""
    found = sorted({str(row["answer"]) for row in rows})
    if len(found) < 2:
        raise DataError(f"the training rows have {len(found)} label; an encoder needs at least two to tell apart.")
    long = next((label for label in found if len(label) > LONGEST_LABEL), None)
    if len(found) > MAX_LABELS or long is not None:
        shown = f'such as "{long[:60]}…"' if long else f"{len(found)} different ones, at most {MAX_LABELS} are labels"
        raise DataError(
            f"the answers are no labels ({shown}); freeze a version of label_and_explain, "
            "or choose a loss that learns texts."
        )
    return found


def scores(predicted: np.ndarray, shares: np.ndarray) -> dict[str, float]:
    """Accuracy and macro-F1 against the label with most votes, and nats to the shares.

    ``predicted`` (N, L) log-probs, ``shares`` (N, L). ``majority`` is what saying the commonest label would get.
    """
    truth, said = shares.argmax(1), predicted.argmax(1)
    f1: list[float] = []
    for label in np.unique(truth):
        right = float(((said == label) & (truth == label)).sum())
        f1.append(2 * right / float((said == label).sum() + (truth == label).sum()))
    return {
        "accuracy": float((said == truth).mean()),
        "macro_f1": float(np.mean(f1)),
        "majority": float(np.bincount(truth).max() / len(truth)),
        "label_loss": float(-(shares * predicted).sum(1).mean()),
    }


class Reader:
    """Texts as the encoder reads them, and what it says of some."""

    def __init__(self, path: str, most: int) -> None:
        from transformers import AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(path)
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.most = most

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        """Tokens and vote shares of {text, shares} rows."""
        texts = [row["text"] for row in rows]
        read = self.tokenizer(texts, truncation=True, max_length=self.most, padding=True, return_tensors="pt")
        return {**read, "labels": torch.tensor([row["shares"] for row in rows], dtype=torch.float32)}

    def predict(self, model: Any, rows: list[SoftLabelled]) -> np.ndarray:
        """Log-probs (N, L) of each label."""
        was_training = model.training
        model.eval()
        found: list[np.ndarray] = []
        with torch.inference_mode():
            for at in range(0, len(rows), 32):
                batch = self.batch([{"text": row.text, "shares": row.shares} for row in rows[at : at + 32]])
                given = {name: value.to(model.device) for name, value in batch.items() if name != "labels"}
                found.append(model(**given).logits.float().log_softmax(-1).cpu().numpy())
        model.train(was_training)
        return np.concatenate(found)


def _soft_loss(outputs: Any, shares: Tensor, num_items_in_batch: Any = None) -> Tensor:
    """Cross-entropy to vote shares (B, L), mean over texts."""
    return -(shares * outputs.logits.float().log_softmax(-1)).sum(-1).mean()


def build_classifier(config: DistillConfig, path: str, labels: list[str]) -> tuple[Any, Reader]:
    """An encoder with one output for each label, and what reads its texts."""
    from transformers import AutoModelForSequenceClassification

    names = dict(enumerate(labels))
    model: Any = AutoModelForSequenceClassification.from_pretrained(
        path, num_labels=len(labels), id2label=names, label2id={name: i for i, name in names.items()}
    )
    reads = getattr(model.config, "max_position_embeddings", None) or config.max_length
    reader = Reader(path, min(config.max_length, reads))
    model.config.pad_token_id = reader.tokenizer.pad_token_id
    return model, reader


def train_classifier(
    config: DistillConfig,
    path: str,
    labels: list[str],
    train: list[SoftLabelled],
    heldout: list[SoftLabelled],
    folder: Path,
    mixed_precision: str,
    pen: Any,
) -> tuple[Any, Any, list[str]]:
    """Train an encoder from ``path``; returns model, tokenizer and what it says of each held-out text.

    Cross-entropy to the vote shares, nats a text: their own entropy is its least value.
    """
    from datasets import Dataset
    from transformers import Trainer, TrainingArguments, set_seed

    set_seed(config.seed)
    model, reader = build_classifier(config, path, labels)
    total = planned_steps(config, len(train))

    def measure(net: Any, step: int) -> None:
        if heldout:
            shares = np.array([row.shares for row in heldout])
            pen.metric(step, "heldout", scores(reader.predict(net, heldout), shares))

    callback = ReporterCallback(pen, config, total, measure)
    arguments = common_arguments(config, folder, total, mixed_precision)
    arguments |= {"per_device_train_batch_size": config.batch_size, "remove_unused_columns": False}
    trainer = Trainer(
        model=model,
        args=TrainingArguments(**arguments),
        train_dataset=Dataset.from_list([{"text": row.text, "shares": list(row.shares)} for row in train]),  # pyright: ignore[reportArgumentType]
        data_collator=reader.batch,
        compute_loss_func=_soft_loss,
        callbacks=[callback],
    )
    run(trainer, callback, folder)
    said = [labels[i] for i in reader.predict(model, heldout).argmax(1)] if heldout else []
    return model, reader.tokenizer, said


def label_cost(model: Any, batch: dict[str, Tensor], report: Report) -> None:
    """One step on the texts of a batch."""
    if check_memory(model, 0, report):
        model.to(torch_device())
        given = {name: value.to(model.device) for name, value in batch.items() if name != "labels"}
        timed(model, lambda: model(**given).logits.float().mean(), report)
