"""What is measured on held-out rows whatever the loss: likelihood, KL to the teacher, agreement."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kdcore.distill.data import Batch
from kdcore.distill.losses import sparse
from kdcore.distill.losses.divergences import point
from kdcore.distill.objective import TEXT
from kdcore.distill.student import hf_model

# measured on every held-out row with stored top-k, whatever the training loss
DISTANCES = {name: point(name) for name in ("forward_kl", "reverse_kl", "generalized_jsd")}


def supervised_states(model: Any, batch: Batch) -> Tensor:
    """Hidden states (N, H) that predict the supervised tokens."""
    core = hf_model(model)
    states = core.base_model(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False
    ).last_hidden_state  # (B, T, H)
    return states.reshape(-1, states.shape[-1])[batch.positions]


def heldout_measures(model: Any, batches: list[Batch], chunk: int = 512) -> dict[str, float]:
    """Token means over all batches: ``sequence_level_kd``, and with stored top-k the ``DISTANCES``, top1 and top5.

    ``top1`` is the share of positions where student and teacher would say the same word, ``top5`` where the
    teacher's word is among the student's five likeliest.
    """
    core = hf_model(model)
    head = core.get_output_embeddings().weight
    sums: dict[str, float] = dict.fromkeys(("sequence_level_kd", *DISTANCES, "top1", "top5"), 0.0)
    tokens = with_topk = 0
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for batch in batches:
            states = supervised_states(model, batch)
            t = batch.targets
            for start in range(0, len(states), chunk):
                part = slice(start, start + chunk)
                logits = (states[part] @ head.to(states.dtype).t()).float()
                labels = t.labels[part]
                sums["sequence_level_kd"] += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
                tokens += len(labels)
                if t.topk_ids is None or t.topk_logprobs is None:
                    continue
                has = t.kinds[part] != TEXT
                count = int(has.sum())
                stored = t.topk_ids[part][None], t.topk_logprobs[part][None], has[None]
                for name, between in DISTANCES.items():
                    sums[name] += float(sparse.divergence(logits[None], *stored, between)) * count
                said = logits.topk(5, dim=-1).indices == t.topk_ids[part][:, :1]  # (c, 5)
                sums["top1"] += float((said[:, 0] & has).sum())
                sums["top5"] += float((said.any(-1) & has).sum())
                with_topk += count
    model.train(was_training)
    measures = {"sequence_level_kd": sums["sequence_level_kd"] / max(1, tokens)}
    if with_topk:
        measures |= {name: sums[name] / with_topk for name in (*DISTANCES, "top1", "top5")}
    return measures
