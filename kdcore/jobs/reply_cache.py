"""Every reply that was ever paid for, one small file a call, shared by all runs of a workspace.

A file appears under its name at once or not at all, so any number of workers may read and write. What a call
is (teacher, messages, sampling, schema, repetition) is the key: a changed comment finds the reply again, a
changed prompt does not.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import asdict
from pathlib import Path

from kdcore.types import Reply, TopK


class ReplyCache:
    """Replies by key under one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key[2:]}.z"

    def get(self, key: str) -> list[Reply] | None:
        """The kept replies; None where there are none or the file is damaged."""
        try:
            rows = json.loads(zlib.decompress(self._path(key).read_bytes()))
        except (FileNotFoundError, zlib.error, ValueError):
            return None
        return [Reply(**{**row, "topk": TopK(**row["topk"]) if row["topk"] else None}) for row in rows]

    def put(self, key: str, replies: list[Reply]) -> None:
        """Keep replies."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_bytes(zlib.compress(json.dumps([asdict(r) for r in replies]).encode(), 1))
        temporary.replace(path)
