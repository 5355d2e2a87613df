"""Read one untrusted file under limits: a preview, or seeds into the journal. No network, no database."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

from kdcore.configs.uploads import ROLES, UploadConfig
from kdcore.elicitation.seed_files import FileRows, Row, read_file
from kdcore.errors import DataError
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir, write_json
from kdcore.records.journal import SeedRecord
from kdcore.workers.base import run_worker

MEMORY_BYTES = 2 * 2**30
CPU_SECONDS = 60
PREVIEW_ROWS = 20


def limit() -> None:
    """Bound memory, processor time and file size, so that a bomb ends this process and nothing else."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, MEMORY_BYTES),
    ):
        hard = resource.getrlimit(what)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(ValueError):  # a system that knows no such limit (macOS has no RLIMIT_AS)
            resource.setrlimit(what, (bound, hard))


def work(run: RunDir, reporter: Reporter) -> None:
    """Read, then preview or import."""
    config = run.load(UploadConfig)
    limit()
    reporter.phase(f"reading {config.name or config.path}")
    try:
        found = read_file(Path(config.path), config.name)
    except MemoryError as exc:
        raise DataError(f'"{config.name}" needs more than 2 GB to read; split it and try again.') from exc
    imported = _import(config, found, reporter) if config.mapping else 0
    write_json(
        run.path / "preview.json",
        {
            "columns": found.columns,
            "rows": found.rows[:PREVIEW_ROWS],
            "row_count": len(found.rows),
            "imported": imported,
            "rejected": found.rejected[:1000],
            "rejected_count": len(found.rejected),
        },
    )
    reporter.progress(len(found.rows), len(found.rows), "rows", imported=imported)


def _import(config: UploadConfig, found: FileRows, reporter: Reporter) -> int:
    for role, column in config.mapping.items():
        if column and column not in found.columns:
            raise DataError(f'the file has no column "{column}" for {role}; it has: {", ".join(found.columns)}.')
    imported = 0
    for place, row in enumerate(found.rows, start=1):
        text = _role(config, row, "text")
        if not text:
            found.reject(place, f'the column "{config.mapping.get("text", "")}" is empty')
            continue
        imported += 1
        reporter.append(
            SeedRecord(
                seed_kind=config.seed_kind,
                text=text,
                fields={key: value for key, value in row.items() if key not in config.mapping.values()},
                **{role: _role(config, row, role) for role in ROLES if role != "text"},
            )
        )
    return imported


def _role(config: UploadConfig, row: Row, role: str) -> str:
    return row.get(config.mapping.get(role, ""), "")


if __name__ == "__main__":
    run_worker(work)
