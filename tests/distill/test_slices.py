"""A recipe says what can't be done in one sentence, and its own-answer steps are the same after a resume."""

import pytest

from kdcore.configs.base import load_config
from kdcore.configs.distillation import DistillConfig, SliceConfig
from kdcore.distill.batches.rows import Row
from kdcore.distill.batches.targets import TEXT
from kdcore.distill.student.rollouts import Replay, _until_end, by_vllm, is_on_policy
from kdcore.distill.terms.slices import teaching_of
from kdcore.errors import ConfigError


def config(**changes) -> DistillConfig:
    part = {"dataset_id": "d", "loss": "forward_kl", "targets": "live"} | changes.pop("part", {})
    return load_config(DistillConfig, {"slices": [part], **changes})


def test_each_slice_finds_its_term():
    slices = (
        SliceConfig(dataset_id="a", loss="sequence_level_kd"),
        SliceConfig(dataset_id="b", loss="skew_kl"),
        SliceConfig(dataset_id="c", loss="reverse_kl", targets="live", temperature=2.0, weight=3.0),
    )
    terms, teaching = teaching_of(slices)
    assert teaching.kinds == (TEXT, 0, 1)
    assert teaching.live == (False, False, True)
    assert teaching.weights == (1.0, 1.0, 3.0)
    assert [term.temperature for term in terms] == [1.0, 2.0]


def test_what_can_not_be_is_said():
    with pytest.raises(ConfigError, match="stored top-k has no words to soften"):
        config(part={"targets": "stored", "temperature": 2.0})
    with pytest.raises(ConfigError, match="compare with the live teacher"):
        config(part={"targets": "stored"}, on_policy=0.5)
    with pytest.raises(ConfigError, match="compare with the live teacher"):
        config(part={"loss": "sequence_level_kd"}, on_policy=0.5)
    with pytest.raises(ConfigError, match="every slice ranks"):
        config(part={"loss": "dpo"}, similarity={"loss": "hidden_mse"})
    with pytest.raises(ConfigError, match="words of most doubt"):
        config(part={"focus": 0.5})
    assert config(on_policy=0.5).needs_teacher
    assert not config(part={"targets": "stored"}).needs_teacher


def test_own_answers_are_a_fixed_share_of_the_steps():
    half = config(on_policy=0.5)
    steps = [is_on_policy(half, step) for step in range(400)]
    assert steps == [is_on_policy(half, step) for step in range(400)]
    assert 160 < sum(steps) < 240
    assert all(is_on_policy(config(on_policy=1.0), step) for step in range(50))
    assert not any(is_on_policy(config(), step) for step in range(50))


def test_an_own_answer_ends_with_its_end_mark():
    assert _until_end([5, 6, 2, 2, 2], 2) == [5, 6, 2]
    assert _until_end([5, 6], 2) == [5, 6]
    assert _until_end([5, 6], None) == [5, 6]


def test_earlier_answers_are_met_again_in_their_share_of_steps_and_survive_a_resume():
    again = config(on_policy=1.0, replay=0.5, replay_rows=6)
    replay = Replay(again)
    answers = [Row(str(number), 0, 1, [1, number], False, None, None) for number in range(8)]
    assert replay.draw(0, 4) is None  # nothing is kept yet
    replay.keep(answers)
    drawn = [replay.draw(step, 4) for step in range(400)]
    assert 150 < sum(rows is not None for rows in drawn) < 250
    assert {row.sample_id for rows in drawn for row in rows or []} == {"2", "3", "4", "5", "6", "7"}  # the newest six
    resumed = Replay(again)
    resumed.state = replay.state
    assert [resumed.draw(step, 4) for step in range(400)] == drawn
    never = Replay(config(on_policy=1.0))
    never.keep(answers)
    assert never.state == []
    assert never.draw(1, 4) is None


@pytest.mark.parametrize(
    ("gpu", "vllm", "changes", "chosen"),
    [
        (True, True, {}, True),
        (False, True, {}, False),
        (True, False, {}, False),
        (True, True, {"student": {"init": "model", "model": "m", "adapter": "qlora"}}, False),
        (False, True, {"rollouts": "vllm"}, True),
        (True, True, {"rollouts": "transformers"}, False),
        (True, True, {"on_policy": 0.0}, False),
    ],
)
def test_vllm_writes_own_answers_where_there_is_a_gpu_or_it_is_asked_for(monkeypatch, gpu, vllm, changes, chosen):
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    monkeypatch.setattr("kdcore.distill.student.rollouts.find_spec", lambda name: object() if vllm else None)
    live = {"dataset_id": "d", "loss": "reverse_kl", "targets": "live"}
    config = load_config(DistillConfig, {"slices": [live], "on_policy": 0.5} | changes)
    assert by_vllm(config) is chosen
