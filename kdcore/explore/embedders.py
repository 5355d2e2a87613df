"""Sentence embeddings: length-sorted batches filled by tokens, the precision the hardware is fast at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kdcore.hardware import pick_precision


class Embedder:
    """A transformers encoder with masked mean pooling and unit length, as MiniLM was trained."""

    def __init__(self, path: Path | str, precision: str = "auto", max_tokens: int = 256) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        self._torch: Any = torch
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self.precision = pick_precision(precision, self._device == "cuda")
        self.max_tokens = max_tokens
        self._tokenizer: Any = AutoTokenizer.from_pretrained(str(path))
        model: Any = AutoModel.from_pretrained(str(path), dtype=getattr(torch, self.precision))
        self._model: Any = model.to(self._device).eval()
        self.dim = int(self._model.config.hidden_size)

    def encode(
        self,
        texts: list[str],
        batch_tokens: int = 4096,
        on_batch: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """Embed texts: (N,) → (N, dim) float32 of unit length, in the given order. N may be 0."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        token_ids = self._tokenizer(texts, truncation=True, max_length=self.max_tokens)["input_ids"] if texts else []
        done = 0
        for batch in token_batches([len(ids) for ids in token_ids], batch_tokens):
            vectors[batch] = self._forward([token_ids[i] for i in batch])
            done += len(batch)
            if on_batch is not None:
                on_batch(done)
        return vectors

    def _forward(self, rows: list[list[int]]) -> np.ndarray:
        torch = self._torch
        width = max(map(len, rows))
        ids = torch.zeros((len(rows), width), dtype=torch.long)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        ids, mask = ids.to(self._device), mask.to(self._device)
        with torch.inference_mode():
            states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state.float()  # (B, T, dim)
            weights = mask.unsqueeze(-1).float()
            pooled = (states * weights).sum(1) / weights.sum(1).clamp(min=1.0)
            return torch.nn.functional.normalize(pooled, dim=1).cpu().numpy()


def token_batches(lengths: list[int], batch_tokens: int) -> Iterator[list[int]]:
    """Group row numbers, longest first, so that rows × longest row stays within ``batch_tokens``."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    batch: list[int] = []
    for i in order:
        widest = lengths[batch[0]] if batch else lengths[i]
        if batch and (len(batch) + 1) * widest > batch_tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
