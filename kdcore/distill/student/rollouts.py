"""Steps on the student's own answers (GKD, Agarwal et al. 2024, Algorithm 1): it learns where it really goes.

Writing takes most of such a step, so earlier answers may be met again (DistiLLM, Ko et al. 2024, §3.2).
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from kdcore.configs.distillation import DistillConfig
from kdcore.distill.batches.rows import Row

MEMORY_SHARE = 0.3  # of an accelerator, for vLLM's weights and cache where it writes; the rest is the training's


def is_on_policy(config: DistillConfig, step: int) -> bool:
    """Whether a step uses the student's answers: a share of ``on_policy`` of the steps, the same after a resume."""
    if not config.on_policy:
        return False
    return float(np.random.default_rng([config.seed, step]).random()) < config.on_policy


def by_vllm(config: DistillConfig) -> bool:
    """Whether vLLM is to write the student's answers; ``auto`` says so where there is a GPU and vLLM on it."""
    if not config.on_policy or config.rollouts == "transformers":
        return False
    if config.rollouts == "vllm":
        return True
    return config.student.adapter != "qlora" and torch.cuda.is_available() and find_spec("vllm") is not None


class Replay:
    """The newest of the student's answers, to be met again in a share of the steps on own answers."""

    def __init__(self, config: DistillConfig) -> None:
        self.config = config
        self._kept: deque[Row] = deque(maxlen=config.replay_rows)

    def draw(self, step: int, count: int) -> list[Row] | None:
        """``count`` kept answers for this step, the same after a resume; None where new ones are to be written."""
        chance = np.random.default_rng([self.config.seed, step, 1])
        if len(self._kept) < count or float(chance.random()) >= self.config.replay:
            return None
        return [self._kept[place] for place in chance.choice(len(self._kept), count, replace=False)]

    def keep(self, rows: list[Row]) -> None:
        """Remember some answers; the oldest go."""
        if self.config.replay:
            self._kept.extend(rows)

    @property
    def state(self) -> list[dict[str, Any]]:
        """What a checkpoint must hold."""
        return [asdict(row) for row in self._kept]

    @state.setter
    def state(self, rows: list[dict[str, Any]]) -> None:
        self._kept.clear()
        self._kept.extend(Row(**row) for row in rows)


def with_answers(rows: list[Row], said: list[list[int]]) -> list[Row]:
    """The rows with their answers replaced by token ids, the end mark included."""
    return [
        replace(row, ids=[*row.ids[: row.prompt_length], *answer], topk_ids=None, topk_logprobs=None, offsets=None)
        for row, answer in zip(rows, said, strict=True)
    ]


def sampled(student: Any, rows: list[Row], most: int, pad_id: int, eos_id: int | None) -> list[list[int]]:
    """What the student samples at temperature 1 after each row's prompt: 1 to ``most`` token ids each."""
    width = max(row.prompt_length for row in rows)
    device = next(student.parameters()).device
    ids = torch.full((len(rows), width), pad_id, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for place, row in enumerate(rows):  # padded on the left, so that all go on from the same column
        ids[place, width - row.prompt_length :] = torch.tensor(row.ids[: row.prompt_length])
        mask[place, width - row.prompt_length :] = 1
    was_training = student.training
    student.eval()
    with torch.no_grad():
        said: Any = student.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=most,
            pad_token_id=pad_id,
            eos_token_id=eos_id,
        )
    student.train(was_training)
    return [_until_end(answer, eos_id) for answer in said[:, width:].tolist()]


def _until_end(answer: list[int], eos_id: int | None) -> list[int]:
    """The tokens up to the end mark, that one included; what follows it is padding."""
    return answer[: answer.index(eos_id) + 1] if eos_id in answer else answer
