"""A model that reads, for the checks that need one: loaded once, asked how likely an answer is."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from kdcore.errors import ConfigError


def reader_of(student: str) -> tuple[Any, Any]:
    """Tokenizer and model of the folder that ``READER`` put into the setting; raises ConfigError without one."""
    if not student:
        raise ConfigError('this check needs a model that reads; give its folder as the setting "student".')
    return _loaded(student)


@lru_cache(maxsize=1)
def _loaded(path: str) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoTokenizer.from_pretrained(path), AutoModelForCausalLM.from_pretrained(path).eval()


def answer_nll(model: Any, prompt: list[int], answer: list[int]) -> float:
    """Mean negative log-likelihood of ``answer`` after ``prompt`` (at least one token), in nats a token."""
    import torch

    ids = torch.tensor([[*prompt, *answer]], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].float()
    labels = ids[0, len(prompt) :]
    return float(torch.nn.functional.cross_entropy(logits, labels))
