"""The base of every config."""

from __future__ import annotations

from typing import Any, TypeVar

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
    try:
        return kind.model_validate(data, context={"mounts": mounts} if mounts is not None else None)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or kind.__name__
        # A field about keys may have been given the key itself.
        given = "" if "key" in where or "url" in where else f" (given {repr(first.get('input'))[:80]})"
        raise ConfigError(f"{where}: {first['msg']}{given}; correct it and try again.") from exc
