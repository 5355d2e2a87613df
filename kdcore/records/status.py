"""What ``status.json`` of a run says. The worker writes it, the app reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kdcore.types import RunState


@dataclass(frozen=True, slots=True)
class Status:
    """How a run is. ``heartbeat`` counts up while the worker lives; it is no clock.

    ``journal_bytes`` is how much this attempt's journal holds, once the attempt has ended by itself; -1 before, and
    after an end without a word.
    """

    state: RunState = "queued"
    pid: int = 0
    start_time: float = 0.0
    epoch: int = 0
    heartbeat: int = 0
    progress: dict[str, Any] = field(default_factory=dict[str, Any])
    message: str = ""
    updated: float = 0.0
    journal_bytes: int = -1
