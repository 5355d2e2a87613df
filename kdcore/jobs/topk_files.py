"""The teacher's top-k at each token: spilled as each reply comes, packed into Parquet at the end.

The spill is a journal of its own, so a crash loses at most what the journal loses; the Parquet file
is complete once it has its name. Columns: ``sample_id``, ``token_ids`` (T), ``k``, ``topk_ids`` (T·k),
``topk_logprobs`` (T·k, float16 nats), ``tail_mass`` (T), ``entropy`` (T, nats, of the k + tail bucket), and
``tail_ids``, ``tail_logprobs`` (T·m): m words drawn from the tail at each position, empty where none were asked for.
"""

from __future__ import annotations

import base64
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kdcore.jobs.run_dir import RunDir, fsync_dir
from kdcore.jobs.tail import encode_record, read_journal
from kdcore.types import TopK

SCHEMA = pa.schema(
    [
        ("sample_id", pa.string()),
        ("token_ids", pa.list_(pa.int32())),
        ("k", pa.int32()),
        ("topk_ids", pa.list_(pa.int32())),
        ("topk_logprobs", pa.list_(pa.float16())),
        ("tail_mass", pa.list_(pa.float32())),
        ("entropy", pa.list_(pa.float32())),
        ("tail_ids", pa.list_(pa.int32())),
        ("tail_logprobs", pa.list_(pa.float32())),  # unlikely words: half floats would move the loss
    ]
)
PACK_ROWS = 2000


def tail_mass(logprobs: np.ndarray) -> np.ndarray:
    """Probability outside the k kept tokens, at each position: (T, K) → (T,), within [0, 1]."""
    return np.clip(1.0 - np.exp(logprobs.astype(np.float64)).sum(axis=1), 0.0, 1.0)


def entropy(logprobs: np.ndarray) -> np.ndarray:
    """Entropy in nats of the k tokens plus one tail bucket: a lower bound of the full entropy. (T, K) → (T,)."""
    p = np.exp(logprobs.astype(np.float64))
    tail = tail_mass(logprobs)
    kept = -(p * logprobs).sum(axis=1)
    return kept - np.where(tail > 0, tail * np.log(np.maximum(tail, 1e-300)), 0.0)


def summary(topk: TopK, token_ids: list[int]) -> dict[str, float]:
    """Mean entropy (nats a token), mean captured mass and mean rank of the chosen token (from 1) of one reply.

    A chosen token outside the kept k counts as rank k + 1.
    """
    if not topk.ids:
        return {"entropy": math.nan, "captured_mass": math.nan, "mean_rank": math.nan}
    ranks = [
        row.index(token) + 1 if token in row else len(row) + 1
        for token, row in zip(token_ids, topk.ids, strict=False)
    ]
    logprobs = np.asarray(topk.logprobs, dtype=np.float64)
    return {
        "entropy": float(entropy(logprobs).mean()),
        "captured_mass": float(1.0 - tail_mass(logprobs).mean()),
        "mean_rank": float(np.mean(ranks)) if ranks else math.nan,
    }


class SignalWriter:
    """Spills top-k rows of one attempt."""

    def __init__(self, run: RunDir, epoch: int) -> None:
        self._folder = run.path / "signals"
        self._folder.mkdir(exist_ok=True)
        self._epoch = epoch
        self._seq = 0
        self._file = (self._folder / f"spill-{epoch:05d}.jsonl").open("ab")

    def add(self, sample_id: str, token_ids: list[int], topk: TopK, tail: TopK | None = None) -> None:
        """Spill one reply; flushed before its journal line is written, so the line never runs ahead."""
        width = min((len(row) for row in topk.ids), default=0)
        self._seq += 1
        body = {
            "sample_id": sample_id,
            "token_ids": _pack(np.asarray(token_ids, dtype=np.int32)),
            "k": width,
            "topk_ids": _pack(np.asarray([row[:width] for row in topk.ids], dtype=np.int32)),
            "topk_logprobs": _pack(np.asarray([row[:width] for row in topk.logprobs], dtype=np.float32)),
        }
        if tail is not None:
            body["tail_ids"] = _pack(np.asarray(tail.ids, dtype=np.int32))
            body["tail_logprobs"] = _pack(np.asarray(tail.logprobs, dtype=np.float32))
        self._file.write(encode_record(self._seq, self._epoch, body))
        self._file.flush()

    def close(self) -> None:
        """Close the spill; ``pack`` turns it into Parquet."""
        self._file.close()


def pack(run: RunDir) -> int:
    """Turn every spill into one Parquet part each and remove it; return the rows packed."""
    folder = run.path / "signals"
    packed = 0
    for spill in sorted(folder.glob("spill-*.jsonl")):
        target = folder / spill.name.replace("spill-", "part-").replace(".jsonl", ".parquet")
        temporary = target.with_suffix(".tmp")
        rows = 0
        with pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
            offset = 0
            while True:
                chunk = read_journal(spill, offset)
                for start in range(0, len(chunk.records), PACK_ROWS):
                    batch = [_unpack(record.body) for record in chunk.records[start : start + PACK_ROWS]]
                    writer.write_table(pa.Table.from_pylist(batch, schema=SCHEMA))
                    rows += len(batch)
                if chunk.offset == offset:
                    break
                offset = chunk.offset
        if rows:
            temporary.replace(target)
        else:
            temporary.unlink()
        spill.unlink()
        fsync_dir(folder)
        packed += rows
    return packed


def parts(run: Path) -> list[Path]:
    """Complete Parquet parts of a run's signals."""
    return sorted((run / "signals").glob("part-*.parquet"))


def _pack(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def _unpack(body: dict[str, Any]) -> dict[str, Any]:
    width = body["k"]
    logprobs = np.frombuffer(base64.b64decode(body["topk_logprobs"]), dtype=np.float32).reshape(-1, max(1, width))
    tail_logprobs = np.frombuffer(base64.b64decode(body.get("tail_logprobs", "")), dtype=np.float32)
    return {
        "sample_id": body["sample_id"],
        "token_ids": np.frombuffer(base64.b64decode(body["token_ids"]), dtype=np.int32),
        "k": width,
        "topk_ids": np.frombuffer(base64.b64decode(body["topk_ids"]), dtype=np.int32),
        "topk_logprobs": logprobs.astype(np.float16).ravel(),
        "tail_mass": tail_mass(logprobs).astype(np.float32),
        "entropy": entropy(logprobs).astype(np.float32),
        "tail_ids": np.frombuffer(base64.b64decode(body.get("tail_ids", "")), dtype=np.int32),
        "tail_logprobs": tail_logprobs,
    }
