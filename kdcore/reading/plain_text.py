"""Plain text → paragraphs and headings, without what a printer repeats on every page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from kdcore.reading.block import Block
from kdcore.reading.found import Found

EDGE_LINES = 3  # of a page, above and below, where headers and footers stand
FOOTER_LENGTH = 160
HEADING_LENGTH = 90
HEADING_WORDS = 12
OFTEN = 3  # times that a line comes before it is taken for a header
_PAGE_NUMBER = re.compile(
    r"\W*(?:page|seite|p\.|s\.|página|pagina)?\W*\d{1,4}(?:\W*(?:of|von|de|/)\W*\d{1,4})?\W*", re.I
)
_NUMBERED = re.compile(
    r"(?:article|section|artikel|abschnitt|part|chapter|clause|schedule|annex|exhibit|§+)\s*[\divxlc.]+\b", re.I
)
_CLAUSE = re.compile(r"(?:\d{1,3}(?:\.\d{1,3})+[.)]?|\d{1,3}[.)]|\([a-z\d]{1,4}\)|[a-z][.)]|§+ ?\d+\w?)\s+\S", re.I)


def of_pages(pages: list[str], found: Found) -> Iterator[Block]:
    """Paragraphs of pages of plain text; a paragraph goes on over the page's end where its sentence does."""
    lines = without_headers([[line.rstrip() for line in page.split("\n")] for page in pages], found)
    paragraph: list[str] = []
    begun = 1
    paged = len(pages) > 1
    for number, page in enumerate(lines, start=1):
        for line in page:
            text, level = line.strip(), level_of(line)
            if paragraph and (not text or level or _CLAUSE.match(text)):
                yield Block(" ".join(paragraph), 0, begun if paged else 0)
                paragraph = []
            if level:
                yield Block(text, level, number if paged else 0)
            elif text:
                begun = number if not paragraph else begun
                paragraph.append(text)
        if paragraph and re.search(r"[.!?:;]\W*$", paragraph[-1]):
            yield Block(" ".join(paragraph), 0, begun if paged else 0)
            paragraph = []
    if paragraph:
        yield Block(" ".join(paragraph), 0, begun if paged else 0)


def level_of(line: str) -> int:
    """The level of a heading by its look: ``## Title``, ``ARTICLE IV``, a short line in capitals; 0 for text."""
    text = line.strip()
    if marks := re.match(r"(#{1,6})\s+\S", text):
        return len(marks[1])
    if len(text) > HEADING_LENGTH or len(text.split()) > HEADING_WORDS or re.search(r"[.;,]$", text):
        return 0
    if _NUMBERED.match(text):
        return 1
    letters = [char for char in text if char.isalpha()]
    return 2 if len(letters) >= 4 and all(char.isupper() for char in letters) else 0


def without_headers(pages: list[list[str]], found: Found) -> list[list[str]]:
    """Pages without the lines that stand on most of them, and without page numbers; what is left out is said."""
    often = _headers(pages)
    gone: Counter[str] = Counter()
    kept: list[list[str]] = []
    for page in pages:
        edges = _edges(page)
        left: list[str] = []
        for place, line in enumerate(page):
            numbered = len(pages) > 1 and place in edges and _PAGE_NUMBER.fullmatch(line.strip())
            if line.strip() and (_shape(line) in often or numbered):
                gone[_shape(line)] += 1
            else:
                left.append(line)
        kept.append(left)
    for shape, count in gone.most_common(5):
        found.warn(f'{count} lines like "{shape[:80]}" are taken to be page headers or numbers and left out')
    return kept


def _headers(pages: list[list[str]]) -> set[str]:
    """Lines at the edge of most pages; and anywhere, short ones that come again with another number at an end."""
    edges: Counter[str] = Counter()
    for page in pages:
        edges.update({_shape(page[place]) for place in _edges(page) if not _CLAUSE.match(page[place].strip())})
    most = max(OFTEN, len(pages) / 2)
    often = {shape for shape, count in edges.items() if count >= most} if len(pages) > 2 else set[str]()
    loose = Counter(_shape(line) for page in pages for line in page if _has_number_at_end(line))
    return often | {shape for shape, count in loose.items() if count >= OFTEN}


def _edges(page: list[str]) -> set[int]:
    filled = [place for place, line in enumerate(page) if line.strip()]
    return {*filled[:EDGE_LINES], *filled[-EDGE_LINES:]}


def _shape(line: str) -> str:
    """A line without its numbers; ``ARTICLE 2`` is a heading, and the same as another only with its number."""
    text = re.sub(r"\s+", " ", line.strip())
    return text if _NUMBERED.match(text) else re.sub(r"\d+", "#", text)


def _has_number_at_end(line: str) -> bool:
    """A line like ``12  Source: ACME, 8-K``: a bare number at one end. A clause's number has a point or a bracket."""
    text = line.strip()
    bare = re.match(r"\d{1,4}\s+\S|.*[^\d\s.,;]\s\d{1,4}$|\W*\d{1,4}\W*$", text)
    return 0 < len(text) <= FOOTER_LENGTH and bool(bare)
