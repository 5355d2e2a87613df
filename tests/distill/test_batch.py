"""Rows become batches: seeded, whole, and pointing at the right states."""

import pytest

from kdcore.configs.distillation import DistillConfig, SliceConfig
from kdcore.distill.batches.batch import SliceTerms, batches, collate
from kdcore.distill.batches.rows import Row
from kdcore.distill.training.loop import _from_step, planned_steps


def rows(count, supervised=3):
    return [Row(f"s{i}", 0, 2, list(range(2 + supervised + i % 4)), False, None, None) for i in range(count)]


def test_batches_are_seeded_and_resume_in_the_same_order():
    config = DistillConfig(slices=(SliceConfig(dataset_id="d"),), batch_size=4, epochs=3)
    data = rows(10)
    total = planned_steps(config, len(data))
    everything = [[r.sample_id for r in group] for group in _from_step(data, config, 0, total)]
    resumed = [[r.sample_id for r in group] for group in _from_step(data, config, 4, total)]
    assert len(everything) == total == 9
    assert resumed == everything[4:]
    assert sorted(r.sample_id for group in batches(data, 4, 0, 1) for r in group) == sorted(r.sample_id for r in data)


def test_collate_points_at_the_state_before_each_supervised_token():
    batch = collate(rows(3), pad_id=0, teaching=SliceTerms((2.0,), (0,), (False,), (False,)))
    width = batch.input_ids.shape[1]
    for position, label in zip(batch.positions.tolist(), batch.targets.labels.tolist(), strict=True):
        assert int(batch.input_ids[position // width, position % width + 1]) == label
    assert float(batch.targets.weights.sum()) == pytest.approx(2.0)
