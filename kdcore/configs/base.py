"""The base of every config."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from kdcore.configs.places import Mounts
from kdcore.errors import ConfigError

T = TypeVar("T", bound="Config")


class Config(BaseModel):
    """Frozen, strict about names: a misspelt field is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def portable(self, mounts: Mounts) -> dict[str, Any]:
        """As JSON for a file, with every folder named by the mount that it lies in."""
        return self.model_dump(mode="json", context={"mounts": mounts})


def load_config(kind: type[T], data: dict[str, Any], mounts: Mounts | None = None) -> T:
    """Validate ``data``; raise ConfigError with one sentence that names the first wrong field.

    With ``mounts`` places become folders of this machine (see ``configs.places``).
    """
    if where := _half(data):
        raise ConfigError(f"{where}: it holds bytes that are no text (half a character); type or paste it again.")
    try:
        return kind.model_validate(data, context={"mounts": mounts} if mounts is not None else None)
    except ValidationError as exc:
        raise ConfigError(sentence_of(exc)) from exc


def sentence_of(error: ValidationError) -> str:
    """The first wrong field, what was given, and what to do."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or error.title
    # A field about keys may have been given the key itself.
    given = "" if "key" in where or "url" in where else f" (given {repr(first.get('input'))[:80]})"
    return f"{where}: {first['msg']}{given}; correct it and try again."


def _half(data: Any, where: str = "") -> str:
    """The first field whose text can't be written as UTF-8; "" where there is none."""
    if isinstance(data, str):
        return (where or "it") if any("\ud800" <= letter <= "\udfff" for letter in data) else ""
    if isinstance(data, dict):
        pairs = cast("dict[str, Any]", data).items()
        return next(filter(None, (_half(value, f"{where}.{name}".lstrip(".")) for name, value in pairs)), "")
    if isinstance(data, list | tuple):
        return next(filter(None, (_half(value, where) for value in cast("list[Any]", data))), "")
    return ""
