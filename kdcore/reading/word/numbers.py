"""The numbers that Word counts by itself ("§ 5", "5.2", "(a)"): they are in no text, only in how lists are set up.

A paragraph names a list and a level, itself or through its style; a list's levels say how their numbers look and
where they begin (ECMA-376, 17.9).
"""

from __future__ import annotations

from typing import Any

from docx.oxml.ns import qn

_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
          (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
_MARKS_ONLY = ("bullet", "none")
MAX_STYLES = 20  # that one style is based on


def shown(number: int, form: str) -> str:
    """A number as a level writes it; forms that spell numbers out are written in digits."""
    if "Letter" in form:
        text = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1) if number > 0 else ""
    elif "Roman" in form:
        text = roman(number)
    elif form == "decimalZero":
        text = f"{number:02d}"
    else:
        text = str(number)
    return text.upper() if form.startswith("upper") else text


def roman(number: int) -> str:
    """A number in small Roman digits; 0 has none."""
    text = ""
    for value, digits in _ROMAN:
        while number >= value:
            text, number = text + digits, number - value
    return text


class Numbers:
    """The lists of a document, counted paragraph by paragraph."""

    def __init__(self, document: Any) -> None:
        self._styles = {style.get(qn("w:styleId")): style for style in document.styles.element.iter(qn("w:style"))}
        self._lists: dict[str, Any] = {}
        self._forms: dict[str, Any] = {}
        for each in document.part.rels.values():
            if each.reltype.endswith("/numbering") and not each.is_external:
                root = each.target_part.element
                self._lists = {node.get(qn("w:numId")): node for node in root.findall(qn("w:num"))}
                self._forms = {node.get(qn("w:abstractNumId")): node for node in root.findall(qn("w:abstractNum"))}
        self._counts: dict[str, dict[int, int]] = {}
        self._begun: set[tuple[str, int]] = set()

    def of(self, paragraph: Any) -> str:
        """The number of the next paragraph, "" where it has none or only a mark."""
        name, level, style = self._named(paragraph)
        form = self._form(name)
        if form is None:
            return ""
        levels = {int(node.get(qn("w:ilvl")) or 0): node for node in form.findall(qn("w:lvl"))}
        if level is None:
            level = next((at for at, node in levels.items() if _value(node, "pStyle") == style and style), 0)
        if level not in levels:
            return ""
        counts = self._count(name, form, level, levels)
        if _value(levels[level], "numFmt") in _MARKS_ONLY:
            return ""
        return self._written(levels, level, counts)

    def _named(self, paragraph: Any) -> tuple[str, int | None, str]:
        """List, level (None where only a style knows it) and style of a paragraph."""
        own = paragraph.find(qn("w:pPr"))
        style = _value(own, "pStyle") if own is not None else ""
        found = own.find(qn("w:numPr")) if own is not None else None
        level = _value(found, "ilvl") if found is not None else ""
        name = _value(found, "numId") if found is not None else ""
        at = style
        for _ in range(MAX_STYLES):
            if name or at not in self._styles:
                break
            inner = self._styles[at].find(f"{qn('w:pPr')}/{qn('w:numPr')}")
            if inner is not None:
                name, level = _value(inner, "numId"), level or _value(inner, "ilvl")
                style = at
            at = _value(self._styles[at], "basedOn")
        return name, int(level) if level.isdigit() else None, style

    def _form(self, name: str) -> Any:
        """How a list looks; one that is set up by a style is looked up there."""
        for _ in range(2):
            if name not in self._lists:
                return None
            form = self._forms.get(_value(self._lists[name], "abstractNumId"))
            linked = _value(form, "numStyleLink") if form is not None else ""
            inner = self._styles[linked].find(f"{qn('w:pPr')}/{qn('w:numPr')}") if linked in self._styles else None
            if inner is None:
                return form
            name = _value(inner, "numId")
        return None

    def _count(self, name: str, form: Any, level: int, levels: dict[int, Any]) -> dict[int, int]:
        """Count one on at a level. Lists of one look count on from each other, unless one begins anew."""
        counts = self._counts.setdefault(form.get(qn("w:abstractNumId")), {})
        for override in self._lists[name].findall(qn("w:lvlOverride")):
            at, start = int(override.get(qn("w:ilvl")) or 0), _value(override, "startOverride")
            if start.isdigit() and (name, at) not in self._begun and at == level:
                self._begun.add((name, at))
                counts[at] = int(start) - 1
        for above in range(level):
            counts.setdefault(above, _start(levels.get(above)))
        counts[level] = counts[level] + 1 if level in counts else _start(levels[level])
        for below in [at for at in counts if at > level]:
            del counts[below]
        return counts

    def _written(self, levels: dict[int, Any], level: int, counts: dict[int, int]) -> str:
        text = _value(levels[level], "lvlText")
        digits = levels[level].find(qn("w:isLgl")) is not None  # legal style: all levels in digits
        for at in range(level + 1):
            form = "decimal" if digits or at not in levels else _value(levels[at], "numFmt")
            text = text.replace(f"%{at + 1}", shown(counts.get(at, 1), form or "decimal"))
        return text.strip()


def _start(level: Any) -> int:
    text = _value(level, "start") if level is not None else ""
    return int(text) if text.isdigit() else 1


def _value(node: Any, name: str) -> str:
    """The value of a setting inside a node, "" where there is none."""
    found = node.find(qn(f"w:{name}")) if node is not None else None
    return found.get(qn("w:val")) or "" if found is not None else ""
