"""Archives and compressed files: each file inside is read as if it lay there by itself."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

import zstandard

from kdcore.errors import DataError
from kdcore.reading.found import Found

MAX_BYTES = 2 * 2**30
MAX_FILES = 5000


def _zstd(path: Path) -> IO[bytes]:
    return zstandard.open(path, "rb")


OPENERS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _zstd,
}


def unpack(path: Path, name: str, scratch: Path) -> tuple[Path, str]:
    """A compressed file as a plain one in ``scratch``, and its name; any other as it is."""
    suffix = Path(name).suffix.lower()
    if suffix not in OPENERS:
        return path, name
    inner = Path(name).stem
    target = scratch / f"unpacked{Path(inner).suffix.lower() or '.txt'}"
    try:
        with OPENERS[suffix](path) as source, target.open("wb") as file:
            _copy(source, file, name)
    except (OSError, EOFError, lzma.LZMAError, zstandard.ZstdError) as exc:
        raise DataError(f'"{name}" can\'t be unpacked: {str(exc)[:120]}.') from exc
    if not target.stat().st_size:
        raise DataError(f'"{name}" is cut off: there is nothing in it; copy it again.')
    return target, inner


def _copy(source: IO[bytes], target: IO[bytes], name: str) -> None:
    size = 0
    while part := source.read(1 << 20):
        size += len(part)
        if size > MAX_BYTES:
            raise DataError(f'"{name}" unpacks to more than 2 GB; split it.')
        target.write(part)


def members(path: Path, name: str, scratch: Path, skipped: Found) -> Iterator[tuple[Path, str]]:
    """The files of a ZIP, one at a time; what can't be read is told in ``skipped``."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as exc:
        raise DataError(f'"{name}" is no readable ZIP file: {str(exc)[:120]}.') from exc
    with archive:
        inside = [each for each in archive.infolist() if not each.is_dir() and not _is_hidden(each.filename)]
        if len(inside) > MAX_FILES or sum(each.file_size for each in inside) > MAX_BYTES:
            raise DataError(f'"{name}" holds {len(inside)} files; at most {MAX_FILES} and 2 GB are read.')
        for place, each in enumerate(inside, start=1):
            target = scratch / f"{place}{PurePosixPath(each.filename).suffix.lower()}"
            try:
                with archive.open(each) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError) as exc:
                skipped.reject(place, f"it can't be unpacked: {str(exc)[:120]}", each.filename)
                continue
            yield target, each.filename
            target.unlink(missing_ok=True)


def count(path: Path, name: str) -> int:
    """How many files there are to read in a file: those of a ZIP, else one."""
    if Path(name).suffix.lower() != ".zip":
        return 1
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(not each.is_dir() and not _is_hidden(each.filename) for each in archive.infolist())
    except (zipfile.BadZipFile, OSError):
        return 1  # said when it is read


def _is_hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or any(part.startswith((".", "~$")) for part in parts)
