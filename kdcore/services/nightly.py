"""A backup by itself: once a night, or a day later where the app was off at night; checked, and the last few kept."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from pathlib import Path

from kdcore.errors import KdError
from kdcore.ids import stable_hash
from kdcore.services.backup import backup, size_of
from kdcore.services.workspace import App
from kdcore.settings import user_path

log = logging.getLogger(__name__)
VARIABLE = "KD_BACKUPS"  # a folder, better on another disk; "off" for none
KEPT = 7
NIGHT = range(5)  # hours of the clock on the wall
AT_NIGHT_H, LATEST_H, AGAIN_H = 18, 30, 1  # after the one before: at night, at any hour, and after one that failed
SPARE = 5 << 30  # bytes that stay free on the disk
_busy: dict[Path, threading.Thread] = {}  # one backup at a time of each workspace
_not_before: dict[Path, float] = {}  # on the monotonic clock, after one that failed


def folder_of(app: App) -> Path | None:
    """Where the backups go; None where somebody has switched them off."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen.lower() == "off":
        return None
    if not chosen:
        return app.folders.root / "backups"
    root = app.folders.root  # several workspaces may share the folder, and none lets go of another's
    return user_path(chosen) / f"{root.name}-{stable_hash(str(root), length=6)}"


def made(folder: Path) -> list[Path]:
    """The nightly backups there, newest first."""
    return sorted(folder.glob("nightly-*.tar.gz"), key=lambda path: path.stat().st_mtime, reverse=True)


def advance(app: App) -> None:
    """Begin a backup if it is time for one; called often, returns at once."""
    folder = folder_of(app)
    if folder is None or not app.folders.decisions.exists():
        return
    running = _busy.get(app.folders.root)
    waits = time.monotonic() < _not_before.get(app.folders.root, 0.0)
    if (running is None or not running.is_alive()) and not waits and _is_due(folder):
        _busy[app.folders.root] = threading.Thread(target=once, args=(app, folder), name="backup", daemon=True)
        _busy[app.folders.root].start()


def _is_due(folder: Path) -> bool:
    """By the time since the last one, or the first look here; a clock that jumped back counts as well, once."""
    since = folder / ".since"
    if not since.exists():
        folder.mkdir(parents=True, exist_ok=True)
        since.touch()
    now = time.time()
    hours = min(abs(now - path.stat().st_mtime) for path in [since, *made(folder)]) / 3600
    return hours > LATEST_H or (hours > AT_NIGHT_H and time.localtime().tm_hour in NIGHT)


def once(app: App, folder: Path) -> None:
    """Make one backup, say what is wrong with it or with what it holds, and let go of the oldest."""
    where = "the nightly backup"
    try:
        for half in folder.glob(".nightly-*.part"):  # of an app that was closed meanwhile
            half.unlink()
        needed = size_of(app.folders)
        if shutil.disk_usage(folder).free < needed + SPARE:
            raise KdError(f"{needed / 2**30:.1f} GB and some spare are needed in {folder}; free some disk")
        found = backup(app.folders, folder / f"nightly-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz")
        for old in made(folder)[KEPT:]:
            old.unlink()
        if found["problems"]:
            app.tell(where, f"{where} was made, but what it holds is not all well: {found['problems'][0]}")
        else:
            app.settle(where)
    except Exception as exc:
        log.exception("%s failed", where)
        app.tell(where, f"{where} could not be made ({exc}); it is tried again in an hour")
        _not_before[app.folders.root] = time.monotonic() + AGAIN_H * 3600
