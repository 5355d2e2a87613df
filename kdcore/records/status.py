"""What ``status.json`` of a run says. The worker writes it, the app reads it."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, cast, get_args

from kdcore.types import RunState

_LEAST = {"pid": 0, "epoch": 0, "journal_bytes": -1}


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
    identity: str = ""  # of the process (``jobs.processes``); runs of 0.2.0 and before have its start by the clock
    mark: str = ""  # what the attempt and all that it starts carry

    @classmethod
    def read(cls, found: Any) -> Status:
        """A status as it stands in a file, fields of later versions left out; raises ValueError for what is none."""
        if not isinstance(found, dict):
            raise ValueError("it is no object")
        known = {each.name: each for each in fields(cls)}
        kept = {name: value for name, value in cast("dict[str, Any]", found).items() if name in known}
        for name, value in kept.items():
            default: Any = known[name].default
            wanted = dict if default is MISSING else type(default)  # pyright: ignore[reportUnknownVariableType]
            if not isinstance(value, (int, float) if wanted is float else wanted):
                raise ValueError(f"{name} is {value!r}")
            if isinstance(value, bool) or (name in _LEAST and value < _LEAST[name]):
                raise ValueError(f"{name} is {value!r}")
        if (state := kept.get("state", "queued")) not in get_args(RunState):
            raise ValueError(f"its state is {state!r}")
        return cls(**kept)
