"""Where vLLM can't write the student's own answers: said and done otherwise, or refused where it was asked for."""

from types import SimpleNamespace

import pytest

from kdcore.configs.base import load_config
from kdcore.configs.distillation import DistillConfig
from kdcore.distill.batches.rows import Row
from kdcore.distill.student import rollouts_vllm
from kdcore.errors import ConfigError
from kdcore.workers.distill import mixture as distill_worker


def started(monkeypatch, tmp_path, rollouts: str, refusal: str = "", context: int = 2048):
    """The writer that a training gets, what its engine was asked for, and what stays on the run."""
    asked: list[int] = []
    told: list[str] = []

    class Engine:
        def __init__(self, student, tokenizer, folder, longest, seed, dtype):
            if refusal:
                raise ConfigError(refusal)
            asked.append(longest)

    monkeypatch.setattr(rollouts_vllm, "VllmWriter", Engine)
    live = {"dataset_id": "d", "loss": "reverse_kl", "targets": "live"}
    config = load_config(
        DistillConfig, {"slices": [live], "on_policy": 0.5, "rollouts": rollouts, "rollout_tokens": 100}
    )
    student = SimpleNamespace(config=SimpleNamespace(max_position_embeddings=context))
    rows = [Row(str(n), 0, n, [1] * (n + 5), False, None, None) for n in (20, 60)]
    job = SimpleNamespace(config=config, student=student, rows=rows)
    reporter = SimpleNamespace(phase=lambda text: None, conclude=told.append)
    writer = distill_worker._vllm_writer(job, None, SimpleNamespace(path=tmp_path), reporter)
    return writer, asked, told


def test_the_engine_is_asked_for_no_more_than_prompts_and_answers_take(monkeypatch, tmp_path):
    assert started(monkeypatch, tmp_path, "vllm")[1] == [160]
    assert started(monkeypatch, tmp_path, "vllm", context=128)[1] == [128]


def test_a_refusal_stays_on_the_run_and_ends_only_what_asked_for_vllm(monkeypatch, tmp_path, capsys):
    writer, _, told = started(monkeypatch, tmp_path, "auto", "it does not know this model")
    assert writer is None
    assert told == ["transformers wrote the student's own answers, more slowly: it does not know this model"]
    assert "it does not know this model" in capsys.readouterr().err  # the log has the whole trace
    with pytest.raises(ConfigError, match="does not know"):
        started(monkeypatch, tmp_path, "vllm", "it does not know this model")
