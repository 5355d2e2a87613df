"""How a file's bytes become text: Unicode is certain, an 8-bit encoding is a guess and said to be one."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from charset_normalizer import from_bytes

from kdcore.errors import DataError
from kdcore.reading.found import Found

SAMPLE = 256 * 1024
_MARKS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
# of like shape in a short text; Windows' own is by far the commonest
_WESTERN = {"latin_1", "cp1252", "cp1250", "cp1254", "cp1257", "iso8859_15", "iso8859_9", "mac_roman", "cp1258"}
_UNUSUAL = re.compile("[\x00-\x08\x0e-\x1f\x80-\x9f\ue000-\uf8ff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Encoding:
    """The name for ``bytes.decode``; a ``guess`` names the first words that it decides upon."""

    name: str
    guess: bool = False
    words: tuple[str, ...] = ()


def text_of(path: Path, found: Found, encoding: str = "") -> str:
    """A whole file as text, without its mark; a guess is told in ``found``. Raises DataError for another encoding."""
    data = path.read_bytes()
    told = Encoding(encoding) if encoding else detect(data)
    tell(told, found)
    try:
        return data.decode(told.name).removeprefix("\ufeff")
    except (UnicodeDecodeError, LookupError) as exc:
        raise DataError(f'"{found.name}" is not {told.name} text; choose another encoding.') from exc


def tell(told: Encoding, found: Found) -> None:
    """Note the encoding of a file, and that it is a guess where it is one."""
    found.encoding = told.name
    if told.guess:
        words = f", as in {', '.join(told.words)}" if told.words else ""
        found.guesses.append(f"the encoding is taken to be {told.name}{words}")


def detect(data: bytes, *, whole: bool = True) -> Encoding:
    """The encoding of a text; ``whole`` is False where ``data`` is only its beginning."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return Encoding(name)
    if b"\0" in data[:SAMPLE] and (wide := _wide(data[:SAMPLE])):
        return Encoding(wide)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data, whole)
        return Encoding("utf-8")
    except UnicodeDecodeError as exc:
        start = max(0, exc.start - SAMPLE // 2)
        return _eight_bits(data[start : start + SAMPLE])


def _wide(data: bytes) -> str:
    """UTF-16 or -32 without a mark, by whether the text makes sense in it."""
    for name in _WIDE:
        width = 4 if "32" in name else 2
        cut = data[: len(data) // width * width]
        try:
            text = codecs.getincrementaldecoder(name)().decode(cut)
        except UnicodeDecodeError:
            continue
        if text and not _UNUSUAL.search(text) and ("\n" in text or "\r" in text or len(data) == len(cut)):
            return name
    return ""


def _eight_bits(sample: bytes) -> Encoding:
    best = from_bytes(sample, explain=False).best()
    name = best.encoding if best is not None else "cp1252"
    if name in _WESTERN or name in ("utf_8", "ascii"):
        name = "cp1252"
    for candidate in dict.fromkeys((name, "cp1252", "latin_1")):
        try:
            text = sample.decode(candidate)
        except UnicodeDecodeError:
            continue
        return Encoding(candidate, True, tuple(_marked(text)[:5]))
    return Encoding("latin_1", True)


def _marked(text: str) -> list[str]:
    """Words with letters beyond ASCII, then other signs, each once: what a wrong guess would spoil."""
    words = re.findall(r"\w*[^\x00-\x7f\W]\w*", text)
    return list(dict.fromkeys([*words, *re.findall(r"[^\x00-\x7f\w\s]", text)]))
