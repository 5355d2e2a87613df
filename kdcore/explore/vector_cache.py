"""Embeddings by content: the same text is embedded once for each model, length limit and precision.

One file of float32 rows and one of 16-byte keys beside it. A row counts once its key is written, so a
torn write costs one embedding, never a wrong one. One writer at a time: the holder of the accelerator.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kdcore.ids import content_hash, stable_hash

KEY_BYTES = 16


class VectorCache:
    """Vectors of one embedder on disk."""

    def __init__(self, folder: Path, model: str, max_tokens: int, precision: str, dim: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = "vectors-" + stable_hash(model, max_tokens, precision, dim, "whole texts", length=12)
        self._rows, self._keys, self._dim = folder / f"{name}.f32", folder / f"{name}.keys", dim
        self._index = {key: i for i, key in enumerate(self._read_keys())}

    def _read_keys(self) -> list[bytes]:
        if not self._keys.exists():
            return []
        data = self._keys.read_bytes()
        have = min(len(data) // KEY_BYTES, self._rows.stat().st_size // (4 * self._dim))
        return [data[i * KEY_BYTES : (i + 1) * KEY_BYTES] for i in range(have)]

    def look_up(self, texts: list[str]) -> tuple[np.ndarray, list[int]]:
        """Vectors (N, dim) with the known rows filled, and the row numbers that are missing."""
        vectors = np.zeros((len(texts), self._dim), dtype=np.float32)
        places = [self._index.get(_key(text)) for text in texts]
        if self._index:
            stored = np.memmap(self._rows, dtype=np.float32, mode="r").reshape(-1, self._dim)
            known = [(i, place) for i, place in enumerate(places) if place is not None]
            if known:
                vectors[[i for i, _ in known]] = stored[[place for _, place in known]]
        return vectors, [i for i, place in enumerate(places) if place is None]

    def add(self, texts: list[str], vectors: np.ndarray) -> None:
        """Append rows, then their keys."""
        start = len(self._index)
        with self._rows.open("r+b" if self._rows.exists() else "wb") as rows:
            rows.seek(start * 4 * self._dim)
            rows.write(np.ascontiguousarray(vectors, dtype=np.float32).tobytes())
        keys = [_key(text) for text in texts]
        with self._keys.open("r+b" if self._keys.exists() else "wb") as file:
            file.seek(start * KEY_BYTES)
            file.write(b"".join(keys))
        self._index.update({key: start + i for i, key in enumerate(keys)})


def _key(text: str) -> bytes:
    return bytes.fromhex(content_hash(text))
