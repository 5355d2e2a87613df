"""The model that learns: any causal LM as it is, or every k-th layer of the teacher."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kdcore.configs.distillation import StudentConfig
from kdcore.errors import ConfigError, MissingDependency

LORA_TARGETS = "all-linear"


def kept_layers(total: int, keep: int) -> list[int]:
    """Evenly spread layer numbers, first and last included. Raises ConfigError if there are not that many."""
    if keep > total:
        raise ConfigError(f"the teacher has {total} layers; {keep} can't be kept.")
    return sorted({int(i) for i in np.round(np.linspace(0, total - 1, keep))})


def load_causal_lm(path: str, dtype: torch.dtype) -> Any:
    """A causal LM on the CPU in ``dtype``."""
    from transformers import AutoModelForCausalLM

    try:
        return AutoModelForCausalLM.from_pretrained(path, dtype=dtype)
    except (OSError, ValueError) as exc:
        raise ConfigError(f"the model {path} can't be loaded: {exc}") from exc


def load_in_four_bits(path: str) -> Any:
    """A causal LM whose linear layers are frozen NF4 with double quantisation (QLoRA, arXiv 2305.14314, §3)."""
    try:
        import bitsandbytes  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError as exc:
        raise MissingDependency('a base in 4 bits needs bitsandbytes: pip install "bitsandbytes>=0.48".') from exc
    from peft import prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    has_gpu = torch.cuda.is_available()
    bits = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if has_gpu else torch.float32,
    )
    model = AutoModelForCausalLM.from_pretrained(
        path, quantization_config=bits, dtype=torch.float32, device_map={"": 0} if has_gpu else None
    )
    keep_from_packing(model)
    return prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)


def keep_from_packing(model: Any) -> int:
    """Let 4-bit layers stay as they train; returns how many there are.

    On a CPU with AVX-512 BF16 bitsandbytes packs a layer for inference at its first forward pass in evaluation and
    never unpacks it: from then on no gradient goes through it, without a word, and narrow layers fail outright.
    """
    layers = [layer for layer in model.modules() if hasattr(layer, "support_avx512bf16_for_cpu")]
    for layer in layers:
        layer.support_avx512bf16_for_cpu = False
    return len(layers)


def thin(model: Any, keep: int) -> Any:
    """Drop layers in place, keeping ``keep`` evenly spread ones (depth pruning)."""
    layers = getattr(model.base_model, "layers", None)
    if layers is None:
        raise ConfigError(f"{type(model).__name__} has no list of layers to thin; choose a model as the student.")
    numbers = kept_layers(len(layers), keep)
    model.base_model.layers = torch.nn.ModuleList(layers[i] for i in numbers)
    kept: Any = model.base_model.layers
    for place, layer in enumerate(kept):
        if hasattr(layer, "self_attn"):
            layer.self_attn.layer_idx = place
    model.config.num_hidden_layers = keep
    if getattr(model.config, "layer_types", None):
        model.config.layer_types = [model.config.layer_types[i] for i in numbers]
    return model


def build_student(config: StudentConfig, student_path: str, teacher_path: str, dtype: torch.dtype) -> Any:
    """The student before its first step. Raises ConfigError for a head that the chunked loss can't follow."""
    if config.init == "teacher_layers":
        model = thin(load_causal_lm(teacher_path, dtype), config.keep_layers)
    elif config.adapter == "qlora":
        model = load_in_four_bits(student_path)
    else:
        model = load_causal_lm(student_path, dtype)
    for name in ("final_logit_softcapping", "logit_scale", "logits_scaling"):
        if getattr(model.config, name, None) not in (None, 1, 1.0):
            raise ConfigError(f"this student changes its logits ({name}); training it is not supported yet.")
    if config.adapter != "full":
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(
            model,
            LoraConfig(
                r=config.lora_rank,
                lora_alpha=config.lora_alpha,
                target_modules=LORA_TARGETS,
                task_type="CAUSAL_LM",
            ),
        )
    return model


def hf_model(model: Any) -> Any:
    """The transformers model under a possible adapter."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def save_merged(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write safetensors and tokenizer; adapters are merged in, so any engine can load the folder.

    The folder has its name only once it is whole.
    """
    scratch = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(scratch, ignore_errors=True)
    if getattr(hf_model(model), "is_loaded_in_4bit", False):
        merged = _merged_in_full(model, folder.with_name(".adapter.tmp"))
    else:
        merged = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
    merged.save_pretrained(scratch)
    tokenizer.save_pretrained(scratch)
    shutil.rmtree(folder, ignore_errors=True)
    scratch.rename(folder)


def _merged_in_full(model: Any, scratch: Path) -> Any:
    """The adapter of a 4-bit base merged into the base as it was before: nothing more is lost by rounding."""
    from peft import PeftModel

    model.save_pretrained(scratch)
    base = load_causal_lm(model.peft_config["default"].base_model_name_or_path, torch.float32)
    merged = PeftModel.from_pretrained(base, str(scratch)).merge_and_unload()  # pyright: ignore[reportCallIssue]
    shutil.rmtree(scratch)
    return merged
