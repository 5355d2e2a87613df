"""A student's card says what it is made of and what the terms ask for; GGUF refuses what it can't keep."""

import json
from pathlib import Path

import numpy as np
import pytest

from kdcore.distill.student.gguf import _turn, splitting_of, write_gguf
from kdcore.errors import ConfigError
from kdcore.governance.cards import CardFacts, entries_of, lawful_name, model_card
from kdcore.governance.teacher_terms import registry

FACTS = CardFacts(
    name="Triage | student",
    run_id="distill-1",
    base="teacher",
    layers="10 evenly kept layers",
    created="2026-11-24",
    data=[
        {
            "name": "Checked",
            "version": 2,
            "train": 9,
            "heldout": 3,
            "loss": "forward kl",
            "weight": "1",
            "sha256": "ab" * 32,
        }
    ],
    sources=[{"teacher": "some/model", "terms": "", "prompt": "Short | brief v1", "method": "direct", "rows": 12}],
    decisions={"accept": 7},
    training={"epochs": 2},
    heldout={"forward_kl": (12.5, 3.25)},
    compared={"student": {"rouge_l": {"mean": 0.2, "low": 0.1, "high": 0.3}}},
)


def test_a_card_names_data_people_measures_and_unknown_terms():
    text = model_card(FACTS)
    for part in ("Checked v2", "accept: 7 rows", "12.500", "3.250", "0.200 (0.100 to 0.300)", "without an entry"):
        assert part in text
    assert "| some/model | Short / brief v1 | direct | 12 |" in text
    assert "Nobody has read these rows." in model_card(CardFacts("S", "r", "b", "l", "d"))


def test_the_duties_of_the_terms_are_on_the_card_and_in_the_name():
    prefixed = next(entry for entry in registry()[2] if entry.name_prefix)
    rows = [{"teacher": "t", "terms": f"{prefixed.id}@1", "prompt": "p", "method": "m", "rows": 1}]
    entries = entries_of([*rows, *rows])
    assert entries == [prefixed]
    name = lawful_name("Student", entries)
    assert name.startswith(prefixed.name_prefix)
    assert lawful_name(name, entries) == name
    text = model_card(CardFacts("Student", "r", "b", "l", "d", sources=rows))
    assert f"# {name}" in text
    assert all(condition in text for condition in prefixed.conditions)
    assert "without an entry" not in text


def test_queries_and_keys_are_turned_head_by_head():
    weight = np.arange(8.0).reshape(8, 1)  # two heads of four rows: halves (0 1 | 2 3) become pairs (0 2) (1 3)
    assert _turn(weight, 2).ravel().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_splitting_is_told_or_refused():
    def bpe(*parts: dict) -> dict:
        before = parts[0] if len(parts) == 1 else {"type": "Sequence", "pretokenizers": list(parts)}
        return {"model": {"type": "BPE"}, "pre_tokenizer": before}

    byte = {"type": "ByteLevel", "use_regex": True}
    assert splitting_of(bpe(byte)) == "gpt-2"
    assert splitting_of(bpe({"type": "Digits", "individual_digits": True}, byte)) == "smollm"
    llama = {"type": "Split", "pattern": {"Regex": r"(?i:'s)|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"}}
    qwen = {"type": "Split", "pattern": {"Regex": r"(?i:'s)|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"}}
    assert splitting_of(bpe(llama, byte)) == "llama-bpe"
    assert splitting_of(bpe(qwen, byte)) == "qwen2"
    for strange in (
        {"model": {"type": "Unigram"}, "pre_tokenizer": byte},
        bpe({"type": "Whitespace"}),
        bpe({"type": "Split", "pattern": {"Regex": "x"}}, byte),
    ):
        with pytest.raises(ConfigError, match="take safetensors"):
            splitting_of(strange)


def test_an_architecture_that_gguf_can_not_keep_is_refused(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gemma3"}))
    with pytest.raises(ConfigError, match='type "gemma3"'):
        write_gguf(tmp_path, tmp_path / "x.gguf", "x")
    assert not list(tmp_path.glob("*.gguf*"))
