"""Every error that a person may read. A message says what was given, what was expected, what to do.

To add one: subclass ``KdError`` and the standard class that a caller would expect to catch.
"""

from __future__ import annotations

import errno


class KdError(Exception):
    """Base of all errors raised on purpose; its text is shown to the user as it stands."""


class ConfigError(KdError, ValueError):
    """A setting, name or option is wrong. The command line exits with 2."""


class ConflictError(ConfigError):
    """What somebody decided on has changed since they read it; nothing was stored."""


class DataError(KdError, ValueError):
    """A file, row or text can't be used as given."""


class ShapeError(KdError, ValueError):
    """Two tensors that must fit do not."""


class StoreError(KdError, RuntimeError):
    """The database can't be opened or written."""


class JobError(KdError, RuntimeError):
    """A worker or its run folder is not in a state that allows what was asked."""


class TeacherError(KdError, RuntimeError):
    """The teacher can't start or answer."""


class MissingDependency(KdError, ImportError):
    """An optional package is absent; the text names the install command."""


def is_full_disk(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says that a disk is full."""
    while error is not None:
        words = str(error).lower()
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if full or "no space left on device" in words or "disk quota exceeded" in words:
            return True
        error = error.__cause__ or error.__context__
    return False
