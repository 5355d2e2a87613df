"""What a recipe trains decides which file beside this one trains it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch

from kdcore.configs.distillation import DistillConfig
from kdcore.distill.losses import LOSSES
from kdcore.hardware import keep_freed_memory
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.workers.distill import setup

# kind of the first loss → the module that trains it; imported when it is needed, for those of TRL need more libraries
STANDALONE = {"policy": "policy", "reward": "reward_model", "label": "classifier"}


def _trainer(config: DistillConfig) -> Any:
    kind = LOSSES[config.slices[0].loss].kind
    return import_module(f"kdcore.workers.distill.{STANDALONE.get(kind, 'mixture')}")


def work(run: RunDir, reporter: Reporter) -> None:
    """Train what the recipe names."""
    config = run.load(DistillConfig)
    torch.manual_seed(config.seed)  # new weights (adapters, heads of scores) are drawn when a student is built
    keep_freed_memory()
    _trainer(config).train(run, reporter, config)


def preflight(run: RunDir, reporter: Reporter) -> None:
    """What would be trained on, counted and shown, and one measured step."""
    config = run.load(DistillConfig)
    torch.manual_seed(config.seed)
    setup.written(run, _trainer(config).check(run, reporter, config))
