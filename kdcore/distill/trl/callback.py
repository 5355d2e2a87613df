"""Trainers of transformers and TRL with our reporter: their figures become curves, a stop keeps a whole checkpoint.

Policy gradients, reward models and classifiers are theirs to train; ``loop`` is for what is distilled token by token.
Checkpoints keep the names that these trainers look for, and count only with ``COMPLETE.json``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from kdcore.configs.distillation import DistillConfig
from kdcore.distill.measures.step import Throughput, memory_gb
from kdcore.distill.training import checkpoint
from kdcore.distill.training.loop import TrainingReporter
from kdcore.errors import JobError

TRAIN_FIGURES = {"loss": "loss", "grad_norm": "grad_norm", "learning_rate": "learning_rate"}


def common_arguments(config: DistillConfig, folder: Path, total: int, mixed_precision: str) -> dict[str, Any]:
    """Arguments that every trainer takes; figures at each step, checkpoints as the recipe says."""
    return {
        "output_dir": str(folder),
        "max_steps": total,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(total * config.warmup_ratio),
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "seed": config.seed,
        "data_seed": config.seed,
        "bf16": mixed_precision == "bf16",
        "fp16": mixed_precision == "fp16",
        "use_cpu": not torch.cuda.is_available(),
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "steps",
        "save_steps": config.save_every or max(1, total // 4),
        "save_total_limit": checkpoint.KEEP,
        "gradient_checkpointing": False,
        "report_to": [],
        "disable_tqdm": True,
        "dataloader_pin_memory": torch.cuda.is_available(),
    }


class ReporterCallback(TrainerCallback):
    """Curves, progress, evaluations and stops of one training.

    ``figures`` maps the trainer's names to curves; ``measure(model, step)`` is called before the first step, at each
    evaluation and at the end. A stop that was asked for ends the training after a checkpoint and is in ``stopped``.
    """

    def __init__(
        self,
        pen: TrainingReporter,
        config: DistillConfig,
        total: int,
        measure: Callable[[Any, int], None],
        figures: dict[str, str] | None = None,
    ) -> None:
        self.pen, self.total, self.measure = pen, total, measure
        self.figures = TRAIN_FIGURES | (figures or {})
        self.eval_every = config.eval_every or math.ceil(total / 5)
        self.pace = Throughput()
        self.stopped: Exception | None = None
        self.broken = ""

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Measure what has not learnt yet."""
        if state.global_step == 0:
            self.pen.phase("measuring the untrained model")
            self.measure(model, 0)
        self.pen.phase("training")

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """The figures of a step; a loss that is no number ends the training with the reason."""
        found = {curve: float((logs or {})[name]) for name, curve in self.figures.items() if name in (logs or {})}
        if "loss" not in found:
            return
        if not math.isfinite(found["loss"]) or not math.isfinite(found.get("grad_norm", 0.0)):
            self.broken = f"the loss is {found['loss']} at step {state.global_step}; lower the learning rate."
            control.should_training_stop = True
        self.pen.metric(state.global_step, "train", found | {"memory_gb": memory_gb()})

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Progress, the evaluation where one is due, and whether to stop."""
        self.pace.tick(1)
        self.pen.progress(state.global_step, self.total, "steps", rate=self.pace.steps_per_s)
        if state.global_step % self.eval_every == 0 or state.global_step == self.total:
            self.measure(model, state.global_step)
            self.pace.pause()
        try:
            self.pen.check_stop()
        except JobError:
            raise  # nothing can be written
        except Exception as stop:
            self.stopped = stop
            control.should_save = control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A checkpoint is whole once its manifest is there."""
        checkpoint.mark_complete(Path(args.output_dir) / f"checkpoint-{state.global_step}", state.global_step)


def run(trainer: Any, callback: ReporterCallback, folder: Path) -> None:
    """Train from the newest complete checkpoint on; raises the stop that was asked for, or JobError."""
    found = checkpoint.newest_whole(folder)
    trainer.train(resume_from_checkpoint=str(found) if found is not None else None)
    if callback.stopped is not None:
        raise callback.stopped
    if callback.broken:
        raise JobError(callback.broken)
