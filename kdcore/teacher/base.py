"""What every engine does: take requests, yield each reply as it finishes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from kdcore.configs.teacher import SamplingConfig
from kdcore.types import Reply, Request

StopCheck = Callable[[], None]


class Teacher(Protocol):
    """An open engine."""

    def generate(self, requests: Iterable[Request], sampling: SamplingConfig, check: StopCheck) -> Iterator[Reply]:
        """Yield one reply for each request and each of its ``n`` answers, in order of completion.

        ``check`` is called often and may raise to stop. A request that can't be answered yields a reply
        with ``error`` set; an engine that dies raises TeacherError.
        """
        ...

    def close(self) -> None:
        """Give back the accelerator."""
        ...
