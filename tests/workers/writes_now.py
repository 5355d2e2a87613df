"""Whether vLLM writes what transformers writes, before and after the student has changed; a program of its own.

vLLM in one's own process sets its environment, its random state and its process groups.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from kdcore.configs.distillation import StudentConfig
from kdcore.distill.student.build import build_student
from kdcore.distill.student.rollouts_vllm import VllmWriter

LONGEST = 12


def greedily(student: Any, prompts: list[list[int]]) -> list[list[int]]:
    student.eval()
    said = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        out = student.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=LONGEST,
            temperature=None, top_p=None, pad_token_id=0,
        )  # fmt: skip
        said.append(out[0, len(prompt) :].tolist())
    return said


def main(adapter: Any, path: str, folder: Path) -> None:
    torch.manual_seed(0)  # adapters begin at random
    tokenizer: Any = AutoTokenizer.from_pretrained(path)
    student = build_student(StudentConfig(init="model", model=path, adapter=adapter), path, "", torch.float32)
    talks = [[{"role": "user", "content": text}] for text in ("Name a colour.", "What does a contract need?")]
    prompts = [tokenizer.apply_chat_template(t, add_generation_prompt=True, return_dict=False) for t in talks]
    writer = VllmWriter(student, tokenizer, folder, 256, 0, "float32")
    before = writer.write(student, prompts, LONGEST, temperature=0.0)
    assert before == greedily(student, prompts), "before"
    optimizer = torch.optim.SGD(
        [p for p in student.parameters() if p.requires_grad], lr=0.1 if adapter == "lora" else 0.005
    )
    for _ in range(3):
        ids = torch.tensor([prompts[1]])
        student(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
    after = writer.write(student, prompts, LONGEST, temperature=0.0)
    assert after == greedily(student, prompts), "after"
    assert after != before, "the student has not changed"
    drawn = writer.write(student, prompts * 4, LONGEST)
    assert len(drawn) == 8 and all(1 <= len(answer) <= LONGEST for answer in drawn)
    assert len({tuple(answer) for answer in drawn[1::2]}) > 1, "four equal samples"
    writer.close()
    assert not folder.exists()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
