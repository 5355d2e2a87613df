"""Stored top-k by sample, for a walk over a whole version: each file is read once, not for every batch of rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pyarrow as pa

from kdcore.jobs import parquet, topk_files
from kdcore.records.datasets import TopKRow
from kdcore.services.datasets import topk as stored_topk


class _Part:
    """One file of signals, unpacked beside: its rows are mapped, not held in memory."""

    def __init__(self, part: Path, unpacked: Path) -> None:
        columns = [name for name in stored_topk.COLUMNS if name in parquet.columns_of(part)]
        self._places: dict[str, tuple[int, int]] = {}
        with pa.OSFile(str(unpacked), "wb") as sink:
            writer: pa.RecordBatchFileWriter | None = None
            for number, batch in enumerate(parquet.batches(part, columns)):
                writer = writer or pa.ipc.new_file(sink, batch.schema)
                writer.write_batch(batch)  # pyright: ignore[reportUnknownMemberType]
                for row, sample in enumerate(cast("list[str]", batch["sample_id"].to_pylist())):
                    self._places.setdefault(sample, (number, row))
            if writer is not None:
                writer.close()
        self._mapped = pa.ipc.open_file(pa.memory_map(str(unpacked))) if self._places else None

    def row(self, sample: str) -> dict[str, object] | None:
        """The first row of a sample here."""
        place = self._places.get(sample)
        if place is None or self._mapped is None:
            return None
        batch, row = place
        return self._mapped.get_batch(batch).slice(row, 1).to_pylist()[0]


class TopKSpool:
    """Reads like ``topk.read_run``; what it unpacks lies in a folder that its owner removes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs: dict[Path, list[_Part]] = {}

    def __call__(self, run: Path, samples: list[str]) -> dict[str, TopKRow]:
        """Rows of some samples in one run, with the model that said them."""
        if run not in self._runs:
            self._runs[run] = list(self._unpacked(run))
        model = stored_topk.model_of(run)
        found: dict[str, TopKRow] = {}
        for sample in samples:
            rows = (part.row(sample) for part in self._runs[run])
            if row := next(filter(None, rows), None):
                found[sample] = cast("TopKRow", {**row, stored_topk.TEACHER_MODEL: model})
        return found

    def _unpacked(self, run: Path) -> Iterator[_Part]:
        for number, part in enumerate(topk_files.parts(run)):
            yield _Part(part, self._folder / f"{run.name}-{number}.arrow")
