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

from kdcore.configs.distillation import DistillConfig
from kdcore.distill.hf_trainer import PenCallback, common_arguments, run
from kdcore.distill.loop import planned_steps
from kdcore.errors import DataError

MOST_LABELS = 200
LONGEST_LABEL = 80  # characters


@dataclass(frozen=True, slots=True)
class Voted:
    """One text and the share of the teacher's votes for each label (L,), summing to 1."""

    sample_id: str
    text: str
    shares: tuple[float, ...]


def vote(rows: Sequence[dict[str, Any]], labels: Sequence[str]) -> list[Voted]:
    """One text once, its answers counted; ``rows`` have sample_id, text and answer. Unknown labels are left out."""
    counts: dict[str, Counter[str]] = {}
    first: dict[str, str] = {}
    for row in rows:
        if row["answer"] in labels:
            counts.setdefault(row["text"], Counter())[row["answer"]] += 1
            first.setdefault(row["text"], row["sample_id"])
    return [
        Voted(first[text], text, tuple(votes[label] / votes.total() for label in labels))
        for text, votes in counts.items()
    ]


def labels_of(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The labels among the training rows' answers, sorted; raises DataError where these are no labels."""
    found = sorted({str(row["answer"]) for row in rows})
    if len(found) < 2:
        raise DataError(f"the training rows have {len(found)} label; an encoder needs at least two to tell apart.")
    long = next((label for label in found if len(label) > LONGEST_LABEL), None)
    if len(found) > MOST_LABELS or long is not None:
        shown = (
            f'such as "{long[:60]}…"' if long else f"{len(found)} different ones, at most {MOST_LABELS} are labels"
        )
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


def train_classifier(
    config: DistillConfig,
    path: str,
    labels: list[str],
    train: list[Voted],
    heldout: list[Voted],
    folder: Path,
    mixed_precision: str,
    pen: Any,
) -> tuple[Any, Any, list[str]]:
    """Train an encoder from ``path``; returns model, tokenizer and what it says of each held-out text.

    Cross-entropy to the vote shares, nats a text: their own entropy is its least value.
    """
    from datasets import Dataset
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments, set_seed

    set_seed(config.seed)
    tokenizer: Any = AutoTokenizer.from_pretrained(path)
    names = dict(enumerate(labels))
    model: Any = AutoModelForSequenceClassification.from_pretrained(
        path, num_labels=len(labels), id2label=names, label2id={name: i for i, name in names.items()}
    )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    total = planned_steps(config, len(train))
    longest = min(config.max_length, getattr(model.config, "max_position_embeddings", config.max_length) or 512)

    def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
        texts = [row["text"] for row in rows]
        batch = dict(tokenizer(texts, truncation=True, max_length=longest, padding=True, return_tensors="pt"))
        return batch | {"labels": torch.tensor([row["shares"] for row in rows], dtype=torch.float32)}

    class SoftTrainer(Trainer):
        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
            shares = inputs.pop("labels")
            logits = model(**inputs).logits.float()
            loss = -(shares * logits.log_softmax(-1)).sum(-1).mean()
            return (loss, {"logits": logits}) if return_outputs else loss

    def predict(net: Any) -> np.ndarray:
        was_training = net.training
        net.eval()
        found: list[np.ndarray] = []
        with torch.inference_mode():
            for at in range(0, len(heldout), 32):
                group = [{"text": row.text, "shares": row.shares} for row in heldout[at : at + 32]]
                batch = {name: value.to(net.device) for name, value in collate(group).items() if name != "labels"}
                found.append(net(**batch).logits.float().log_softmax(-1).cpu().numpy())
        net.train(was_training)
        return np.concatenate(found)

    def measure(net: Any, step: int) -> None:
        if heldout:
            pen.metric(step, "heldout", scores(predict(net), np.array([row.shares for row in heldout])))

    callback = PenCallback(pen, config, total, measure)
    arguments = common_arguments(config, folder, total, mixed_precision)
    trainer = SoftTrainer(
        model=model,
        args=TrainingArguments(
            **arguments, per_device_train_batch_size=config.batch_size, remove_unused_columns=False
        ),
        train_dataset=Dataset.from_list([{"text": row.text, "shares": list(row.shares)} for row in train]),
        data_collator=collate,
        callbacks=[callback],
    )
    run(trainer, callback, folder)
    said = [labels[i] for i in predict(model).argmax(1)] if heldout else []
    return model, tokenizer, said
