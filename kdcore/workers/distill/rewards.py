"""What an answer of the student earns: by a reward model, by its likeness to the frozen answer, by the teacher."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import torch

from kdcore.configs.distillation import DistillConfig
from kdcore.distill.batches.rows import encode, of_text
from kdcore.distill.measures.heldout import reference_logprobs
from kdcore.distill.student.build import load_causal_lm
from kdcore.distill.training.loop import Reward
from kdcore.elicitation.parse import final_of
from kdcore.evaluate.measures import rouge_l
from kdcore.records.datasets import TrainingRow

AT_ONCE = 8


def reward_of(config: DistillConfig, rows: Sequence[TrainingRow], device: str) -> Reward:
    """The reward that a recipe names; ``rows`` are those of input.parquet."""
    return {"reward_model": by_model, "frozen_answer": by_frozen_answer, "teacher": by_teacher}[config.policy.reward](
        config, rows, device
    )


def by_frozen_answer(config: DistillConfig, rows: Sequence[TrainingRow], device: str = "cpu") -> Reward:
    """1 for the same final answer as one of those frozen for the question, else the best ROUGE-L F1 to them.

    An answer with its reasoning is compared as it was learnt, too.
    """
    frozen: dict[str, set[str]] = {}
    for row in rows:
        frozen.setdefault(row["messages"], set()).update(text for text in (row["answer"], row["completion"]) if text)
    known = {row["sample_id"]: sorted(frozen[row["messages"]]) for row in rows}

    def one(sample_id: str, text: str) -> float:
        right = known[sample_id]
        said = final_of(text)
        if said and any(said == final_of(answer) for answer in right):
            return 1.0
        return max((rouge_l(text, answer) for answer in right), default=0.0)

    return _each(one)


def by_teacher(config: DistillConfig, rows: Sequence[TrainingRow], device: str) -> Reward:
    """Nats a token that the teacher gives the answer, its end included: 0 at best, below where it is surprised."""
    from transformers import AutoTokenizer

    teacher = load_causal_lm(config.teacher_path, torch.float32).to(device).eval()
    tokenizer: Any = AutoTokenizer.from_pretrained(config.teacher_path)
    chats = {row["sample_id"]: row["messages"] for row in rows}

    def score(sample_ids: Sequence[str], texts: Sequence[str]) -> list[float]:
        given = [of_text(name, chats[name], text) for name, text in zip(sample_ids, texts, strict=True)]
        read = encode(given, tokenizer, config.max_length + config.rollout_tokens)
        pad = tokenizer.pad_token_id or tokenizer.eos_token_id or 0
        found = reference_logprobs(teacher, read, int(pad), AT_ONCE, config.chunk_tokens)
        return [total / max(1, row.supervised) for [total], row in zip(found, read, strict=True)]

    return score


def by_model(config: DistillConfig, rows: Sequence[TrainingRow], device: str) -> Reward:
    """The one output of a trained reward model for the whole chat."""
    return scored_by(*load_judge(config.policy.reward_path, device), rows, config.max_length)


def load_judge(path: str, device: str) -> tuple[Any, Any]:
    """A model with one output and its tokenizer; from a causal LM the output is new."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(path)
    model: Any = AutoModelForSequenceClassification.from_pretrained(path, num_labels=1).to(device).eval()
    if model.config.pad_token_id is None:
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
        model.config.pad_token_id = tokenizer.pad_token_id
    return model, tokenizer


def scored_by(model: Any, tokenizer: Any, rows: Sequence[TrainingRow], max_length: int) -> Reward:
    """The rewards of a model of one output; ``rows`` have sample_id and messages."""
    chats = {row["sample_id"]: json.loads(row["messages"]) for row in rows}

    def score(sample_ids: Sequence[str], texts: Sequence[str]) -> list[float]:
        whole = [
            tokenizer.apply_chat_template([*chats[name], {"role": "assistant", "content": text}], tokenize=False)
            for name, text in zip(sample_ids, texts, strict=True)
        ]
        found: list[float] = []
        with torch.inference_mode():
            for at in range(0, len(whole), AT_ONCE):
                batch = tokenizer(
                    whole[at : at + AT_ONCE], padding=True, truncation=True, return_tensors="pt",
                    max_length=max_length, add_special_tokens=False,
                ).to(model.device)  # fmt: skip
                found += model(**batch).logits[:, 0].float().tolist()
        return found

    return score


def _each(one: Callable[[str, str], float]) -> Reward:
    return lambda sample_ids, texts: [one(name, text) for name, text in zip(sample_ids, texts, strict=True)]
