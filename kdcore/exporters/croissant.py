"""``croissant.json``: what dataset search engines and loaders read (MLCommons Croissant 1.0, JSON-LD)."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from kdcore.exporters.card import Tally
from kdcore.exporters.parquet import FLAT
from kdcore.records.datasets import Version

_CONFORMS = "http://mlcommons.org/croissant/1.0"
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "citeAs": "cr:citeAs",
    "conformsTo": "dct:conformsTo",
    "column": "cr:column",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def write_metadata(folder: Path, dataset: Version, tally: Tally, files: Sequence[Path]) -> Path:
    """Describe the Parquet files of an export: each with its sha256, and a record set of its columns."""
    title = f"{dataset['name']} v{dataset['version']}"
    described = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _CONFORMS,
        "name": title,
        "description": f"{tally.rows} rows; written by {', '.join(sorted(tally.teachers)) or 'nobody'}. "
        f"Content hash: {dataset['sha256']}.",
        "version": f"{dataset['version']}.0.0",
        "datePublished": time.strftime("%Y-%m-%d", time.gmtime(dataset["created"])),
        "distribution": [_file(folder, path) for path in files],
        "recordSet": [_records(path) for path in files],
    }
    target = folder / "croissant.json"
    target.write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return target


def _file(folder: Path, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": str(path.relative_to(folder)),
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": digest,
    }


def _records(path: Path) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": path.stem,
        "name": path.stem,
        "field": [_field(path, field) for field in FLAT],
    }


def _field(path: Path, field: pa.Field[Any]) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{path.stem}/{field.name}",
        "name": field.name,
        "dataType": "sc:Boolean" if pa.types.is_boolean(field.type) else "sc:Text",
        "source": {"fileObject": {"@id": path.name}, "extract": {"column": field.name}},
    }
