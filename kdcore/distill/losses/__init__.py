"""The losses as pure functions, in nats per supervised token: the ladder's first rung. ``configs.losses`` lists them."""

from kdcore.configs.losses import LOSSES, Loss

__all__ = ["LOSSES", "Loss"]
