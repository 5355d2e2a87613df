"""XML: articles (JATS, PubMed) as documents, and any file of repeated records as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kdcore.errors import DataError
from kdcore.reading.block import Block
from kdcore.reading.found import Found, Row

_TITLES = ("article-title", "ArticleTitle", "title", "Title", "Focus")
_TEXTS = ("p", "AbstractText", "para", "paragraph")
_SKIPPED = ("ref-list", "ReferenceList", "back", "journal-meta", "xref", "permissions", "contrib-group")


def _root(path: Path, found: Found) -> Any:
    from lxml import etree

    # No entities, no network, no tree deeper or larger than any honest file.
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        tree = etree.parse(str(path), parser)
    except (etree.XMLSyntaxError, OSError) as exc:
        raise DataError(f'"{found.name}" is not well-formed XML: {str(exc)[:120]}.') from exc
    found.encoding = (tree.docinfo.encoding or "utf-8").lower()
    return tree.getroot()


def _name(node: Any) -> str:
    return node.tag.rsplit("}", 1)[-1] if isinstance(node.tag, str) else ""


def _said(node: Any) -> str:
    return " ".join("".join(node.itertext()).split())


# ---- documents ------------------------------------------------------------------------------------------------
def blocks(path: Path, found: Found) -> Iterator[Block]:
    """Titles and paragraphs in order; what has neither gives the text of its leaves."""
    root = _root(path, found)
    some = list(_walk(root, 1))
    yield from some or [Block(text) for node in root.iter() if not len(node) and (text := _said(node))]


def _walk(node: Any, level: int) -> Iterator[Block]:
    for child in node:
        name = _name(child)
        if not name or name in _SKIPPED:
            continue
        if name in _TITLES and (text := _said(child)):
            yield Block(text, min(level, 6))
        elif name in _TEXTS:
            label = child.get("Label") or child.get("label")
            if label:
                yield Block(label.capitalize(), min(level + 1, 6))
            yield Block(_said(child))
        else:
            yield from _walk(child, level + (name in ("sec", "section", "Abstract", "abstract")))


# ---- tables ---------------------------------------------------------------------------------------------------
def _is_record(node: Any) -> bool:
    """Fields of two names or more, and nothing below them; the same name again and again is a list."""
    return all(not len(each) for each in node) and len({_name(each) for each in node}) >= 2


def rows(path: Path, found: Found) -> Iterator[tuple[int, Row]]:
    """Rows of the element that comes most often and holds others: ``QAPair`` with ``Question`` and ``Answer``.

    Its attributes and those of its children are columns too, and so are the plain fields above it.
    """
    root = _root(path, found)
    counted = Counter(_name(node) for node in root.iter() if _is_record(node))
    if not counted:
        return
    record = counted.most_common(1)[0][0]
    above = {_name(each): _said(each) for each in root if not len(each) and _said(each)}
    above |= {str(key): str(value) for key, value in root.attrib.items()}
    for place, node in enumerate((each for each in root.iter() if _name(each) == record), start=1):
        row: Row = dict(above)
        row |= {f"{record} {key}": value for key, value in node.attrib.items()}
        for child in node:
            if _name(child):
                row[_name(child)] = _said(child)
                row |= {str(key): str(value) for key, value in child.attrib.items()}
        yield place, row
