"""The vectors of one map, as its run folder keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow.parquet as pq


class VectorFile:
    """``ids`` (N) and ``matrix`` (N, D) float32 of unit length, in the map's order."""

    def __init__(self, folder: Path) -> None:
        table = pq.read_table(folder / "vectors.parquet", memory_map=True)
        self.ids = cast("list[str]", table["sample_id"].to_pylist())
        vectors: Any = table["vector"].combine_chunks()
        flat = vectors.flatten().to_numpy()
        self.matrix: np.ndarray = flat.reshape(len(self.ids), -1)
        self._place = {key: i for i, key in enumerate(self.ids)}

    def of(self, sample_id: str) -> np.ndarray | None:
        """The vector of a sample; None where it is not on the map."""
        place = self._place.get(sample_id)
        return None if place is None else self.matrix[place]

    def nearest(self, query: np.ndarray, limit: int, among: Sequence[str] | None = None) -> list[tuple[str, float]]:
        """The ``limit`` samples of the largest cosine with ``query`` (D,), best first; ``among`` some only."""
        scores = self.matrix @ query
        count = min(limit, len(scores))
        if among is not None:
            places = sorted({self._place[key] for key in among if key in self._place})
            outside = np.ones(len(scores), dtype=bool)
            outside[places] = False
            scores, count = np.where(outside, -np.inf, scores), min(count, len(places))
        best = np.argpartition(-scores, count - 1)[:count] if count else np.zeros(0, int)
        best = best[np.lexsort((best, -scores[best]))]
        return [(self.ids[i], float(scores[i])) for i in best]
