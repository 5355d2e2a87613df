"""The base of every config."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from kdcore.errors import ConfigError

T = TypeVar("T", bound="Config")


class Config(BaseModel):
    """Frozen, strict about names: a misspelt field is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def load_config(kind: type[T], data: dict[str, Any]) -> T:
    """Validate ``data``; raise ConfigError with one sentence that names the first wrong field."""
    try:
        return kind.model_validate(data)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or kind.__name__
        given = repr(first.get("input"))[:80]
        raise ConfigError(f"{where}: {first['msg']} (given {given}); correct it and try again.") from exc
