"""Everything that can't be made again, in one file: what people decided, the runs, frozen versions, drafts, replies.

The log of decisions is taken first: what it speaks of is in the files that are taken after it, also while the app
goes on. The database is left out, as a restore makes it anew from the rest, and so are fetched models.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict, cast

from kdcore.errors import ConfigError, DataError
from kdcore.services.verify import verify
from kdcore.services.workspace import Rebuilt, rebuild
from kdcore.settings import Workspace, workspace

MANIFEST = "MANIFEST.json"
LEFT_OUT = ("models", "exports", "cache", "backups")  # fetched, made again, recomputed; kept replies are taken
FIRST = ("decisions.head.json", "decisions.jsonl")  # a log may be ahead of its head, never behind
EARLY = ("status.json", "seals.json")  # of a run, likewise: they tell how much there was at least


class Backup(TypedDict):
    """What a backup holds; ``problems`` are sentences about the workspace that was taken, or the file."""

    file: str
    files: int
    bytes: int
    seconds: float
    problems: list[str]


def backup(folders: Workspace, target: Path) -> Backup:
    """Write a backup and read it again. Raises ConfigError where the file is there already or can't be written."""
    if target.exists():
        raise ConfigError(f"{target} is there already; give the backup another name.")
    began = time.perf_counter()
    problems = verify(folders).findings
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open("wb") as raw:
            os.fchmod(raw.fileno(), 0o600)
            taken = _write(folders, raw)
            raw.flush()
            os.fsync(raw.fileno())
        _check(part)
        part.rename(target)
    except OSError as exc:
        raise ConfigError(f"the backup can't be written to {target} ({exc.strerror or exc}).") from exc
    finally:
        part.unlink(missing_ok=True)
    return {
        "file": str(target),
        "files": len(taken),
        "bytes": target.stat().st_size,
        "seconds": round(time.perf_counter() - began, 2),
        "problems": problems,
    }


def restore(file: Path, root: Path) -> Rebuilt:
    """Make a workspace from a backup, every file checked, and its database anew.

    Raises ConfigError where the folder holds something already, DataError where the backup is damaged; nothing is
    left behind then.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ConfigError(f"{root} holds something already; restore into a new folder.")
    _check(file)
    root.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        with tarfile.open(file, "r:gz") as packed:
            packed.extractall(scratch, filter="data")
        (scratch / MANIFEST).unlink()
        if root.exists():
            root.rmdir()
        scratch.rename(root)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    workspace(root).make()
    return rebuild(root)


def size_of(folders: Workspace) -> int:
    """Bytes of what a backup would take, before they are packed."""
    total = 0
    for path in _files(folders):
        with suppress(FileNotFoundError):  # what a run has just replaced
            total += path.stat().st_size
    return total


def _write(folders: Workspace, raw: Any) -> dict[str, str]:
    """Pack the files; returns the sha256 of each."""
    taken: dict[str, str] = {}
    with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=3) as packed:
        for path in _files(folders):
            name = path.relative_to(folders.root).as_posix()
            with tempfile.SpooledTemporaryFile(max_size=64 << 20) as copy:  # as it is now: journals grow
                try:
                    with path.open("rb") as file:
                        shutil.copyfileobj(file, copy, 1 << 20)
                except FileNotFoundError:
                    continue  # a checkpoint that was replaced meanwhile
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode, entry.mtime = copy.tell(), 0o600, int(path.stat().st_mtime)
                copy.seek(0)
                taken[name] = hashlib.file_digest(cast("io.BytesIO", copy), "sha256").hexdigest()
                copy.seek(0)
                packed.addfile(entry, copy)
        data = json.dumps({"made": time.time(), "files": taken}, indent=1).encode()
        entry = tarfile.TarInfo(MANIFEST)
        entry.size, entry.mode = len(data), 0o600
        packed.addfile(entry, io.BytesIO(data))
    return taken


def _files(folders: Workspace) -> Iterator[Path]:
    """The log first, then all else that can't be made again."""
    yield from (path for name in FIRST if (path := folders.root / name).exists())
    for path in sorted(_walk(folders.root), key=lambda path: (path.parent, path.name not in EARLY, path.name)):
        inside = path.relative_to(folders.root)
        if not path.is_file() or inside.as_posix() in FIRST:
            continue
        kept = inside.parts[0] not in LEFT_OUT or inside.parts[:2] == ("cache", "replies")
        transient = path.name.startswith(".") or path.suffix in (".lock", ".tmp") or ".duckdb" in path.name
        if kept and not transient:
            yield path


def _walk(root: Path) -> Iterator[Path]:
    """Every file, also behind links: a folder of runs may lie on another disk. No folder twice."""
    seen: set[str] = set()
    for folder, inner, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            inner.clear()
            continue
        seen.add(real)
        if Path(folder) == root:
            inner[:] = [name for name in inner if name not in ("models", "exports", "backups")]
        yield from (Path(folder) / name for name in files)


def _check(file: Path) -> None:
    """Read a backup from end to end against its manifest; raises DataError for one that is damaged."""
    try:
        with gzip.open(file) as stream, tarfile.open(fileobj=stream, mode="r:") as packed:
            found: dict[str, str] = {}
            manifest: dict[str, Any] = {}
            for entry in packed:
                content, place = packed.extractfile(entry), PurePosixPath(entry.name)
                if content is None or place.is_absolute() or ".." in place.parts:
                    raise DataError(f"{file.name} holds {entry.name!r}, which is no file of a workspace.")
                if entry.name == MANIFEST:
                    manifest = json.load(content)
                else:
                    found[entry.name] = hashlib.file_digest(cast("io.BytesIO", content), "sha256").hexdigest()
            while stream.read(1 << 20):  # to the very end, where the checksum of the whole stands
                pass
    except DataError:
        raise
    except (OSError, EOFError, tarfile.TarError, zlib.error, ValueError) as exc:
        raise DataError(f"{file} is no whole backup ({type(exc).__name__}: {exc}).") from exc
    wanted: Any = manifest.get("files")
    if not isinstance(wanted, dict):
        raise DataError(f"{file} has no list of its files; it is no backup, or its end is missing.")
    listed = cast("dict[str, str]", wanted)
    if wrong := sorted(name for name in {*listed, *found} if listed.get(name) != found.get(name)):
        raise DataError(f"{file} is damaged: {wrong[0]} is not as it was packed.")
