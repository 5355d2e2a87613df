"""Formats for a frozen dataset version: ``EXPORTERS`` is the whole list. Rows in, files out."""

from kdcore.exporters.base import Exporter
from kdcore.exporters.chat_jsonl import CHAT_JSONL
from kdcore.exporters.datasets_folder import DATASETS_FOLDER
from kdcore.exporters.llama_factory import ALPACA, SHAREGPT
from kdcore.exporters.parquet import PARQUET
from kdcore.exporters.preferences import KTO, PREFERENCE, RANKED
from kdcore.exporters.prompt_completion import PROMPT_COMPLETION
from kdcore.exporters.spreadsheets import CSV, XLSX
from kdcore.exporters.token_probabilities import AXOLOTL_KD, DISTILLKIT

EXPORTERS: dict[str, Exporter] = {
    "chat_jsonl": CHAT_JSONL,
    "prompt_completion": PROMPT_COMPLETION,
    "alpaca": ALPACA,
    "sharegpt": SHAREGPT,
    "preference": PREFERENCE,
    "ranked": RANKED,
    "kto": KTO,
    "distillkit": DISTILLKIT,
    "axolotl_kd": AXOLOTL_KD,
    "parquet": PARQUET,
    "datasets_folder": DATASETS_FOLDER,
    "csv": CSV,
    "xlsx": XLSX,
}
