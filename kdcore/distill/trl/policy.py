"""Policy gradients on a reward (survey Eq. 13): GRPO and RLOO of TRL, from a student that answers already.

At each step the student answers every question several times; what scores above the others becomes likelier, and
KL to where it began is charged. Where the reward comes from is the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import torch

from kdcore.configs.distillation import DistillConfig
from kdcore.distill.measures.heldout import HeldoutEvaluator
from kdcore.distill.training.loop import Reward, TrainingJob, planned_steps
from kdcore.distill.training.preflight import BYTES_FROZEN, Report, check_memory
from kdcore.distill.trl.callback import ReporterCallback, common_arguments, run
from kdcore.distill.trl.measured_step import now, timed
from kdcore.errors import MissingDependency
from kdcore.hardware import torch_device
from kdcore.types import Message

FIGURES = {
    "reward": "reward",
    "reward_std": "reward_std",
    "kl": "kl",
    "entropy": "entropy",
    "completions/mean_length": "answer_tokens",
}


def trl() -> Any:
    """TRL; raises MissingDependency with what to do where it is not installed."""
    try:
        import trl as found
    except ImportError as exc:
        raise MissingDependency('policies and reward models are trained by TRL: pip install "trl>=1.16,<2".') from exc
    return found


class Asked(TypedDict):
    """A question that the student answers, as a chat."""

    sample_id: str
    prompt: list[Message]


def train_policy(job: TrainingJob, questions: Sequence[Asked], reward: Reward, tokenizer: Any, pen: Any) -> Any:
    """Train the student of a job by ``config.slices[0].loss`` (grpo or rloo); returns it.

    The held-out diagnostics of a job are measured as ever.
    """
    from datasets import Dataset

    config, lib = job.config, trl()
    loss = config.slices[0].loss
    total = planned_steps(config, len(questions))
    arguments = _arguments(config, job, total)
    settings = lib.GRPOConfig(**arguments, loss_type="dapo") if loss == "grpo" else lib.RLOOConfig(**arguments)
    probe = HeldoutEvaluator(job.heldout, 1, (False,), config.batch_size, job.pad_id)
    general = HeldoutEvaluator(job.general, 1, (False,), config.batch_size, job.pad_id)

    def measure(model: Any, step: int) -> None:
        for split, each in {"heldout": probe, "general": general}.items():
            if values := each.measure(model, config.chunk_tokens):
                pen.metric(step, split, values)
        job.answers(model, step)

    callback = ReporterCallback(pen, config, total, measure, FIGURES)
    trainer_class = lib.GRPOTrainer if loss == "grpo" else lib.RLOOTrainer
    trainer = trainer_class(
        model=job.student,
        reward_funcs=_as_function(reward, pen),
        args=settings,
        train_dataset=Dataset.from_list([dict(row) for row in questions]),
        processing_class=tokenizer,
        callbacks=[callback],
    )
    run(trainer, callback, job.folder)
    return trainer.model


def _arguments(config: DistillConfig, job: TrainingJob, total: int) -> dict[str, Any]:
    """One question's answers at a time, as many questions in a step as the recipe's batch."""
    answers = config.policy.answers
    return common_arguments(config, job.folder, total, job.mixed_precision) | {
        "per_device_train_batch_size": answers,
        "gradient_accumulation_steps": config.batch_size,
        "num_generations": answers,
        "max_completion_length": config.rollout_tokens,
        "beta": config.policy.kl,
        "temperature": 1.0,
        "remove_unused_columns": False,
    }


def _as_function(reward: Reward, pen: Any) -> Callable[..., list[float]]:
    """The reward as TRL calls it; what each question's answers earned is told as the rows of the step."""

    def score(
        prompts: Any, completions: Any, sample_id: list[str], trainer_state: Any = None, **_: Any
    ) -> list[float]:
        texts = [c if isinstance(c, str) else str(c[-1]["content"]) for c in completions]
        found = reward(sample_id, texts)
        earned: dict[str, list[float]] = {}
        for name, value in zip(sample_id, found, strict=True):
            earned.setdefault(name, []).append(value)
        rows = [(name, 0, -sum(values) / len(values)) for name, values in earned.items()]  # a loss: less is better
        pen.learnt((trainer_state.global_step if trainer_state is not None else 0) + 1, rows)
        return found

    return score


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
    started = now()
    with torch.no_grad():
        said = student.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, min_new_tokens=new, do_sample=True,
            pad_token_id=pad_id,
        )  # fmt: skip
    writing = now() - started
    of_one = said[:answers]
    timed(student, lambda: student(input_ids=of_one, labels=of_one).loss, report, times=config.batch_size)
    report.step_s += writing
    report.forecast_s = report.step_s * report.steps


def parameters_of(path: str) -> int:
    """Weights of the causal LM at ``path``, counted without loading it."""
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        return sum(p.numel() for p in AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(path)).parameters())
