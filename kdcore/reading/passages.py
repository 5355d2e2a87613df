"""A document's blocks → passages of a size, cut at headings, clauses and sentences, never inside a clause's number.

A size is in tokens, by an estimate that lies above what tokenizers of today count, so that a passage fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kdcore.reading.block import Block

SIZE = 400
SHORT = 0.12  # of the size: a piece so short is joined to its neighbour
_PIECE = re.compile(r"[A-Za-z\u00c0-\u024f\u0370-\u052f\u0590-\u08ff]+|\d|[^\w\s]|\w")
_LETTERS = 4.5  # of a word that make one token; words are one token at least
_ABBREVIATIONS = frozenset(
    [
        "no",
        "nr",
        "art",
        "sec",
        "par",
        "para",
        "abs",
        "fig",
        "dr",
        "mr",
        "mrs",
        "ms",
        "prof",
        "st",
        "inc",
        "ltd",
        "co",
        "corp",
        "v",
        "vs",
        "e.g",
        "i.e",
        "z.b",
        "d.h",
        "u.a",
        "bzw",
        "ca",
        "cf",
        "al",
        "approx",
        "ex",
        "op",
        "cit",
        "pp",
        "p",
        "vol",
        "ed",
        "eds",
        "dept",
        "est",
        "resp",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
        "cl",
        "ch",
    ]
)
_END = re.compile(r"(?:[.!?…]+[\"'”’)\]]*|[。！？]+|;)(?=\s|$|(?<=[。！？]))")


@dataclass(frozen=True, slots=True)
class Passage:
    """Text with the headings above it, the page and the place (characters) where it begins in the document."""

    text: str
    heading: str
    page: int
    offset: int


def tokens_of(text: str) -> int:
    """How many tokens a text has at most, about: a digit or sign is one, a long word several."""
    return sum(max(1, round(len(piece) / _LETTERS)) for piece in _PIECE.findall(text))


def cut(blocks: Sequence[Block], size: int = SIZE, overlap: int = 0) -> list[Passage]:
    """Passages of at most ``size`` tokens; each begins with ``overlap`` of the one before."""
    found: list[Passage] = []
    for heading, part in _sections(blocks):
        found += _packed(heading, list(_pieces(part, size - tokens_of(heading))), size, overlap)
    return _joined(found, size)


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    page: int
    offset: int
    begins: bool  # a paragraph, not the rest of one


def _sections(blocks: Sequence[Block]) -> Iterator[tuple[str, list[tuple[Block, int]]]]:
    """The text below each heading, with the path of headings and the offset of each block."""
    path: dict[int, str] = {}
    part: list[tuple[Block, int]] = []
    offset = 0
    for block in blocks:
        if block.level:
            if part:
                yield " › ".join(path.values()), part
                part = []
            path = {level: text for level, text in path.items() if level < block.level} | {block.level: block.text}
        else:
            part.append((block, offset))
        offset += len(block.text) + 2
    if part:
        yield " › ".join(path.values()), part


def _pieces(part: Iterable[tuple[Block, int]], size: int) -> Iterator[_Piece]:
    """Paragraphs; a longer one by sentences, a longer sentence by words."""
    for block, offset in part:
        if tokens_of(block.text) <= size:
            yield _Piece(block.text, block.page, offset, True)
            continue
        for at, sentence in _sentences(block.text):
            begins = at == 0
            for inner, text in _words(sentence, max(8, size)):
                yield _Piece(text, block.page, offset + at + inner, begins and inner == 0)


def _sentences(text: str) -> Iterator[tuple[int, str]]:
    """Sentences with their place. A number, an initial or an abbreviation before the point ends none."""
    begun = 0
    for end in _END.finditer(text):
        before = text[begun : end.start()]
        last = re.split(r"[\s(\[]", before)[-1].lower() if before else ""
        if end[0][0] in ".;" and (
            last in _ABBREVIATIONS or (end[0][0] == "." and re.fullmatch(r"[\d.]+|[a-z]|[ivxlc]+", last))
        ):
            continue
        if piece := text[begun : end.end()].strip():
            yield begun + len(text[begun:]) - len(text[begun:].lstrip()), piece
        begun = end.end()
    if rest := text[begun:].strip():
        yield begun + len(text[begun:]) - len(text[begun:].lstrip()), rest


def _words(sentence: str, size: int) -> Iterator[tuple[int, str]]:
    """A sentence as it is, or in runs of words of the size; a word without an end is cut by characters."""
    if tokens_of(sentence) <= size:
        yield 0, sentence
        return
    begun, count, last = 0, 0, 0
    for piece in re.finditer(r"\S+\s*", sentence):
        for place in range(piece.start(), piece.end(), size):  # a token has a character at least
            part = sentence[place : min(place + size, piece.end())]
            cost = tokens_of(part)
            if count and count + cost > size:
                yield begun, sentence[begun:last].strip()
                begun, count = place, 0
            count += cost
            last = place + len(part)
    if rest := sentence[begun:].strip():
        yield begun, rest


def _packed(heading: str, pieces: list[_Piece], size: int, overlap: int) -> list[Passage]:
    found: list[Passage] = []
    held: list[_Piece] = []
    room = max(8, size - tokens_of(heading))
    for piece in pieces:
        if held and tokens_of(_text([*held, piece])) > room:
            found.append(Passage(_text(held), heading, held[0].page, held[0].offset))
            held = _tail(held, min(overlap, room - tokens_of(piece.text)))
        held.append(piece)
    if held:
        found.append(Passage(_text(held), heading, held[0].page, held[0].offset))
    return found


def _tail(held: list[_Piece], overlap: int) -> list[_Piece]:
    """The last pieces that fit into the overlap."""
    kept: list[_Piece] = []
    for piece in reversed(held):
        if overlap <= 0 or tokens_of(_text([piece, *kept])) > overlap:
            return kept
        kept = [piece, *kept]
    return kept[1:]  # never the whole passage again


def _text(pieces: Sequence[_Piece]) -> str:
    text = ""
    for piece in pieces:
        text += ("\n\n" if piece.begins else " ") * bool(text) + piece.text
    return text


def _joined(passages: list[Passage], size: int) -> list[Passage]:
    """Short passages joined to the one before, else to the one after, where both fit."""
    found: list[Passage] = []
    for passage in passages:
        before = found[-1] if found else None
        short = before is not None and min(tokens_of(before.text), tokens_of(passage.text)) < SHORT * size
        if (
            before is not None
            and short
            and tokens_of(before.text) + tokens_of(passage.text) + tokens_of(passage.heading) < size
        ):
            apart = f"\n\n{passage.heading.rsplit(' › ', 1)[-1]}\n" if passage.heading != before.heading else "\n\n"
            found[-1] = Passage(before.text + apart + passage.text, before.heading, before.page, before.offset)
        else:
            found.append(passage)
    return found
