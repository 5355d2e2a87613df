"""What a training beside no other slice takes: memory by count, time by one measured step of its own kind."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from kdcore.configs.distillation import DistillConfig
from kdcore.distill.preflight import BYTES_FROZEN, Report, check_memory
from kdcore.hardware import torch_device


def parameters_of(path: str) -> int:
    """Weights of the causal LM at ``path``, counted without loading it."""
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        return sum(p.numel() for p in AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(path)).parameters())


def policy_cost(config: DistillConfig, student: Any, prompts: list[list[int]], pad_id: int, report: Report) -> None:
    """All answers of a step, of full length, to the median question; then one pass over each question's.

    Beside a student that trains whole sits a copy of where it began, where KL to it is charged (of adapters only they
    are copied), and what gives the reward.
    """
    frozen = (
        sum(p.numel() for p in student.parameters()) if config.policy.kl and config.student.adapter == "full" else 0
    )
    scorer = {"teacher": config.teacher_path, "reward_model": config.policy.reward_path}.get(config.policy.reward, "")
    frozen += parameters_of(scorer) if scorer else 0
    if not check_memory(student, frozen * BYTES_FROZEN, report):
        return
    student.to(torch_device())
    answers, new = config.policy.answers, config.rollout_tokens
    prompt = sorted(prompts, key=len)[len(prompts) // 2]
    ids = torch.tensor([prompt] * (answers * config.batch_size), device=student.device)
    started = _now()
    with torch.no_grad():
        said = student.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, min_new_tokens=new, do_sample=True,
            pad_token_id=pad_id,
        )  # fmt: skip
    writing = _now() - started
    of_one = said[:answers]
    _timed(student, lambda: student(input_ids=of_one, labels=of_one).loss, report, times=config.batch_size)
    report.step_s += writing
    report.forecast_s = report.step_s * report.steps


def reward_cost(
    config: DistillConfig, model: Any, tokenizer: Any, pairs: list[dict[str, Any]], report: Report
) -> None:
    """One step on the longest pairs, both answers of each; the forecast is of pairs of the average length."""
    if not check_memory(model, 0, report):
        return
    model.to(torch_device())
    texts = [tokenizer.apply_chat_template(pair[side], tokenize=False) for pair in pairs for side in pair]
    longest = sorted(texts, key=len)[-2 * config.batch_size :]
    batch = tokenizer(
        longest, padding=True, truncation=True, max_length=config.max_length, return_tensors="pt"
    ).to(model.device)  # fmt: skip
    _timed(model, lambda: model(**batch).logits.float().mean(), report)
    report.forecast_s *= (sum(map(len, texts)) / len(texts)) / (sum(map(len, longest)) / len(longest))


def label_cost(model: Any, batch: dict[str, Tensor], report: Report) -> None:
    """One step on the texts of a batch."""
    if check_memory(model, 0, report):
        model.to(torch_device())
        given = {name: value.to(model.device) for name, value in batch.items() if name != "labels"}
        _timed(model, lambda: model(**given).logits.float().mean(), report)


def _now() -> float:
    """The time once the device has done what it was told."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def _timed(model: Any, step: Callable[[], Tensor], report: Report, times: int = 1) -> None:
    """Run a step forwards and backwards; the forecast holds ``times`` of them for each step of the training."""
    model.train()
    started = _now()
    step().backward()
    model.zero_grad(set_to_none=True)
    report.step_s = (_now() - started) * times
    report.forecast_s = report.step_s * report.steps
