"""Two ways to cut one text: where they meet, the student gets what the teacher said there."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from kdcore.distill.batches.alignment import Translator, token_bytes
from kdcore.distill.losses.sparse import PADDING

TEXTS = [
    "The heart pumps blood through the body. A naïve reader may ask: why does the heart pump?",
    "A contract binds both parties; the court decides what the contract means — §12(3) of the Code.",
] * 4
END = "<end>"


def byte_level(size: int, end: str = END) -> Any:
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=size, special_tokens=[end], initial_alphabet=alphabet)
    )
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token=end)


def with_metaspace(size: int) -> Any:
    inner = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    inner.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    bytes_too = [f"<0x{number:02X}>" for number in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=["<unk>", "</s>", *bytes_too])
    inner.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>", unk_token="<unk>")


TEACHER = byte_level(420)
STUDENTS = {"other words": byte_level(300, "<stop>"), "metaspace": with_metaspace(400)}


def a_row(text: str, other: str = "A", *, ended: bool = True) -> dict[str, Any]:
    """The teacher was sure of its words to 0.7 and gave 0.2 to another."""
    ids = TEACHER(text)["input_ids"] + ([TEACHER.eos_token_id] if ended else [])
    [second] = TEACHER(other)["input_ids"]
    topk = [number for each in ids for number in (each, second)]
    return {
        "sample_id": "s",
        "completion": text,
        "token_ids": ids,
        "k": 2,
        "topk_ids": topk,
        "topk_logprobs": [math.log(0.7), math.log(0.2)] * len(ids),
    }


@pytest.mark.parametrize("name", STUDENTS)
def test_where_both_begin_a_token_the_teachers_words_are_the_students(name: str) -> None:
    student = STUDENTS[name]
    text = "The heart pumps blood."
    row = Translator(TEACHER, student).translate(a_row(text))
    assert row["token_ids"] == [*student(text)["input_ids"], student.eos_token_id]
    words = student.convert_ids_to_tokens(row["token_ids"])
    for place, word in enumerate(words):
        ids = row["topk_ids"][2 * place : 2 * place + 2]
        logprobs = row["topk_logprobs"][2 * place : 2 * place + 2]
        for number, logprob in zip(ids, logprobs, strict=True):
            if logprob > PADDING / 2:
                said = student.convert_ids_to_tokens(number)
                assert said.strip("Ġ\u2581") in ("A", word.strip("Ġ\u2581")), (place, said, word)
    end = row["topk_logprobs"][-2:]
    assert row["topk_ids"][-2] == student.eos_token_id
    assert end == pytest.approx([math.log(0.7), math.log(0.2)], abs=1e-5)


def test_equal_tokenizers_change_nothing() -> None:
    row = a_row(TEXTS[0])
    same = Translator(TEACHER, TEACHER).translate(row)
    assert (same["token_ids"], same["topk_ids"]) == (row["token_ids"], row["topk_ids"])
    assert same["topk_logprobs"] == pytest.approx(row["topk_logprobs"], abs=1e-5)


def test_a_word_that_the_student_lacks_joins_the_tail_and_keeps_its_rank() -> None:
    student = STUDENTS["other words"]
    words = {f" {word}" for text in TEXTS for word in text.split()}
    lacks = next(w for w in sorted(words) if len(TEACHER(w)["input_ids"]) == 1 < len(student(w)["input_ids"]))
    row = a_row("A court", lacks)
    named = Translator(TEACHER, student).translate(row)
    assert named["topk_logprobs"][:2] == pytest.approx([math.log(0.7), PADDING], abs=1e-5)
    ranked = Translator(TEACHER, student).translate(row, by_rank=True)
    assert ranked["topk_logprobs"][:2] == pytest.approx([math.log(0.7), math.log(0.2)], abs=1e-5)


def test_shares_tell_how_much_reaches_the_student() -> None:
    translator = Translator(TEACHER, STUDENTS["other words"])
    translator.translate(a_row(TEXTS[0]))
    share = translator.share
    assert 0 < share.met <= share.tokens
    assert 0 < share.known <= share.mass
    assert "%" in share.words()


@pytest.mark.parametrize("name", STUDENTS)
@given(text=some.text(min_size=1, max_size=40), ended=some.booleans())
@settings(max_examples=60, deadline=None)
def test_any_text_is_translated_or_left_as_text(name: str, text: str, ended: bool) -> None:
    student = STUDENTS[name]
    row = Translator(TEACHER, student).translate(a_row(text, ended=ended))
    if row["token_ids"] is None:
        assert row["k"] is None
        return
    assert len(row["topk_ids"]) == len(row["topk_logprobs"]) == 2 * len(row["token_ids"])
    assert max(row["topk_ids"]) < len(student)
    mass = [math.exp(a) + math.exp(b) for a, b in zip(*[iter(row["topk_logprobs"])] * 2, strict=True)]
    assert max(mass) <= 1 + 1e-6


def test_a_torn_character_leaves_the_text() -> None:
    row = a_row("naïve")
    number = (token_bytes(TEACHER) or []).index(b"\xc3")
    row["token_ids"] = [*TEACHER("na")["input_ids"], number]
    assert Translator(TEACHER, STUDENTS["other words"]).translate(row)["token_ids"] is None


def test_a_tokenizer_without_bytes_is_refused() -> None:
    inner = Tokenizer(models.WordLevel({"<unk>": 0, "a": 1}, unk_token="<unk>"))
    words = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<unk>")
    assert token_bytes(words) is None
    with pytest.raises(ValueError, match="can't be told"):
        Translator(TEACHER, words)
