"""What is measured on held-out rows whatever the loss: likelihood, KL to the teacher, agreement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from kdcore.distill.batches.batch import Batch, collate
from kdcore.distill.batches.rows import Row
from kdcore.distill.batches.targets import TEXT
from kdcore.distill.losses import sparse
from kdcore.distill.losses.divergences import divergence
from kdcore.distill.student.forward import head_of, read
from kdcore.distill.student.output_layer import logits_of
from kdcore.distill.terms.preferences import answer_logprobs, margins
from kdcore.distill.terms.slices import heldout_teaching

# measured on every held-out row with stored top-k, whatever the training loss
DISTANCES = {name: divergence(name) for name in ("forward_kl", "reverse_kl", "generalized_jsd")}


def heldout_measures(model: Any, batches: list[Batch], chunk: int = 512) -> dict[str, float]:
    """Token means over all batches: ``sequence_level_kd``, and with stored top-k the ``DISTANCES``, top1 and top5.

    ``top1`` is the share of positions where student and teacher would say the same word, ``top5`` where the
    teacher's word is among the student's five likeliest.
    """
    head = head_of(model)
    sums: dict[str, float] = dict.fromkeys(("sequence_level_kd", *DISTANCES, "top1", "top5"), 0.0)
    tokens = with_topk = 0
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for batch in batches:
            states = read(model, batch).states(batch.positions)
            t = batch.targets
            for start in range(0, len(states), chunk):
                part = slice(start, start + chunk)
                logits = logits_of(states[part], head.to(states.dtype))
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


class HeldoutEvaluator:
    """The held-out rows as batches, made once and measured again and again."""

    def __init__(self, rows: list[Row], slices: int, ranks: tuple[bool, ...], batch_size: int, pad_id: int) -> None:
        texts = heldout_teaching(slices)
        order = replace(texts, ranks=ranks)
        ranked = [row for row in rows if ranks[row.slice] and row.rejected]
        self.rows = rows
        self.texts = [collate(rows[at : at + batch_size], pad_id, texts) for at in range(0, len(rows), batch_size)]
        self.groups = [
            collate(ranked[at : at + batch_size], pad_id, order) for at in range(0, len(ranked), batch_size)
        ]

    def measure(self, model: Any, chunk: int) -> dict[str, float]:
        """``heldout_measures`` and, where answers are ranked, ``preferred`` and ``margin``; {} without rows."""
        if not self.texts:
            return {}
        device = next(model.parameters()).device
        values = heldout_measures(model, [batch.to(device) for batch in self.texts], chunk)
        return values | preference_measures(model, [batch.to(device) for batch in self.groups], chunk)


def preference_measures(model: Any, batches: list[Batch], chunk: int = 512) -> dict[str, float]:
    """Means over all groups of ``preferences.margins``."""
    totals: dict[str, float] = {}
    groups = 0
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for batch in batches:
            assert batch.ranked is not None
            states = read(model, batch).states(batch.ranked.positions)
            sums, lengths = answer_logprobs(states, head_of(model), batch.ranked, chunk)
            count = len(batch.ranked.groups)
            groups += count
            for name, value in margins(sums, lengths, batch.ranked.groups).items():
                totals[name] = totals.get(name, 0.0) + value * count
    model.train(was_training)
    return {name: value / groups for name, value in totals.items()}


def store_topk(model: Any, rows: list[Row], pad_id: int, batch_size: int, k: int = 20) -> None:
    """Give each row the model's ``k`` likeliest words at every token of its answer, in place: what it would say."""
    texts = heldout_teaching(1 + max((row.slice for row in rows), default=0))
    head = head_of(model)
    device = next(model.parameters()).device
    model.eval()
    with torch.inference_mode():
        for at in range(0, len(rows), batch_size):
            group = rows[at : at + batch_size]
            batch = collate(group, pad_id, texts).to(device)
            states = read(model, batch).states(batch.positions)
            for row, own in zip(group, states.split([row.supervised for row in group]), strict=True):
                best = (own @ head.to(own.dtype).t()).float().log_softmax(-1).topk(k, dim=-1)
                row.topk_ids, row.topk_logprobs = best.indices.cpu().numpy(), best.values.cpu().numpy()


def reference_logprobs(model: Any, rows: list[Row], pad_id: int, batch_size: int, chunk: int) -> list[list[float]]:
    """For each row the log-prob of each of its answers, in nats, under a model that is not changed."""
    found: list[list[float]] = []
    slices = 1 + max((row.slice for row in rows), default=0)
    order = replace(heldout_teaching(slices), ranks=(True,) * slices)
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    with torch.inference_mode():
        for at in range(0, len(rows), batch_size):
            batch = collate(rows[at : at + batch_size], pad_id, order).to(device)
            assert batch.ranked is not None
            states = read(model, batch).states(batch.ranked.positions)
            sums, _ = answer_logprobs(states, head_of(model), batch.ranked, chunk)
            found += [sums[c.first : c.first + c.count].tolist() for c in batch.ranked.groups]
    model.train(was_training)
    return found
