"""Files in: looked at, then imported as questions, passages, or answers that somebody has already."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kdcore import ids
from kdcore.configs.elicitation import PromptTemplate
from kdcore.configs.teacher import TeacherConfig
from kdcore.configs.uploads import ReadingConfig, SeedKind, UploadConfig, UploadFile
from kdcore.errors import DataError, JobError
from kdcore.governance.teacher_terms import own_answers, registry, terms_of
from kdcore.jobs.run_dir import RunDir, write_json
from kdcore.services import projects as project_service
from kdcore.services.workspace import App
from kdcore.store import projects, samples

OWN_ANSWERS = "own answers"  # who wrote them, where nobody says
PROMPT_NAME = "Imported answers"
EDITS = "edits.json"


def expand(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Files with the names that people know; a folder gives all of its files, in order, but hidden ones."""
    found: list[tuple[Path, str]] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.is_file())
            visible = [
                each for each in inside if not any(p.startswith((".", "~$")) for p in each.relative_to(path).parts)
            ]
            if not visible:
                raise DataError(f'the folder "{path}" holds no file; give a folder with files to import.')
            found += [(each, str(each.relative_to(path))) for each in visible]
        elif path.is_file():
            found.append((path, path.name))
        else:
            raise DataError(f'there is no file "{path}"; give the path of a file with seeds.')
    return found


def read_files(
    app: App,
    project_id: str,
    files: Sequence[tuple[Path, str]],
    seed_kind: SeedKind = "question",
    mapping: Mapping[str, str] | None = None,
    *,
    store: bool = False,
    reading: ReadingConfig | None = None,
    shown: int = 20,
    most: int = 0,
    teacher: str = "",
) -> RunDir:
    """Read files in a limited child process; with ``store`` they are imported. Returns the run.

    ``teacher`` names who wrote the answers of ``answered`` rows: a model, whose terms then hold, or people.
    """
    kept = tuple(UploadFile(path=str(_kept(app, path, name)), name=name) for path, name in files)
    config = UploadConfig(
        project_id=project_id,
        files=kept,
        seed_kind=seed_kind,
        mapping=dict(mapping or {}),
        reading=reading or ReadingConfig(),
        store=store,
        shown=shown,
        most=most,
    )
    if store and seed_kind == "answered":
        config = config.model_copy(update=_provenance(app, project_id, teacher.strip() or OWN_ANSWERS))
    return app.launch(app.create_run("read_upload", config))


def store_previewed(app: App, run_id: str, mapping: Mapping[str, str], teacher: str = "") -> RunDir:
    """Import what a preview has shown, with the passages as people made them anew."""
    config = app.run_dir(run_id).load(UploadConfig)
    update: dict[str, Any] = {"store": True, "mapping": dict(mapping), "most": 0, "rewritten": edits_of(app, run_id)}
    if config.seed_kind == "answered":
        update |= _provenance(app, config.project_id, teacher.strip() or OWN_ANSWERS)
    return app.launch(app.create_run("read_upload", config.model_copy(update=update)))


def edits_of(app: App, run_id: str) -> dict[int, tuple[str, ...]]:
    """What people made of the passages of a preview: number → texts, none where it is left out."""
    path = app.run_dir(run_id).path / EDITS
    kept: dict[str, list[str]] = json.loads(path.read_bytes()) if path.exists() else {}
    return {int(number): tuple(texts) for number, texts in kept.items()}


def edit(app: App, run_id: str, changes: Mapping[int, tuple[str, ...] | None]) -> None:
    """Keep what a person made of some passages, at once; None takes a change back."""
    kept: dict[int, tuple[str, ...] | None] = {**edits_of(app, run_id), **changes}
    left = {str(number): list(texts) for number, texts in kept.items() if texts is not None}
    write_json(app.run_dir(run_id).path / EDITS, left)


def read_file(
    app: App,
    project_id: str,
    path: Path,
    name: str,
    seed_kind: SeedKind = "question",
    mapping: Mapping[str, str] | None = None,
) -> RunDir:
    """One file: a preview, or with a mapping an import."""
    if not path.is_file():
        raise DataError(f'there is no file "{path}"; give the path of a file with seeds.')
    return read_files(app, project_id, [(path, name)], seed_kind, mapping, store=bool(mapping))


def _kept(app: App, path: Path, name: str) -> Path:
    """A copy in the inbox, made once: what is read does not change while a person looks at it."""
    state = path.stat()
    suffix = "".join(Path(name).suffixes[-2:]) if Path(name).suffix.lower() in (".gz", ".zst", ".bz2", ".xz") else ""
    suffix = suffix or Path(name).suffix or path.suffix
    kept = app.folders.inbox / f"{ids.stable_hash(name, state.st_size, state.st_mtime_ns)}{suffix.lower()}"
    if not kept.exists():
        scratch = kept.with_name(f".{kept.name}.{os.getpid()}")
        shutil.copyfile(path, scratch)
        scratch.replace(kept)
    return kept


def _provenance(app: App, project_id: str, teacher: str) -> dict[str, Any]:
    """Which prompt version and terms imported answers stand under."""
    template = PromptTemplate(method="direct", system="", user="{{question}}")
    version = project_service.save_prompt_version(
        app, project_id, PROMPT_NAME, template, "answers that were there already"
    )
    if teacher == OWN_ANSWERS:
        entry, number = own_answers(), registry()[0]
    else:
        asked = TeacherConfig(engine="openai_http", model=teacher, base_url="https://unknown.invalid/v1")
        terms = terms_of(asked)
        entry, number = terms.entry, terms.version
    return {
        "prompt_version_id": version,
        "teacher": {"model": teacher},
        "terms_id": entry.id,
        "terms_version": number,
    }


def result(app: App, run_id: str) -> dict[str, Any]:
    """What a reading found: ``files`` with what is told of each, ``seeds``, ``imported``, ``rejected``."""
    path = app.run_dir(run_id).path / "preview.json"
    if not path.exists():
        raise JobError(app.status(run_id).message or f"run {run_id} left no preview; choose the file again.")
    return json.loads(path.read_bytes())


def new_rows(app: App, run_id: str) -> int:
    """Seeds and samples that an import added to the project; what was there already belongs to an earlier one."""
    return projects.seeds_of_run(app.store, run_id) + samples.count_of_run(app.store, run_id)
