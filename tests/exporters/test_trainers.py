"""TRL takes the exports as they are: one step each, answers alone supervised, system message and examples there."""

import json

import pytest

from tests.exporters.test_exporters import made
from tests.workers.tiny import tiny

__all__ = ["tiny"]
pytestmark = [pytest.mark.models, pytest.mark.filterwarnings("default")]


def loaded(folder, name):
    from datasets import load_dataset

    return load_dataset(str(made(folder, name)), cache_dir=str(folder / "cache"))["train"]


def settings(kind, folder, **more):
    return kind(
        output_dir=str(folder / "out"), max_steps=1, per_device_train_batch_size=2, report_to=[], use_cpu=True,
        save_strategy="no", bf16=False, **more,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["chat_jsonl", "prompt_completion"])
def test_sft_takes_a_step_and_learns_answers_alone(tmp_path, tiny, name):
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    rows = loaded(tmp_path, name).remove_columns("metadata")
    trainer = SFTTrainer(model=str(tiny), args=settings(SFTConfig, tmp_path), train_dataset=rows)
    assert trainer.train().training_loss > 0
    if name == "prompt_completion":
        batch = next(iter(trainer.get_train_dataloader()))
        tokenizer = AutoTokenizer.from_pretrained(tiny)
        for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
            learnt = tokenizer.decode([i for i, label in zip(ids, labels, strict=True) if label != -100])
            assert learnt.startswith("Because") and "Why" not in learnt
    whole = json.dumps(rows[:], ensure_ascii=False)
    assert "Be brief." in whole and "A?" in whole


@pytest.mark.parametrize(("name", "kind"), [("preference", "DPO"), ("kto", "KTO")])
def test_preferences_take_a_step(tmp_path, tiny, name, kind):
    trl = pytest.importorskip("trl")
    trainer_class = getattr(trl, f"{kind}Trainer", None)
    if trainer_class is None:
        from trl.experimental import kto

        trainer_class, config_class = kto.KTOTrainer, kto.KTOConfig
    else:
        config_class = getattr(trl, f"{kind}Config")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    trainer = trainer_class(
        model=AutoModelForCausalLM.from_pretrained(tiny),
        args=settings(config_class, tmp_path),
        train_dataset=loaded(tmp_path, name).remove_columns("metadata"),
        processing_class=AutoTokenizer.from_pretrained(tiny),
    )
    assert trainer.train().training_loss > 0
