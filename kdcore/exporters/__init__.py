"""Formats for a frozen dataset version: ``EXPORTERS`` is the whole list. Rows in, files out."""

from kdcore.exporters.base import Exporter
from kdcore.exporters.chat_jsonl import CHAT_JSONL
from kdcore.exporters.datasets_folder import DATASETS_FOLDER
from kdcore.exporters.parquet import PARQUET

EXPORTERS: dict[str, Exporter] = {
    "chat_jsonl": CHAT_JSONL,
    "parquet": PARQUET,
    "datasets_folder": DATASETS_FOLDER,
}
