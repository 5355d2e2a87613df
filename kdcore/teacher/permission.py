"""Whether this process may send text off this machine, asked again before every call.

The app writes a file into the run folder when it launches a run whose text may leave (``services.zones``), and takes
it away when that no longer holds. A process without such a file may not send anything: what was forgotten is refused.
"""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path

from kdcore.configs.teacher import TeacherConfig
from kdcore.errors import TeacherError

FILE = "outgoing.json"
permission: ContextVar[Path | None] = ContextVar("permission", default=None)


def refuse_unpermitted(teacher: TeacherConfig, file: Path | None) -> None:
    """Raise TeacherError where text would leave and nobody allowed it, or no longer does."""
    if not teacher.is_local and (file is None or not file.exists()):
        raise TeacherError(
            "this run may not send text off this machine: the project's kind of data forbids it now; finished "
            "answers are kept."
        )
