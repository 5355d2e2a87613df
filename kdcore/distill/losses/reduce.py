"""The one reduction of every token loss: mean over supervised tokens."""

from __future__ import annotations

from torch import Tensor

from kdcore.errors import ShapeError


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``values`` (B, T) where ``mask`` (B, T) is non-zero; 0 when nothing is. Masked NaNs don't count."""
    if values.shape != mask.shape:
        raise ShapeError(f"values {tuple(values.shape)} and mask {tuple(mask.shape)} must have the same shape.")
    keep = mask.bool()
    return values.masked_fill(~keep, 0.0).sum() / keep.sum().clamp(min=1)
