"""Checkpoints that are whole or absent: COMPLETE.json lists every file with its size and sha256."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from kdcore.errors import JobError
from kdcore.jobs.run_dir import fsync_dir, write_json

MANIFEST = "COMPLETE.json"
KEEP = 2
REFERENCE = "reference.json"


def save(folder: Path, step: int, trainable: dict[str, Any], state: dict[str, Any]) -> Path:
    """Write ``folder/<step>`` and keep the newest KEEP. ``trainable`` are tensors, ``state`` the rest."""
    target = folder / f"{step:08d}"
    scratch = folder / f".{step:08d}.tmp"
    for old in (scratch, target):
        shutil.rmtree(old, ignore_errors=True)
    scratch.mkdir(parents=True)
    save_file(
        {name: tensor.detach().cpu().contiguous() for name, tensor in trainable.items()},
        scratch / "weights.safetensors",
    )
    torch.save(state, scratch / "state.pt")
    scratch.rename(target)
    mark_complete(target, step)
    for old in complete(folder)[:-KEEP]:
        shutil.rmtree(old)
    return target


def random_state() -> dict[str, Any]:
    """Where the random numbers of this process stand: own answers and dropout go on from here after a resume."""
    return {"rng": torch.get_rng_state(), "rng_cuda": torch.cuda.get_rng_state_all()}


def set_random_state(state: dict[str, Any]) -> None:
    """Go on with what ``random_state`` kept; a run that moved to another number of GPUs has those of the first."""
    torch.set_rng_state(state["rng"])
    kept = state.get("rng_cuda", [])  # absent in checkpoints of earlier versions
    for place in range(min(len(kept), torch.cuda.device_count())):
        torch.cuda.set_rng_state(kept[place], place)


def mark_complete(target: Path, step: int) -> None:
    """Write the manifest of a checkpoint whose files are all there; from then on it counts."""
    files = {
        f.name: {"bytes": f.stat().st_size, "sha256": _sha256(f)} for f in sorted(target.iterdir()) if f.is_file()
    }
    write_json(target / MANIFEST, {"step": step, "files": files})
    fsync_dir(target.parent)


def complete(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    if not folder.exists():
        return []
    found = [path for path in folder.iterdir() if path.is_dir() and (path / MANIFEST).exists()]
    return sorted(found, key=lambda path: int(path.name.rsplit("-", 1)[-1]))


def newest_whole(folder: Path) -> Path | None:
    """The newest checkpoint whose files are as they were written; None before the first.

    Raises JobError where there are some and each is damaged.
    """
    for path in reversed(complete(folder)):
        manifest = json.loads((path / MANIFEST).read_bytes())
        if all(_matches(path / name, entry) for name, entry in manifest["files"].items()):
            return path
    if complete(folder):
        raise JobError(f"every checkpoint in {folder} is damaged; start a new run.")
    return None


def load_newest(folder: Path) -> tuple[int, dict[str, Any], dict[str, Any]] | None:
    """``(step, tensors, state)`` of the newest checkpoint whose files are as they were written."""
    path = newest_whole(folder)
    if path is None:
        return None
    state = torch.load(path / "state.pt", weights_only=True)
    return int(path.name), load_file(path / "weights.safetensors"), state


def save_reference(folder: Path, found: list[dict[str, Any]]) -> None:
    """Keep what the untrained student said of every answer, beside the checkpoints."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / REFERENCE, found)


def load_reference(folder: Path) -> list[dict[str, Any]] | None:
    """What ``save_reference`` kept; None before."""
    path = folder / REFERENCE
    return json.loads(path.read_bytes()) if path.exists() else None


def _matches(path: Path, entry: dict[str, Any]) -> bool:
    return path.exists() and path.stat().st_size == entry["bytes"] and _sha256(path) == entry["sha256"]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
