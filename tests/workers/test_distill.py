"""The real training worker on a tiny model: killed, paused and resumed, it ends where an undisturbed run ends."""

import json
from pathlib import Path

import numpy as np
import pytest

from kdcore.configs.distillation import SliceConfig
from kdcore.jobs.tail import read_metrics
from kdcore.services.workspace import App
from tests.workers.tiny import STEPS, kill, losses, rewrite, start, tiny, undisturbed, wait_for_step

__all__ = ["tiny", "undisturbed"]
pytestmark = pytest.mark.models


def test_two_losses_and_own_answers_with_a_live_teacher_survive_a_kill(app: App, tiny: Path):
    slices = (
        SliceConfig(dataset_id="d", loss="reverse_kl", targets="live", temperature=2.0),
        SliceConfig(dataset_id="e", loss="generalized_jsd", targets="live", loss_config={"beta": 0.3}, weight=0.5),
    )
    ends = []
    for name, stormy in (("calm", False), ("storm", True)):
        run = start(
            *(app, tiny, f"own-{name}"),
            **{"launch": False, "slices": slices, "on_policy": 0.7, "rollout_tokens": 6, "replay": 0.5},
            anchor_path=str(tiny),
        )
        rewrite(run, lambda place, row: row.update(slice=place % 2))
        run.write_lines("general.jsonl", [{"question": "What is seven times eight?", "answer": "Fifty-six."}] * 3)
        app.launch(run)
        if stormy:
            wait_for_step(run, 11)
            kill(app, run)
            app.launch(run)
        assert app.wait(run.run_id, timeout_s=180).state == "done", run.status().message
        found, _ = read_metrics(run.path / "metrics.jsonl")
        assert {"loss/slice0", "loss/slice1", "reverse_kl", "top5"} <= {row["name"] for row in found}
        general = [row for row in found if row["split"] == "general"]
        for measure in ("sequence_level_kd", "reverse_kl"):  # the latter is from the anchor
            values = {row["step"]: row["value"] for row in general if row["name"] == measure}
            assert {0, STEPS} <= set(values) and all(value > 0 for value in values.values())
        ends.append(losses(run))
    assert set(ends[0]) == set(ends[1]) == set(range(1, STEPS + 1))
    for step, loss in ends[0].items():  # own answers after the resume too: the random numbers go on
        assert ends[1][step] == pytest.approx(loss, abs=1e-5), step


def test_a_seed_names_the_small_matrices_too(app: App, tiny: Path):
    recipe = {"student": {"adapter": "lora", "lora_rank": 4}}
    runs = [start(app, tiny, f"seed-{n}", seed=seed, **recipe) for n, seed in enumerate((0, 0, 1))]
    for run in runs:
        assert app.wait(run.run_id, timeout_s=180).state == "done", run.status().message
    first, same, other = (losses(run) for run in runs)
    assert first == pytest.approx(same, abs=1e-6)
    assert first != pytest.approx(other, abs=1e-6)


def test_stop_and_keep_leaves_a_student(app: App, tiny: Path):
    run = start(app, tiny, "kept", student={"adapter": "lora", "lora_rank": 4})
    wait_for_step(run, 3)
    app.stop(run.run_id, "cancel")
    assert app.wait(run.run_id).state == "cancelled"
    assert (run.path / "student" / "config.json").exists()


def test_nothing_to_learn_is_refused_with_the_reason(app: App, tiny: Path):
    run = start(app, tiny, "short", max_length=32, launch=False)
    long = json.dumps([{"role": "user", "content": "word " * 100}])
    rewrite(run, lambda _, row: row.update(messages=long))
    app.launch(run)
    status = app.wait(run.run_id, timeout_s=120)
    assert status.state == "failed"
    assert "no supervised token" in status.message


@pytest.fixture(scope="module")
def stranger(tmp_path_factory) -> Path:
    """A tiny model whose tokenizer is not the teacher's: letters only."""
    import string

    import torch
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = {c: i for i, c in enumerate(["<unk>", "<end>", *string.ascii_letters, " ", "."])}
    inner = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", eos_token="<end>", pad_token="<end>"
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}. {% endfor %}"
    folder = tmp_path_factory.mktemp("stranger")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, eos_token_id=1,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("loss", "state"), [("sequence_level_kd", "done"), ("forward_kl", "failed")])
def test_another_tokenizer_learns_from_text_and_never_from_the_teachers_ids(app, tiny, stranger, loss, state):
    run = start(app, tiny, f"stranger-{loss.replace('_', '')}", launch=False)
    config = run.config()
    config["student"] |= {"init": "model", "model": str(stranger)}
    config |= {"student_path": str(stranger), "max_steps": 4}
    config["slices"][0]["loss"] = loss
    (run.path / "config.json").write_text(json.dumps(config))
    app.launch(run)
    status = app.wait(run.run_id, timeout_s=120)
    assert status.state == state, status.message
    report = json.loads((run.path / "preflight.json").read_bytes())
    assert any("tokens are not the teacher's" in text for text in report["warnings"])
    assert report["with_topk"] == 0
    if state == "failed":
        assert "no row has stored top-k" in status.message


@pytest.fixture(scope="module")
def neighbour(tmp_path_factory) -> Path:
    """A tiny model that cuts bytes into other tokens than the teacher."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<stop>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    inner.train_from_iterator(["The heart pumps blood."] * 4, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<stop>", pad_token="<stop>")
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}. {% endfor %}"
    folder = tmp_path_factory.mktemp("neighbour")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("loss", ["forward_kl", "universal_logit"])
def test_a_student_of_other_tokens_learns_the_teachers_words_where_the_two_meet(app, tiny, neighbour, loss):
    from transformers import AutoTokenizer

    said = AutoTokenizer.from_pretrained(tiny)("The heart pumps blood.")["input_ids"]

    def words(_, row):
        row.update(token_ids=said, k=2, topk_ids=[n for each in said for n in (each, 100)])
        row.update(topk_logprobs=np.log([0.8, 0.1] * len(said)).astype(np.float16).tolist())

    run = start(app, tiny, f"neighbour-{loss.replace('_', '')}", launch=False)
    rewrite(run, words)
    config = run.config()
    config["student"] |= {"init": "model", "model": str(neighbour)}
    config |= {"student_path": str(neighbour), "max_steps": 6}
    config["slices"][0]["loss"] = loss
    (run.path / "config.json").write_text(json.dumps(config))
    app.launch(run)
    status = app.wait(run.run_id, timeout_s=120)
    assert status.state == "done", status.message
    report = json.loads((run.path / "preflight.json").read_bytes())
    assert report["with_topk"] == report["rows"]
    assert any("% of its tokens begin where" in text for text in report["warnings"])
    found, _ = read_metrics(run.path / "metrics.jsonl")
    measured = [p["name"] for p in found if p["split"] == "heldout"]
    assert {"forward_kl", "sequence_level_kd"} <= set(measured)


def test_accepted_and_rejected_answers_are_learnt_apart_and_survive_a_kill(app: App, tiny: Path):
    ends = []
    for name, stormy in (("calm", False), ("storm", True)):
        run = start(app, tiny, f"unary-{name}", launch=False, slices=(SliceConfig(dataset_id="d", loss="kto"),))
        rewrite(run, lambda place, row: row.update(undesirable=place % 3 == 1))
        app.launch(run)
        if stormy:
            wait_for_step(run, 8)
            kill(app, run)
            app.launch(run)
        assert app.wait(run.run_id, timeout_s=180).state == "done", run.status().message
        found, _ = read_metrics(run.path / "metrics.jsonl")
        last = {row["name"]: row["value"] for row in found if row["split"] == "train"}
        assert last["gain/good"] > last["gain/bad"]
        ends.append(losses(run))
    assert ends[0][STEPS] == pytest.approx(ends[1][STEPS], abs=1e-5)


def test_single_answers_of_which_none_is_bad_are_nothing_to_tell_apart(app: App, tiny: Path):
    run = start(app, tiny, "alike", slices=(SliceConfig(dataset_id="d", loss="kto"),))
    status = app.wait(run.run_id, timeout_s=120)
    assert status.state == "failed"
    assert "freeze the version with its rejected answers" in status.message


def test_small_matrices_on_a_base_in_four_bits_leave_a_whole_student(app: App, tiny: Path):
    from transformers import AutoModelForCausalLM

    run = start(app, tiny, "bits", launch=False)
    config = run.config()
    config["student"] |= {"init": "model", "model": str(tiny), "adapter": "qlora", "lora_rank": 4}
    config |= {"student_path": str(tiny), "max_steps": 6}
    (run.path / "config.json").write_text(json.dumps(config))
    app.launch(run)
    wait_for_step(run, 4)
    kill(app, run)
    app.launch(run)
    status = app.wait(run.run_id, timeout_s=180)
    assert status.state == "done", status.message
    student = AutoModelForCausalLM.from_pretrained(run.path / "student")
    before = AutoModelForCausalLM.from_pretrained(tiny)
    changed = [
        name
        for (name, now), then in zip(student.named_parameters(), before.parameters(), strict=True)
        if not np.allclose(now.detach().numpy(), then.detach().numpy())
    ]
    assert changed and all("proj" in name for name in changed), (
        "whole weights, and only those that were adapted moved"
    )
