"""A student whose tokens are not the teacher's: their common text says which of the teacher's words it can learn.

Both tokenizers cut the same bytes. Where the two begin a token at the same byte, they are asked the same thing: what
comes next. There the teacher's stored top-k is given to the student, word for word by the bytes of the tokens; a
word that the student has no token for joins the tail. Elsewhere the student learns the text. This is an
approximation: a teacher's "hel" counts as another word than a student's "hello".

Boizard et al. 2024 (arXiv 2402.12030) compare by rank instead (``universal_logit``); then nothing joins the tail.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers.convert_slow_tokenizer import bytes_to_unicode

from kdcore.distill.batches.rows import as_text
from kdcore.distill.losses.sparse import PADDING
from kdcore.records.datasets import TrainingRow

NO_TOKEN = -1


def token_bytes(tokenizer: Any) -> list[bytes | None] | None:
    """The bytes that each token id stands for, None for special ones; None for a kind whose bytes can't be told."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    layout = json.loads(backend.to_str()) if backend is not None else {}
    decoder = json.dumps(layout.get("decoder"), ensure_ascii=False)
    if "ByteLevel" in decoder:
        table = {letter: byte for byte, letter in bytes_to_unicode().items()}
    elif "\u2581" in decoder or "Metaspace" in decoder:
        table = None
    else:
        return None
    found: list[bytes | None] = [None] * len(tokenizer)
    special = {token["id"] for token in layout.get("added_tokens", []) if token["special"]}
    added = {token["id"]: token["content"].encode() for token in layout.get("added_tokens", [])}
    for text, number in tokenizer.get_vocab().items():
        if number not in special:
            found[number] = added.get(number) or _bytes_of(text, table)
    return found


def _bytes_of(text: str, table: dict[str, int] | None) -> bytes | None:
    if table is not None:
        return bytes(table[letter] for letter in text) if all(letter in table for letter in text) else None
    if len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
        return bytes([int(text[3:5], 16)])
    return text.replace("\u2581", " ").encode()


@dataclass(slots=True)
class Share:
    """How much of the teacher's words reaches the student."""

    tokens: int = 0  # of the student's, in rows with stored top-k
    met: int = 0  # of these, where both begin a token
    mass: float = 0.0  # of the teacher's top-k there, summed
    known: float = 0.0  # of it, on words that the student has

    def words(self) -> str:
        """Both shares in one phrase."""
        met, known = self.met / max(1, self.tokens), self.known / max(self.mass, 1e-9)
        return (
            f"{met:.0%} of its tokens begin where one of the teacher's does, and it has a token for {known:.0%} "
            "of what the teacher finds likely there"
        )


class Translator:
    """Rows of one tokenizer in the tokens of another. Raises ValueError where the bytes of either can't be told."""

    def __init__(self, teacher: Any, student: Any) -> None:
        theirs, mine = token_bytes(teacher), token_bytes(student)
        if theirs is None or mine is None:
            raise ValueError("the bytes of the tokens can't be told")
        self.student = student
        self.theirs, self.mine = theirs, mine
        by_bytes = {piece: number for number, piece in reversed(list(enumerate(mine))) if piece}
        self.ids = np.array([by_bytes.get(piece, NO_TOKEN) if piece else NO_TOKEN for piece in theirs])
        self.ends = teacher.eos_token_id
        self.ids[self.ends] = student.eos_token_id
        self.share = Share()

    def translate(self, row: TrainingRow, *, by_rank: bool = False) -> TrainingRow:
        """The row with the student's token ids, and the teacher's top-k where the two meet.

        ``by_rank`` keeps words that the student has no token for, without a name. A row whose bytes do not add up to
        one text keeps the text alone.
        """
        plain = as_text(row)
        if not row["token_ids"] or not row["k"]:
            return plain
        said = list(row["token_ids"])
        ended = said[-1] == self.ends
        cut = self._cut(said[:-1] if ended else said)
        if cut is None:
            return plain
        starts, text = cut
        ids = self.student(text, add_special_tokens=False)["input_ids"]
        pieces = [self.mine[number] for number in ids]
        own, whole = _starts(pieces), text.encode()
        if own is None or b"".join(filter(None, pieces)) not in (whole, b" " + whole):
            return plain
        shift = own[-1] - len(whole)  # a space that some tokenizers put before the first word
        places = {start: place for place, start in enumerate(starts)}  # the end of the text included
        meets = [places.get(max(0, start - shift), NO_TOKEN) for start in own]
        meets = meets if ended else meets[:-1]
        return self._given(row, [*ids, self.student.eos_token_id] if ended else ids, meets, by_rank)

    def _cut(self, said: list[int]) -> tuple[list[int], str] | None:
        """Where each of the teacher's tokens begins, then where the text ends, and the text."""
        pieces = [self.theirs[number] if number < len(self.theirs) else None for number in said]
        starts = _starts(pieces)
        if starts is None:
            return None
        try:
            return starts, b"".join(filter(None, pieces)).decode()
        except UnicodeDecodeError:
            return None

    def _given(self, row: TrainingRow, ids: list[int], meets: list[int], by_rank: bool) -> TrainingRow:
        k = row["k"] or 0
        teacher_ids = np.asarray(row["topk_ids"]).reshape(-1, k)
        teacher_logprobs = np.asarray(row["topk_logprobs"], dtype=np.float32).reshape(-1, k)
        topk_ids = np.zeros((len(ids), k), dtype=np.int64)
        logprobs = np.full((len(ids), k), PADDING, dtype=np.float32)
        for place, there in enumerate(meets):
            if there == NO_TOKEN or there >= len(teacher_ids):
                continue
            real = teacher_logprobs[there] > PADDING / 2
            mine, theirs = self.ids[teacher_ids[there][real]], teacher_logprobs[there][real]
            has = mine != NO_TOKEN
            self.share.met += 1
            self.share.mass += float(np.exp(theirs).sum())
            self.share.known += float(np.exp(theirs[has]).sum())
            mine, theirs = (np.maximum(mine, 0), theirs) if by_rank else _merged(mine[has], theirs[has])
            topk_ids[place, : len(mine)], logprobs[place, : len(mine)] = mine, theirs
        self.share.tokens += len(ids)
        flat_ids, flat_logprobs = topk_ids.ravel().tolist(), logprobs.ravel().tolist()
        return {**as_text(row), "token_ids": ids, "k": k, "topk_ids": flat_ids, "topk_logprobs": flat_logprobs}


def _merged(ids: np.ndarray, logprobs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each id once, with the mass of all its places; the likeliest first."""
    known, place = np.unique(ids, return_inverse=True)
    mass = np.bincount(place, weights=np.exp(logprobs), minlength=len(known))
    order = np.argsort(-mass, kind="stable")
    return known[order], np.log(mass[order])


def _starts(pieces: list[bytes | None]) -> list[int] | None:
    """Byte offsets at which the pieces begin, and the end of the last; None where a piece has no bytes."""
    starts = [0]
    for piece in pieces:
        if piece is None:
            return None
        starts.append(starts[-1] + len(piece))
    return starts
