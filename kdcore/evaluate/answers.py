"""What one model says to some prompts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def answer(
    model: Any,
    tokenizer: Any,
    prompts: list[list[int]],
    max_new_tokens: int,
    batch_size: int,
    check: Callable[[int], None],
) -> list[str]:
    """Greedy answers to token-id prompts, in order. ``check(done)`` is called between batches."""
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    texts: list[str] = [""] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for at in range(0, len(order), batch_size):
        check(at)
        group = order[at : at + batch_size]
        width = max(len(prompts[i]) for i in group)
        ids = torch.full((len(group), width), pad, dtype=torch.long)
        mask = torch.zeros((len(group), width), dtype=torch.long)
        for place, i in enumerate(group):
            ids[place, width - len(prompts[i]) :] = torch.tensor(prompts[i])
            mask[place, width - len(prompts[i]) :] = 1
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                temperature=None,
                top_p=None,
                pad_token_id=pad,
            )
        for place, i in enumerate(group):
            texts[i] = tokenizer.decode(out[place, width:], skip_special_tokens=True).strip()
    return texts
