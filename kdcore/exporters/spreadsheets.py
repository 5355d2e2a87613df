"""CSV and XLSX for colleagues. No cell is a formula: in XLSX all are texts, in CSV an apostrophe comes before one."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

import xlsxwriter

from kdcore.exporters.base import Exporter, Rows
from kdcore.exporters.parquet import flat
from kdcore.records.datasets import ChatRow, Version

MAX_CELL = 32_767  # characters that a cell of Excel holds
CUT = "… [cut here: Excel holds no more in a cell; CSV and the other formats have the whole text]"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_EPOCH = datetime(2000, 1, 1)  # the same rows give the same bytes


def _cells(row: ChatRow) -> dict[str, str]:
    return {"split": row["split"], **{name: str(value) for name, value in flat(row).items()}}


def write_csv(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``dataset.csv``, in UTF-8 with the mark by which Excel knows it."""
    path = folder / "dataset.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        table: csv.DictWriter[str] | None = None
        for row in rows:
            cells = {name: f"'{text}" if text.startswith(_FORMULA) else text for name, text in _cells(row).items()}
            if table is None:
                table = csv.DictWriter(file, list(cells), quoting=csv.QUOTE_ALL)
                table.writeheader()
            table.writerow(cells)
    return [path]


def write_xlsx(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``dataset.xlsx``: one sheet of texts; what is longer than a cell of Excel holds is cut, and says so."""
    path = folder / "dataset.xlsx"
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_formulas": False})
    book.set_properties({"title": f"{dataset['name']} v{dataset['version']}", "created": _EPOCH})
    sheet = book.add_worksheet("Rows")
    wrapped = book.add_format({"text_wrap": True, "valign": "top"})
    bold = book.add_format({"bold": True})
    for place, row in enumerate(rows, start=1):
        cells = _cells(row)
        if place == 1:
            sheet.write_row(0, 0, list(cells), bold)
            sheet.set_column(1, 3, 60)
            sheet.freeze_panes(1, 0)
        for column, text in enumerate(cells.values()):
            cut = text if len(text) <= MAX_CELL else text[: MAX_CELL - len(CUT)] + CUT
            sheet.write_string(place, column, cut, wrapped)
    book.close()
    return [path]


CSV = Exporter("csv", "One CSV for colleagues, as Excel opens it", write_csv)
XLSX = Exporter("xlsx", "One Excel sheet for colleagues", write_xlsx)
