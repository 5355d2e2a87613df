"""A run whose loss makes no sense is ended with the reason, before it can spoil the weights."""

from __future__ import annotations

import math

from kdcore.errors import JobError


class LossGuard:
    """Stops a run whose loss is no number, is nothing, or stays far above where it began.

    ``state`` is [steps seen, mean of the first losses, smoothed loss, steps in a row that were too high]; a
    checkpoint carries it. ``may_be_zero`` for rankings: once every row is learnt their loss is 0 in float32.
    """

    FIRST, TIMES, NATS, PATIENCE, WEIGHT = 5, 2.0, 1.0, 20, 0.9

    def __init__(self, *, may_be_zero: bool = False) -> None:
        self.may_be_zero = may_be_zero
        self.state = [0.0, 0.0, 0.0, 0.0]

    def check(self, loss: float, norm: float, step: int) -> None:
        """Look at one step; raises JobError with the reason and what to do."""
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise JobError(
                f"the loss is {loss} and the gradient norm {norm} at step {step}; lower the learning rate."
            )
        if loss == 0.0 and not self.may_be_zero:
            raise JobError(f"the loss is exactly 0 at step {step}: nothing is supervised; check the dataset version.")
        seen, first, smooth, high = self.state
        if seen < self.FIRST:
            first += (loss - first) / (seen + 1)
            smooth = first
        smooth = self.WEIGHT * smooth + (1 - self.WEIGHT) * loss
        high = high + 1 if seen >= self.FIRST and smooth > self.TIMES * abs(first) + self.NATS else 0.0
        self.state = [seen + 1, first, smooth, high]
        if high >= self.PATIENCE:
            raise JobError(
                f"the loss runs away: {smooth:.2f} at step {step} against {first:.2f} at the start; "
                "lower the learning rate, or resume from before with a new run."
            )
