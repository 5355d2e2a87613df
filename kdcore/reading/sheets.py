"""Spreadsheets (XLSX, XLS, XLSB, ODS) by calamine: a sheet to choose, merged cells filled, true dates.

The header is found below titles as in a text table; row numbers are those that the spreadsheet shows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from kdcore.errors import DataError
from kdcore.reading.delimited import TITLES, is_one_of
from kdcore.reading.found import MAX_COLUMNS, Found, as_text, is_there, unique

Cells = list[list[Any]]
MAX_CELLS = 20_000_000


def read(path: Path, found: Found, *, sheet: str = "", header_row: int | None = None, most: int = 0) -> None:
    """Read one sheet: the named one, else the first that holds a table."""
    found.kind = path.suffix.lstrip(".").lower()
    try:
        book = CalamineWorkbook.from_path(str(path))
        found.sheets = list(book.sheet_names)
        if sheet and sheet not in found.sheets:
            raise DataError(f'"{found.name}" has no sheet "{sheet}"; it has {", ".join(found.sheets)}.')
        tables = {name: _cells(book, name, found) for name in ([sheet] if sheet else found.sheets)}
    except (CalamineError, OSError, ValueError, KeyError) as exc:
        if isinstance(exc, DataError):
            raise
        raise DataError(f'"{found.name}" can\'t be read as a spreadsheet: {str(exc)[:120]}.') from exc
    if not tables:
        raise DataError(f'"{found.name}" has no sheet.')
    chosen = next((name for name, cells in tables.items() if _is_table(cells)), next(iter(tables)))
    found.sheet = chosen
    filled = [name for name, cells in tables.items() if name != chosen and any(_count(row) for row in cells)]
    if filled:
        found.guesses.append(f'the sheet "{chosen}" is read; there is also {", ".join(filled)}')
    _rows(tables[chosen], found, header_row, most)


def _cells(book: CalamineWorkbook, name: str, found: Found) -> Cells:
    sheet = book.get_sheet_by_name(name)
    if sheet.total_height * sheet.total_width > MAX_CELLS or sheet.total_width > MAX_COLUMNS * 10:
        raise DataError(
            f'the sheet "{name}" of "{found.name}" says it has {sheet.total_height} rows and {sheet.total_width} '
            "columns; too large, save the part that you need."
        )
    cells: Cells = [list(row) for row in sheet.to_python(skip_empty_area=False)]
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        if top < len(cells) and left < len(cells[top]) and is_there(cells[top][left]) and bottom > top:
            for row in range(top, min(bottom + 1, len(cells))):
                cells[row][left] = cells[top][left]
            found.warn(f'sheet "{name}": the merged cells of rows {top + 1} to {bottom + 1} have one value each')
        del right  # cells merged across columns are titles: their value stays in the first
    return cells


def _count(row: list[Any]) -> int:
    return sum(is_there(cell) for cell in row)


def _is_table(cells: Cells) -> bool:
    """Two rows or more, of two cells or more each; or one long column."""
    return sum(_count(row) >= 2 for row in cells) >= 2


def _rows(cells: Cells, found: Found, header_row: int | None, most: int) -> None:
    filled = [(place, row) for place, row in enumerate(cells, start=1) if _count(row)]
    if not filled:
        return
    widest = max(_count(row) for _, row in filled[:TITLES])
    head = _header(filled, widest) if header_row is None else header_row
    found.header_row = head
    names = cells[head - 1] if 0 < head <= len(cells) else ["" for _ in filled[0][1]]
    last = max((place for _, row in filled for place, cell in enumerate(row) if is_there(cell)), default=0) + 1
    header = unique(str(cell) if is_there(cell) else "" for cell in names[:last])
    # a column without a name and without a value is no column
    used = [place for place in range(len(header)) if is_there(names[place]) or _has_values(filled, place, head)]
    found.columns = [header[place] for place in used]
    if not head:
        found.guesses.append("the first row is read as a row, not as names of columns")
    for place, row in filled:
        if place < head:
            title = " ".join(str(cell) for cell in row if is_there(cell))
            found.warn(f'row {place} stands above the table and is not read: "{title[:80]}"')
        elif place > head:
            if most and len(found.rows) >= most:
                found.more = True
                return
            if not found.add(place, {header[at]: row[at] for at in used}):
                return


def _has_values(filled: list[tuple[int, list[Any]]], column: int, head: int) -> bool:
    return any(place > head and column < len(row) and is_there(row[column]) for place, row in filled)


def _header(filled: list[tuple[int, list[Any]]], widest: int) -> int:
    """The first row of texts that is as wide as a table is; 0 where rows begin at once."""
    for at, (place, row) in enumerate(filled[:TITLES]):
        count = _count(row)
        if count < min(widest, 2) or (widest > 3 and count < widest / 2):
            continue
        if not all(isinstance(cell, str) for cell in row if is_there(cell)):
            return 0
        below = [each for _, each in filled[at + 1 :]]
        like = (is_one_of(str(cell), [as_text(r[n]) for r in below if n < len(r)]) for n, cell in enumerate(row))
        return 0 if any(like) else place
    return 0
