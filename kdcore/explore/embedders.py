"""Sentence embeddings: length-sorted batches filled by tokens, the precision the hardware is fast at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kdcore.hardware import pick_precision

MAX_WINDOWS = 128  # of one text: 32,000 tokens at 256 each


class Embedder:
    """A transformers encoder with masked mean pooling and unit length, as MiniLM was trained.

    A text longer than the model reads at once is read in windows, and its vector is their mean by tokens: two
    contracts that begin alike are not the same. ``cut`` counts texts of which even that left something out.
    """

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
        special = self._tokenizer("a", return_special_tokens_mask=True)["special_tokens_mask"]
        first = special.index(0) if 0 in special else 0
        self._around = first, special[first:].count(1)  # special tokens before and after a text
        self.cut = 0

    def encode(
        self,
        texts: list[str],
        batch_tokens: int = 4096,
        on_batch: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """Embed texts: (N,) → (N, dim) float32 of unit length, in the given order. N may be 0."""
        windows: list[list[int]] = []
        owners: list[int] = []
        for place, ids in enumerate(self._tokenizer(texts, verbose=False)["input_ids"] if texts else []):
            own = self._windows(ids)
            windows += own
            owners += [place] * len(own)
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        left = np.bincount(owners, minlength=len(texts)) if owners else np.zeros(0, dtype=int)
        several = left > 1
        done = 0
        for batch in token_batches([len(ids) for ids in windows], batch_tokens):
            found = self._forward([windows[i] for i in batch])
            whole = np.array([owners[i] for i in batch])
            lengths = np.array([len(windows[i]) for i in batch], dtype=np.float32)
            weights = np.where(several[whole], lengths, 1.0)  # a text of one window keeps its vector to the last bit
            np.add.at(vectors, whole, found * weights[:, None])
            np.subtract.at(left, whole, 1)
            done += int(np.sum(left[np.unique(whole)] == 0))
            if on_batch is not None:
                on_batch(done)
        if several.any():
            norms = np.linalg.norm(vectors[several], axis=1, keepdims=True)
            vectors[several] /= np.maximum(norms, 1e-12)
        return vectors

    def _windows(self, ids: list[int]) -> list[list[int]]:
        """Token ids of a text as they are, or in parts, each between the special tokens of the whole."""
        if len(ids) <= self.max_tokens:
            return [ids]
        before, after = self._around
        inner = ids[before : len(ids) - after]
        size = self.max_tokens - before - after
        parts = [inner[at : at + size] for at in range(0, len(inner), size)]
        if len(parts) > MAX_WINDOWS:
            self.cut += 1
        return [[*ids[:before], *part, *ids[len(ids) - after :]] for part in parts[:MAX_WINDOWS]]

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
