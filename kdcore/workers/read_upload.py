"""Read untrusted files under limits: a preview, or seeds and samples into the journal. No network, no database."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from kdcore import ids
from kdcore.configs.uploads import UploadConfig
from kdcore.errors import DataError
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir, write_json
from kdcore.reading import packed
from kdcore.reading.entries import Plan, entries, plan
from kdcore.reading.files import How, read_files
from kdcore.reading.found import Found, as_text
from kdcore.reading.shapes import Entry
from kdcore.records.journal import JournalRecord, SampleRecord, SeedRecord
from kdcore.workers.base import run_worker
from kdcore.workers.confined import cut_off, limit, see_only

LONG, TOLD_EVERY = 5000, 1000  # rows of one file from which on its rows are counted, and how often


def confine(run: RunDir) -> None:
    """No network, and of this machine's files those of this run alone, as far as this kernel can."""
    cut_off()
    files = [Path(file.path) for file in run.load(UploadConfig).files]
    mounts = run.mounts
    see_only(files, [run.path], away_from=mounts.shared if mounts else run.path)


def work(run: RunDir, reporter: Reporter) -> None:
    """Read every file, then preview or import."""
    config = run.load(UploadConfig)
    limit()
    told: list[dict[str, Any]] = []
    seeds: list[dict[str, str]] = []
    rows: list[dict[str, str]] = []
    imported = 0
    total = sum(packed.count(Path(file.path), file.name or file.path) for file in config.files)
    with tempfile.TemporaryDirectory(dir=run.path) as scratch:
        for place, found in enumerate(_files(config, Path(scratch), reporter), start=1):
            reporter.check_stop()
            file, made = _one(config, found, reporter, imported, seeds)
            imported += made
            told.append(file)
            rows += [{n: as_text(v) for n, v in row.items()} for row in found.rows[: config.shown - len(rows)]]
            if total > 1:
                reporter.progress(place, max(place, total), "files", imported=imported)
    _write(run, told, rows, seeds, imported)
    if not any(file["rows"] for file in told):
        raise DataError(next(each["reason"] for file in told for each in file["rejected"]))


def _files(config: UploadConfig, scratch: Path, reporter: Reporter) -> Iterator[Found]:
    reading = config.reading
    how = How(
        seed_kind=config.seed_kind,
        encoding=reading.encoding,
        delimiter=reading.delimiter,
        header_row=reading.header_row,
        sheet=reading.sheet,
        size=reading.passage_tokens,
        overlap=reading.overlap_tokens,
        most=0 if config.store else config.most,
    )
    for file in config.files:
        reporter.phase(f"reading {file.name or file.path}")
        try:
            yield from read_files(Path(file.path), file.name or Path(file.path).name, how, scratch)
        except MemoryError as exc:
            raise DataError(f'"{file.name}" needs more than 4 GB to read; split it and try again.') from exc


def _one(
    config: UploadConfig, found: Found, reporter: Reporter, before: int, seeds: list[dict[str, str]]
) -> tuple[dict[str, Any], int]:
    """What is told of one file, and how many of its rows were taken."""
    how, made = Plan(""), 0
    try:
        how = plan(found, config.mapping, config.seed_kind)
        for place, entry, labels in entries(found, how, config.seed_kind) if found.rows else ():
            number = before + made
            made += 1
            if config.store and made % TOLD_EVERY == 0 and len(found.rows) >= LONG and len(config.files) == 1:
                reporter.progress(made, len(found.rows), "rows")
            for text in config.rewritten.get(number, (entry.question,)):
                one = replace(entry, question=text)
                record = _record(config, found, place, one, labels) if config.store else None
                if record is not None:
                    reporter.append(record)
                if len(seeds) < config.shown:
                    seeds.append(_told(config, found, one, labels) | _ids_of(config, record))
    except DataError as exc:
        if config.store and len(config.files) == 1 and found.rows:
            raise
        found.reject(0, str(exc))
    summary = found.summary()
    summary |= {"shape": how.shape, "mapping": how.mapping, "rows": len(found.rows), "imported": made}
    summary["warnings"] = [*found.guesses, *found.warnings]
    return summary, made


def _record(config: UploadConfig, found: Found, place: int, entry: Entry, labels: dict[str, str]) -> JournalRecord:
    roles = {role: text for role, text in labels.items() if role != "split"}
    if config.seed_kind == "answered":
        return _sample(config, found, place, entry, labels)
    fields = entry.fields | ({"split": labels["split"]} if labels["split"] else {})
    return SeedRecord(seed_kind=config.seed_kind, text=entry.question, fields=fields, **roles)


def _sample(config: UploadConfig, found: Found, place: int, entry: Entry, labels: dict[str, str]) -> SampleRecord:
    """An answer that somebody has already, as a row like any other."""
    seed = ids.seed_id(config.project_id, "question", entry.question, labels["source"], {})
    request = ids.request_id(config.prompt_version_id, seed, {"answer": entry.answer, "turns": entry.turns}, 0)
    system = [{"role": "system", "content": entry.system}] if entry.system else []
    kept = {
        name: text for name, text in entry.fields.items() if name not in ("answer", "system", "turns", "rationale")
    }
    extra: dict[str, Any] = {"file": found.name, "row": place, **kept}
    if labels["split"]:
        extra["split"] = labels["split"]
    return SampleRecord(
        sample_id=ids.sample_id(request, config.teacher.get("model", ""), {}, 0),
        request_id=request,
        seed_id=seed,
        n=0,
        question=entry.question,
        source=labels["source"],
        topic=labels["topic"],
        difficulty=labels["difficulty"],
        reader=labels["reader"],
        group=labels["group"],
        messages=[*system, *entry.turns, {"role": "user", "content": entry.question}],
        completion=entry.answer,
        status="parsed",
        answer=entry.answer,
        rationale=entry.rationale,
        extra=extra,
        finish_reason="stop",
        time=time.time(),
    )


def _told(config: UploadConfig, found: Found, entry: Entry, labels: dict[str, str]) -> dict[str, str]:
    """A seed as it is stored, for a person to look at."""
    name = "passage" if config.seed_kind == "document" else "question"
    told = {name: entry.question} | {role: text for role, text in labels.items() if text}
    return {**told, "source": labels["source"] or found.name, **entry.fields}


def _ids_of(config: UploadConfig, record: JournalRecord | None) -> dict[str, str]:
    if isinstance(record, SampleRecord):
        return {"sample_id": record.sample_id, "seed_id": record.seed_id}
    if isinstance(record, SeedRecord):
        seed = ids.seed_id(config.project_id, record.seed_kind, record.text, record.source, record.fields)
        return {"seed_id": seed}
    return {}


def _write(
    run: RunDir, told: list[dict[str, Any]], rows: list[dict[str, str]], seeds: list[dict[str, str]], imported: int
) -> None:
    several = len(told) > 1
    rejected = [{**each, **({"file": file["name"]} if several else {})} for file in told for each in file["rejected"]]
    summary = {
        "files": told,
        "seeds": seeds,
        "columns": list(dict.fromkeys(name for file in told for name in file["columns"])),
        "rows": rows,
        "row_count": sum(file["rows"] for file in told),
        "imported": imported,
        "rejected": rejected[:1000],
        "rejected_count": sum(file["rejected_count"] for file in told),
    }
    write_json(run.path / "preview.json", json.loads(json.dumps(summary, default=asdict)))


if __name__ == "__main__":
    run_worker(work, confine)
