"""The losses as pure functions, in nats per supervised token: the first rung, listed in ``configs.losses``."""

from kdcore.configs.losses import LOSSES, Loss

__all__ = ["LOSSES", "Loss"]
