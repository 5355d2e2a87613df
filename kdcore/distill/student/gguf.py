"""A student as one GGUF file, for llama.cpp and what is built on it. No torch: safetensors in, GGUF out.

Only architectures whose weights map one to one, and byte-level BPE tokenizers whose splitting llama.cpp knows.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from kdcore.errors import ConfigError

ARCHITECTURES = {"llama": "LLAMA", "mistral": "LLAMA", "qwen2": "QWEN2", "qwen3": "QWEN3"}
# what a tokenizer splits text by → llama.cpp's name of it
_QWEN2 = r"\p{N}| ?[^\s\p{L}\p{N}]+"
_LLAMA3 = r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+"


def write_gguf(student: Path, out: Path, name: str, description: str = "", licence: str = "") -> Path:
    """Write the folder of a saved causal LM as ``out``: matrices in half precision, norms in full.

    Raises ConfigError for an architecture or a tokenizer that can't be written faithfully.
    """
    import gguf

    config = json.loads((student / "config.json").read_bytes())
    kind = config.get("model_type", "")
    if kind not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ConfigError(
            f'GGUF can\'t be written for a student of type "{kind}" (known: {known}); take safetensors.'
        )
    arch = gguf.MODEL_ARCH[ARCHITECTURES[kind]]
    tokenizer = json.loads((student / "tokenizer.json").read_bytes())
    splitting = splitting_of(tokenizer)
    scratch = out.with_name(f".{out.name}.tmp")
    writer = gguf.GGUFWriter(scratch, gguf.MODEL_ARCH_NAMES[arch])
    writer.add_name(name)
    writer.add_description(description)
    if licence:
        writer.add_license(licence)
    _add_shape(writer, config)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    _add_tokenizer(writer, student, tokenizer, config, splitting)
    _add_weights(writer, gguf.get_tensor_name_map(arch, config["num_hidden_layers"]), student, config)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    scratch.replace(out)
    return out


def splitting_of(tokenizer: dict[str, Any]) -> str:
    """llama.cpp's name for how a tokenizer splits text; raises ConfigError for one that it does not know."""
    model = tokenizer["model"]["type"]
    before = tokenizer.get("pre_tokenizer") or {}
    parts = before.get("pretokenizers") or [before]
    kinds = [part.get("type") for part in parts]
    pattern = next((str(p["pattern"].get("Regex", "")) for p in parts if p.get("type") == "Split"), "")
    if model == "BPE" and kinds[-1] == "ByteLevel":
        if kinds == ["ByteLevel"] and parts[0].get("use_regex", True):
            return "gpt-2"
        if kinds == ["Digits", "ByteLevel"] and parts[0].get("individual_digits"):
            return "smollm"
        if kinds == ["Split", "ByteLevel"] and _LLAMA3 in pattern:
            return "llama-bpe"
        if kinds == ["Split", "ByteLevel"] and _QWEN2 in pattern:
            return "qwen2"
    raise ConfigError(
        f"GGUF can't be written for this tokenizer ({model}, {' + '.join(map(str, kinds))}); take safetensors."
    )


def _add_shape(writer: Any, config: dict[str, Any]) -> None:
    heads = config["num_attention_heads"]
    rope = config.get("rope_parameters") or {}
    if rope.get("rope_type", "default") != "default" or config.get("rope_scaling"):
        raise ConfigError("GGUF can't be written for a student with scaled positions; take safetensors.")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0))
    width = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_rope_dimension_count(width)
    writer.add_vocab_size(config["vocab_size"])


def _add_tokenizer(
    writer: Any, student: Path, tokenizer: dict[str, Any], config: dict[str, Any], splitting: str
) -> None:
    import gguf

    size = config["vocab_size"]
    words = [f"[PAD{number}]" for number in range(size)]
    kinds = [int(gguf.TokenType.UNUSED)] * size
    for word, number in tokenizer["model"]["vocab"].items():
        words[number], kinds[number] = word, int(gguf.TokenType.NORMAL)
    for added in tokenizer.get("added_tokens", []):
        kind = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
        words[added["id"]], kinds[added["id"]] = added["content"], int(kind)
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in tokenizer["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splitting)
    writer.add_token_list(words)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    for name, add in (
        ("bos_token_id", writer.add_bos_token_id),
        ("eos_token_id", writer.add_eos_token_id),
        ("pad_token_id", writer.add_pad_token_id),
        ("unk_token_id", writer.add_unk_token_id),
    ):
        value = config.get(name)
        if value is not None:
            add(value[0] if isinstance(value, list) else value)
    writer.add_add_bos_token(False)  # the chat template says what a chat begins with
    template = student / "chat_template.jinja"
    if template.exists():
        writer.add_chat_template(template.read_text("utf-8"))


def _add_weights(writer: Any, names: Any, student: Path, config: dict[str, Any]) -> None:
    """Every tensor under its GGUF name; llama's queries and keys in the order that llama.cpp turns them by."""
    from safetensors.numpy import load_file

    heads = config["num_attention_heads"]
    turned = {"q_proj": heads, "k_proj": config.get("num_key_value_heads") or heads}
    interleaved = ARCHITECTURES[config["model_type"]] == "LLAMA"
    for file in sorted(student.glob("*.safetensors")):
        for name, tensor in load_file(file).items():
            target = names.get_name(name, try_suffixes=(".weight", ".bias"))
            if target is None:
                raise ConfigError(f"GGUF has no place for the weight {name} of this student; take safetensors.")
            part = name.split(".")[-2]
            if interleaved and part in turned:
                tensor = _turn(tensor, turned[part])
            writer.add_tensor(target, tensor.astype(np.float16 if tensor.ndim > 1 else np.float32))


def _turn(weight: np.ndarray, heads: int) -> np.ndarray:
    """From halves (as transformers rotates them) to pairs (as llama.cpp does), head by head."""
    width = weight.shape[0] // heads
    return weight.reshape(heads, 2, width // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)
