"""Documents → blocks of text in order, each under its headings and on its page. Layout goes, wording stays.

Lines that a printer repeats on every page (headers, footers, page numbers) are left out, and said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kdcore.errors import DataError
from kdcore.reading import encodings
from kdcore.reading.block import Block
from kdcore.reading.found import Found
from kdcore.reading.plain_text import of_pages

MAX_PAGES = 5000


def read(path: Path, found: Found, encoding: str = "") -> list[Block]:
    """The blocks of a document by its ending; raises DataError where it has no text."""
    suffix = path.suffix.lower()
    found.kind = suffix.lstrip(".")
    blocks = [block for block in READERS[suffix](path, found, encoding) if block.text.strip()]
    if not blocks:
        raise DataError(f'"{found.name}" has no text; check the file and try again.')
    return blocks


def _text_of(path: Path, found: Found, encoding: str) -> str:
    return encodings.text_of(path, found, encoding).replace("\r\n", "\n").replace("\r", "\n")


def lines_of(path: Path, found: Found, encoding: str) -> list[str]:
    """The lines of a text."""
    return _text_of(path, found, encoding).split("\n")


# ---- plain text -----------------------------------------------------------------------------------------------
def _plain(path: Path, found: Found, encoding: str) -> Iterator[Block]:
    yield from of_pages(_text_of(path, found, encoding).split("\f"), found)


def _markdown(path: Path, found: Found, encoding: str) -> Iterator[Block]:
    for block in of_pages([_text_of(path, found, encoding)], found):
        marks = re.match(r"(#{1,6})\s+", block.text)
        yield Block(block.text[marks.end() :], len(marks[1]), 0) if marks else block


# ---- marked-up text -------------------------------------------------------------------------------------------
_BLOCKS = (
    "p", "li", "pre", "blockquote", "tr", "dt", "dd", "figcaption", "caption", "div", "section", "article",
)  # fmt: skip
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_NO_TEXT = ("script", "style", "noscript", "template", "svg", "head")
_AROUND = ("nav", "header", "footer", "aside")  # of a page; an article's own header has its title


def _html(path: Path, found: Found, encoding: str) -> Iterator[Block]:
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(path.read_bytes(), "lxml", from_encoding=encoding or None)
    found.encoding = encoding or str(soup.original_encoding or "utf-8")
    for name in _NO_TEXT:
        for tag in soup.find_all(name):
            tag.decompose()
    around = [tag for tag in soup.find_all(_AROUND) if tag.find_parent(["main", "article"]) is None]
    if text := " ".join(_spaced(tag.get_text(" ")) for tag in around if tag.find_parent(_AROUND) is None).strip():
        found.warn(f'what stands around the page is not read: "{text[:80]}"')
    for tag in around:
        if not tag.decomposed:
            tag.decompose()
    for tag in soup.find_all("br"):
        tag.replace_with("\n")
    yield from _walk(soup.body or soup)


def _walk(node: Any) -> Iterator[Block]:
    """Headings and the innermost blocks, with the loose text between them."""
    loose: list[str] = []
    for child in node.children:
        name = getattr(child, "name", None)
        if name is None:
            loose.append(str(child) if type(child).__name__ == "NavigableString" else "")
        elif name in _HEADINGS or name in _BLOCKS or child.find([*_HEADINGS, *_BLOCKS]):
            yield from _flushed(loose)
            if name in _HEADINGS:
                yield Block(_spaced(child.get_text()), _HEADINGS[name])
            elif name == "tr":
                yield Block(" | ".join(_spaced(cell.get_text()) for cell in child.find_all(["td", "th"])))
            elif child.find([*_HEADINGS, *_BLOCKS]):
                yield from _walk(child)
            else:
                yield Block(_spaced(child.get_text()))
        else:
            loose.append(child.get_text())
    yield from _flushed(loose)


def _flushed(loose: list[str]) -> Iterator[Block]:
    text = _spaced(" ".join(loose))
    loose.clear()
    if text:
        yield Block(text)


def _spaced(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _docx(path: Path, found: Found, encoding: str) -> Iterator[Block]:
    from kdcore.reading.word.blocks import blocks

    yield from blocks(path, found)


def _pdf(path: Path, found: Found, encoding: str) -> Iterator[Block]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(str(path))
    except pypdfium2.PdfiumError as exc:
        locked = "password" in str(exc).lower()
        why = "it is locked by a password; save it without" if locked else f"{str(exc)[:120]}"
        raise DataError(f'"{found.name}" is not a readable PDF: {why}.') from exc
    if len(document) > MAX_PAGES:
        raise DataError(f'"{found.name}" has {len(document)} pages, at most {MAX_PAGES} are read; split it.')
    pages = [page.get_textpage().get_text_bounded().replace("\r\n", "\n").replace("\r", "\n") for page in document]
    empty = [number for number, page in enumerate(pages, start=1) if not page.strip()]
    if len(empty) == len(pages):
        raise DataError(
            f'"{found.name}" is a scan: its {len(pages)} pages are pictures without text. Have it read by a program '
            "for text recognition (OCR) first."
        )
    if empty:
        found.warn(f"pages without text, perhaps scans: {', '.join(map(str, empty[:20]))}")
    # a hyphen at the end of a line that pdfium marks as inserted by the typesetter
    yield from of_pages([page.replace("\ufffe\n", "").replace("\ufffe", "") for page in pages], found)


def _xml(path: Path, found: Found, encoding: str) -> Iterator[Block]:
    from kdcore.reading.xml_files import blocks

    yield from blocks(path, found)


READERS: dict[str, Callable[[Path, Found, str], Iterator[Block]]] = {
    ".txt": _plain,
    ".text": _plain,
    ".md": _markdown,
    ".markdown": _markdown,
    ".html": _html,
    ".htm": _html,
    ".docx": _docx,
    ".pdf": _pdf,
    ".xml": _xml,
}
