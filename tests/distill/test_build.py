"""A student is built as its config says."""

import pytest
import torch

from kdcore.configs.distillation import StudentConfig
from kdcore.distill.student.build import build_student, keep_from_packing, kept_layers
from kdcore.errors import ConfigError


def test_layers_are_spread_with_both_ends():
    assert kept_layers(30, 10) == [0, 3, 6, 10, 13, 16, 19, 23, 26, 29]
    assert kept_layers(4, 4) == [0, 1, 2, 3]
    with pytest.raises(ConfigError, match="30 layers"):
        kept_layers(30, 31)


def tiny_llama():
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=320, hidden_size=128, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=2,
        )
    )  # fmt: skip


def gradients(model) -> dict[str, float]:
    """Norm of each trained matrix's gradient for one fixed text."""
    ids = torch.arange(5, 45)[None]
    model.train()
    model.zero_grad()
    model(input_ids=ids, labels=ids).loss.backward()
    return {n: float(p.grad.norm()) for n, p in model.named_parameters() if p.requires_grad and p.grad is not None}


@pytest.mark.models
@pytest.mark.parametrize("adapter", ["full", "lora", "qlora"])
def test_an_evaluation_leaves_every_gradient_as_it_was(tmp_path, adapter):
    tiny_llama().save_pretrained(tmp_path)
    config = StudentConfig(init="model", model=str(tmp_path), adapter=adapter, lora_rank=4)
    torch.manual_seed(1)
    model = build_student(config, str(tmp_path), "", torch.float32)
    with torch.no_grad():  # so that every small matrix has a gradient
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.02)
    before = gradients(model)
    with torch.inference_mode():
        model.eval()(input_ids=torch.arange(5, 45)[None])
    after = gradients(model)
    assert before and all(norm > 0 for norm in before.values())
    assert after == pytest.approx(before)


def test_four_bit_layers_are_kept_from_packing_on_any_processor():
    class Layer(torch.nn.Linear):
        support_avx512bf16_for_cpu = True

    model = torch.nn.Sequential(Layer(2, 2), torch.nn.Linear(2, 2), Layer(2, 2))
    assert keep_from_packing(model) == 2
    assert not any(getattr(layer, "support_avx512bf16_for_cpu", False) for layer in model)
