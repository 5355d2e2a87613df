"""The student's own answers written by vLLM: by the weights as they are now, and in a training that is killed."""

from pathlib import Path

import pytest
import torch

from kdcore.configs.distillation import SliceConfig, StudentConfig
from kdcore.distill.student import build_student
from kdcore.distill.vllm_writer import VllmWriter
from kdcore.models import DEFAULT_TEACHER
from kdcore.services.app import App
from tests.workers.tiny import STEPS, kill, losses, start, wait_for_step

pytestmark = pytest.mark.models
pytest.importorskip("vllm")


@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_it_writes_by_the_weights_as_they_are_now(models: Path, tmp_path: Path, adapter: str):
    from transformers import AutoTokenizer

    path = str(models / DEFAULT_TEACHER)
    tokenizer = AutoTokenizer.from_pretrained(path)
    config = StudentConfig(init="model", model=path, adapter=adapter)  # pyright: ignore[reportArgumentType]
    student = build_student(config, path, "", torch.float32)
    prompts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=False
        )
        for text in ("Name a colour.", "What does a contract need?")
    ]

    def plainly() -> list[list[int]]:
        student.eval()
        said = []
        for prompt in prompts:
            ids = torch.tensor([prompt])
            out = student.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12,
                temperature=None, top_p=None, pad_token_id=0,
            )  # fmt: skip
            said.append(out[0, len(prompt) :].tolist())
        return said

    writer = VllmWriter(student, tokenizer, tmp_path / "start", 256, 0, "float32")
    try:
        before = writer.write(student, prompts, 12, temperature=0.0)
        assert before == plainly()
        changing = [p for p in student.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(changing, lr=0.5 if adapter == "lora" else 0.05)
        for _ in range(3):
            ids = torch.tensor([prompts[1]])
            student(input_ids=ids, labels=ids).loss.backward()
            optimizer.step()
        after = writer.write(student, prompts, 12, temperature=0.0)
        assert after == plainly() != before
        drawn = writer.write(student, prompts * 4, 5)
        assert len(drawn) == 8 and all(1 <= len(answer) <= 5 for answer in drawn)
        assert len({tuple(answer) for answer in drawn[1::2]}) > 1
    finally:
        writer.close()
    assert not (tmp_path / "start").exists()


def test_a_training_on_own_answers_by_vllm_is_killed_and_goes_on(app: App, models: Path):
    parts = (SliceConfig(dataset_id="d", loss="reverse_kl", targets="live"),)
    changes = {"slices": parts, "on_policy": 0.6, "rollout_tokens": 6, "rollouts": "vllm", "shown_answers": 0}
    run = start(app, models / DEFAULT_TEACHER, "own-vllm", rows=8, **changes)
    wait_for_step(run, 3)
    kill(app, run)
    app.launch(run)
    assert app.wait(run.run_id, timeout_s=240).state == "done", run.status().message
    assert sorted(losses(run)) == list(range(1, STEPS + 1))
    assert (run.path / "student" / "config.json").exists() and not (run.path / "rollout_start").exists()
