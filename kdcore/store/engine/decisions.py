"""The log of what people decided, one JSON line each, on disk before the database hears of it.

With the run folders it is enough to rebuild the database: see ``services.workspace.rebuild``.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_lock = threading.Lock()


def append(path: Path, kind: str, record: dict[str, Any]) -> None:
    """Write one decision and wait until it is on disk."""
    line = json.dumps({"kind": kind, **record}, ensure_ascii=True) + "\n"
    with _lock, path.open("ab") as file:
        if file.tell() and not _ends_with_newline(path):
            file.write(b"\n")  # a crash tore the last line; it stays where it is, unread
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def read(path: Path, position: int = 0) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield every whole decision from byte ``position`` on with where it ends; a torn line is passed over."""
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(position)
        for line in file:
            position += len(line)
            try:
                yield json.loads(line), position
            except ValueError:
                continue


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
