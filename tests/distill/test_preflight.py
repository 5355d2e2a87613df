"""What is refused or told before a training starts."""

import pytest

from kdcore.configs.distillation import DistillConfig, SliceConfig
from kdcore.distill.batches.rows import Row
from kdcore.distill.training.preflight import Report, check_rows, check_sources, refuse
from kdcore.errors import DataError


def rows(count, supervised=3):
    return [Row(f"s{i}", 0, 2, list(range(2 + supervised + i % 4)), False, None, None) for i in range(count)]


def test_preflight_refuses_when_nothing_is_supervised():
    config = DistillConfig(slices=(SliceConfig(dataset_id="d", loss="sequence_level_kd"),))
    report = check_rows(config, rows(2, supervised=0)[:1], [], Report())
    with pytest.raises(DataError, match="no supervised token"):
        refuse(report)
    topk = check_rows(config.model_copy(update={"slices": (SliceConfig(dataset_id="d"),)}), rows(2), [], Report())
    with pytest.raises(DataError, match="no row has stored top-k"):
        refuse(topk)


def test_words_of_several_models_are_told_where_they_are_learnt():
    told = [{"slice": 0, "topk_ids": [1], "teacher_model": name} for name in ("A", "A", "B", None)]
    told += [
        {"slice": 1, "topk_ids": [1], "teacher_model": "C"},
        {"slice": 0, "topk_ids": None, "teacher_model": "D"},
    ]
    slices = (SliceConfig(dataset_id="d"), SliceConfig(dataset_id="e", loss="sequence_level_kd"))
    report, of_one = Report(), Report()
    check_sources(DistillConfig(slices=slices), told, report)
    assert report.teacher_models == {"A": 2, "B": 1}
    assert "of 2 models: A (2 of 3 rows), B (1 of 3 rows)" in report.warnings[0]
    check_sources(DistillConfig(slices=slices), told[:2], of_one)
    assert of_one.warnings == []
