"""One step of a standalone training, timed. What its memory is counted from stands with each training."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from kdcore.distill.training.preflight import Report


def now() -> float:
    """The time once the device has done what it was told."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def timed(model: Any, step: Callable[[], Tensor], report: Report, times: int = 1) -> None:
    """Run a step forwards and backwards; the forecast holds ``times`` of them for each step of the training."""
    model.train()
    started = now()
    step().backward()
    model.zero_grad(set_to_none=True)
    report.step_s = (now() - started) * times
    report.forecast_s = report.step_s * report.steps
