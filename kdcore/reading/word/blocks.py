"""Word files: text with every tracked change accepted, automatic numbers written out, notes after their paragraph."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from docx import Document
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml import parse_xml
from docx.oxml.ns import qn
from docx.table import Table
from docx.text.paragraph import Paragraph

from kdcore.errors import DataError
from kdcore.reading.block import Block
from kdcore.reading.found import Found
from kdcore.reading.plain_text import level_of
from kdcore.reading.word.numbers import Numbers

_INSIDE = tuple(qn(f"w:{name}") for name in ("sdt", "sdtContent", "ins", "moveTo", "customXml"))
_GONE = (qn("w:del"), qn("w:moveFrom"), "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback")
_SPACES = tuple(qn(f"w:{name}") for name in ("tab", "br", "cr"))
_HYPHEN = qn("w:noBreakHyphen")
_NOTES = {qn("w:footnoteReference"): "footnote", qn("w:endnoteReference"): "endnote"}


def blocks(path: Path, found: Found) -> Iterator[Block]:
    """Paragraphs, rows of tables and notes in order; raises DataError for what is no Word file."""
    try:
        document = Document(str(path))
    except (PackageNotFoundError, BadZipFile, KeyError, ValueError, OSError) as exc:
        raise DataError(f'"{found.name}" is not a readable Word file; open it in Word and save it again.') from exc
    reader = _Reader(document)
    for part in _parts(document.element.body):
        if part.tag == qn("w:tbl"):
            for row in Table(part, document).rows:
                yield Block(" | ".join(dict.fromkeys(_spaced(reader.text_of(cell._tc)) for cell in row.cells)))
        else:
            yield reader.paragraph(part)
        yield from reader.notes()


class _Reader:
    """One document being read: how far its lists have counted, and the notes that were met."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._numbers = Numbers(document)
        self._notes = {kind: _notes_of(document, kind) for kind in _NOTES.values()}
        self._met: list[Block] = []
        self._count = 0

    def paragraph(self, part: Any) -> Block:
        """A paragraph with its number, as a heading where it is one."""
        paragraph, text = Paragraph(part, self._document), _spaced(self.text_of(part))
        number = self._numbers.of(part) if text else ""
        text = f"{number} {text}" if number else text
        style = (paragraph.style.name or "") if paragraph.style is not None else ""
        level = re.match(r"(?:heading|überschrift|titre|título) (\d)", style, re.I)
        heading = int(level[1]) if level else 1 if style == "Title" else level_of(text)
        return Block(text, heading if text else 0)

    def notes(self) -> Iterator[Block]:
        """The notes that were met since the last call."""
        yield from self._met
        self._met = []

    def text_of(self, node: Any) -> str:
        """The text as it stands with every tracked change accepted, text boxes once; a note is a mark in it."""
        if node.tag in _GONE:
            return ""
        if node.tag == qn("w:t"):
            return node.text or ""
        if node.tag in _SPACES:
            return " "
        if node.tag == _HYPHEN:
            return "-"
        if node.tag in _NOTES:
            return self._note(_NOTES[node.tag], node.get(qn("w:id")))
        said = "".join(self.text_of(child) for child in node)
        return f"{said} " if node.tag == qn("w:p") else said

    def _note(self, kind: str, name: str) -> str:
        text = _spaced(self.text_of(self._notes[kind][name])) if name in self._notes[kind] else ""
        if not text:
            return ""
        self._count += 1
        self._met.append(Block(f"[{self._count}] {text}"))
        return f"[{self._count}]"


def _notes_of(document: Any, kind: str) -> dict[str, Any]:
    """Id → note of the footnotes or the endnotes."""
    for each in document.part.rels.values():
        if each.reltype.endswith(f"/{kind}s") and not each.is_external:
            notes = parse_xml(each.target_part.blob).findall(qn(f"w:{kind}"))
            return {note.get(qn("w:id")): note for note in notes}
    return {}


def _parts(node: Any) -> Iterator[Any]:
    """Paragraphs and tables in order, those of content controls and tracked changes too."""
    for child in node:
        if child.tag in (qn("w:p"), qn("w:tbl")):
            yield child
        elif child.tag in _INSIDE:
            yield from _parts(child)


def _spaced(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
