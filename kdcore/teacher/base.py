"""What every engine does: take calls, yield each reply as it finishes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from kdcore.configs.teacher import Call
from kdcore.types import Reply

StopCheck = Callable[[], None]


class Teacher(Protocol):
    """An open engine."""

    def generate(self, calls: Iterator[Call | None], check: StopCheck) -> Iterator[Reply]:
        """Yield one reply for each call and each of its ``n`` answers, in order of completion.

        A call that carries its answer yields that answer with its tokens' probabilities; an engine that can't look
        at given tokens raises TeacherError.

        A call None means "none now": ask again after the next reply; calls are pulled in the caller's thread.
        ``check`` is called often and may raise to stop. A call that can't be answered yields replies with
        ``error`` set; an engine that dies raises TeacherError.
        """
        ...

    def close(self) -> None:
        """Give back the accelerator."""
        ...
