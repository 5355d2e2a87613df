"""How student and teacher fit: padded outputs, words that one of them lacks, what is said of it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kdcore.distill.batches.compatibility import compatibility, within
from kdcore.distill.batches.rows import Row
from kdcore.distill.batches.targets import LossTerm, Targets
from kdcore.distill.losses.divergences import divergence
from kdcore.distill.losses.sparse import PADDING
from kdcore.distill.terms.chunked_loss import LiveTeacher, head_loss
from kdcore.hardware import keep_freed_memory


class Tokenizer:
    eos_token = "<end>"

    def __init__(self, words: int, template: str = "{role}: {content}\n"):
        self.words, self.template = words, template

    def __len__(self) -> int:
        return self.words

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [ord(c) % self.words for c in text]}

    def get_vocab(self) -> dict[str, int]:
        return {str(i): i for i in range(self.words)}

    def apply_chat_template(self, chat, tokenize: bool) -> str:
        if "{content}" not in self.template:
            raise ValueError("no template")
        return "".join(self.template.format(**message) for message in chat)


def config(width: int):
    return SimpleNamespace(get_text_config=lambda: SimpleNamespace(vocab_size=width))


def test_one_family_with_other_padding_fits_and_says_what_follows():
    found = {row["what"]: row for row in compatibility(Tokenizer(90), Tokenizer(90), config(96), config(128))}
    assert [what for what, row in found.items() if not row["same"]] == ["outputs (padding included)"]
    assert found["outputs (padding included)"]["student"] == "96 (6 padding)"
    other = {
        row["what"]: row for row in compatibility(Tokenizer(90), Tokenizer(80, "{content}|"), config(90), config(80))
    }
    assert not any(row["same"] for what, row in other.items() if what != "end mark")
    broken = {row["what"]: row for row in compatibility(Tokenizer(90, "x"), Tokenizer(90), config(90), config(90))}
    assert "can't write a chat" in broken["chat template"]["means"]


def test_words_that_the_student_has_no_output_for_fall_to_the_tail():
    ids, logprobs = np.array([[1, 9], [2, 3]]), np.log(np.array([[0.6, 0.3], [0.5, 0.4]], dtype=np.float32))
    row = Row("s", 0, 1, [0, 1, 2], False, ids, logprobs)
    assert within([row, Row("t", 0, 1, [0, 1], False, None, None)], 8) == 1
    assert row.topk_ids.tolist() == [[1, 0], [2, 3]]
    assert row.topk_logprobs[0, 1] == PADDING
    assert ids[0, 1] == 9, "what was read is not changed"


@pytest.mark.parametrize(("mine", "theirs"), [(12, 10), (10, 12)])
def test_outputs_of_different_widths_are_compared_where_both_have_them(mine: int, theirs: int):
    torch.manual_seed(0)
    hidden = torch.randn(5, 4, requires_grad=True)
    head, teacher = torch.randn(mine, 4, requires_grad=True), torch.randn(theirs, 4)
    targets = Targets(torch.zeros(5, dtype=torch.long), torch.full((5,), 0.2), torch.zeros(5, dtype=torch.long))
    term = LossTerm(divergence("forward_kl"), live=True)
    loss, each = head_loss(hidden, head, targets, (term,), 3, LiveTeacher(hidden.detach(), teacher))
    log_q = (hidden @ head.t())[:, :10].log_softmax(-1)
    log_p = (hidden.detach() @ teacher.t())[:, :10].log_softmax(-1)
    expected = (log_p.exp() * (log_p - log_q)).sum(-1)
    assert torch.allclose(each, expected, atol=1e-5)
    wanted = torch.autograd.grad(expected.mean(), (hidden, head), retain_graph=True)
    got = torch.autograd.grad(loss, (hidden, head))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(got, wanted, strict=True))


def test_a_process_can_be_told_to_keep_its_memory():
    import subprocess
    import sys

    code = "from kdcore.hardware import keep_freed_memory; print(keep_freed_memory())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert said == str(sys.platform == "linux" and keep_freed_memory())
