"""Where the teacher itself was unsure: the entropy of its next-token distribution, kept with the answer."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from kdcore.configs.base import Config
from kdcore.filters.base import Filter, Rows
from kdcore.filters.needs import ENTROPY
from kdcore.types import Verdict


class UncertaintyConfig(Config):
    """How much doubt is too much."""

    share: float = Field(default=0.05, ge=0, le=0.5, description="Share of rows, the most unsure, that fails")
    max_nats: float = Field(default=0.0, ge=0, description="Instead: mean nats a token above which a row fails")


def _uncertainty(rows: Rows, config: UncertaintyConfig) -> list[Verdict]:
    known = [float(row["entropy"]) for row in rows if row.get("entropy") is not None]
    if not known:
        return [Verdict(True) for _ in rows]  # generated without token probabilities
    limit = config.max_nats or float(np.quantile(known, 1 - config.share))

    def one(entropy: float | None) -> Verdict:
        if entropy is None:
            return Verdict(True)
        passed = entropy <= limit
        return Verdict(passed, "" if passed else f"the teacher was unsure: {entropy:.2f} nats a token", entropy)

    return [one(row.get("entropy")) for row in rows]


UNCERTAINTY = Filter(
    "uncertainty", "The teacher was unsure", UncertaintyConfig, _uncertainty, needs=(ENTROPY,), by_row=False
)
