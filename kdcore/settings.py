"""Where things lie: one workspace folder holds the database, the runs and the models."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from kdcore.configs.places import Mounts

WORKSPACE_VARIABLE = "KD_WORKSPACE"
PRIVATE = 0o077  # umask of every program: what it writes is for this account alone


class Workspace(BaseModel):
    """The folders of one workspace. Building one creates nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    root: Path

    @property
    def database(self) -> Path:
        """The DuckDB file, owned by one app process."""
        return self.root / "kd.duckdb"

    @property
    def decisions(self) -> Path:
        """The append-only log of what people decided, written before the database."""
        return self.root / "decisions.jsonl"

    @property
    def runs(self) -> Path:
        """One folder for each run."""
        return self.root / "runs"

    @property
    def models(self) -> Path:
        """Models fetched into the workspace."""
        return self.root / "models"

    @property
    def replies(self) -> Path:
        """Every reply that was ever paid for, by what was asked."""
        return self.cache / "replies"

    @property
    def cache(self) -> Path:
        """What can be recomputed: embeddings by content hash."""
        return self.root / "cache"

    @property
    def exports(self) -> Path:
        """Where exported dataset versions are written."""
        return self.root / "exports"

    @property
    def inbox(self) -> Path:
        """Uploads, as given, until a worker has read them."""
        return self.root / "inbox"

    @property
    def mounts(self) -> Mounts:
        """Where the workers of this workspace find what is not in their run folder."""
        return Mounts(
            models=self.models,
            runs=self.runs,
            replies=self.replies,
            cache=self.cache,
            inbox=self.inbox,
            shared=self.root,
        )

    def make(self) -> Workspace:
        """Create the folders, for this account alone, and return self."""
        self.root.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(PermissionError):  # of another account, which has decided who may look
            self.root.chmod(0o700)
        for folder in (self.runs, self.models, self.cache, self.exports, self.inbox):
            folder.mkdir(parents=True, exist_ok=True)
        return self


def workspace(root: str | Path | None = None) -> Workspace:
    """The workspace at ``root``, else at ``$KD_WORKSPACE``, else ``./workspace``."""
    chosen = root or os.environ.get(WORKSPACE_VARIABLE) or "workspace"
    return Workspace(root=user_path(chosen).resolve())


def user_path(text: str | Path) -> Path:
    """A path as people type it: ``~`` is their folder, unless there is no such account; nothing is touched."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def is_file_name(text: str) -> bool:
    """Whether a text that somebody gave can be the name of a file or folder, and leads nowhere else."""
    whole = text not in ("", ".", "..") and "\0" not in text and Path(text).name == text
    return whole and len(text.encode("utf-8", "replace")) <= 255 - len(".json")
