"""Folders outside a run folder: its config names where they lie, never a path of one machine.

``Place`` is the type of such a field. In a file it reads ``models:smollm2-135m-instruct`` or
``runs:distill-x/student``; in memory it is an absolute path. What the names stand for, a ``Mounts``, is given when a
worker starts, so a run folder that was copied to another machine starts there. A folder that lies under none of
them, such as a model of the user's own, stays as it was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, SerializationInfo, ValidationInfo


class Mounts(BaseModel):
    """Where a worker finds what is not in its run folder. ``shared`` holds the accelerator's lock."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    models: Path
    runs: Path
    replies: Path
    cache: Path
    inbox: Path
    shared: Path

    def named(self, path: str) -> str:
        """``path`` by the mount that it lies in; as it is where it lies in none."""
        if not path.startswith("/"):
            return path
        for name in ("models", "runs", "replies", "cache", "inbox"):
            root: Path = getattr(self, name)
            if Path(path).is_relative_to(root):
                rest = Path(path).relative_to(root).as_posix()
                return f"{name}:{'' if rest == '.' else rest}"
        return path

    def found(self, place: str) -> str:
        """The path of a place on this machine; what names no mount is as it was."""
        name, colon, rest = place.partition(":")
        if not colon or name not in type(self).model_fields:
            return place
        root: Path = getattr(self, name)
        return str(root / rest)


def _mounts(info: ValidationInfo | SerializationInfo) -> Mounts | None:
    context: object = info.context
    return context["mounts"] if isinstance(context, Mapping) and "mounts" in context else None  # pyright: ignore


def _read(value: Any, info: ValidationInfo) -> Any:
    mounts = _mounts(info)
    return mounts.found(value) if mounts is not None and isinstance(value, str) else value


def _write(value: str, info: SerializationInfo) -> str:
    mounts = _mounts(info)
    return mounts.named(value) if mounts is not None else value


Place = Annotated[str, BeforeValidator(_read), PlainSerializer(_write, return_type=str)]
