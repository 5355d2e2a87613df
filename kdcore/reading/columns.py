"""Which column is what: by its name in the languages that people write them in, and by what stands in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import fmean

from kdcore.reading.found import Row, as_text


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# names in small letters, spaces and hyphens as underscores; what comes first is preferred
QUESTIONS = _names(
    "question questions instruction prompt query chq frage fragen pregunta domanda vraag pergunta fråga "
    "question_text user_question input text utterance sentence problem task request patient_message message content "
    "original_text full_text 文本 问题"
)
PASSAGES = _names(
    "passage document text context section_text content body abstract article paragraph clause contract note source "
    "original_text full_text dokument texto texte"
)
ANSWERS = _names(
    "answer answers antwort respuesta réponse reponse risposta response output completion reply long_answer gold "
    "gold_answer reference reference_summary target summary explanation final_decision labels label 答案"
)
OTHERS = {
    "rationale": _names("rationale reasoning explanation exp begründung justification"),
    "source": _names("source context contexts passage reference kontext quelle contexte fuente"),
    "topic": _names(
        "topic category subject subject_name thema tema thème theme department section_header qtype label task"
    ),
    "difficulty": _names("difficulty level schwierigkeit"),
    "reader": _names("reader audience zielgruppe"),
    "group": _names("group document_id source_id doc_id group_id gruppe"),
    "split": _names("split fold partition"),
}
_ID = re.compile(
    r"(?:id|nr|no|num|number|index|idx|key|uuid|pmid|file|filename|row|line|lfd|#)(?:$|[\s_.-])"
    r"|.*[\s_-](?:id|nr|no|idx|index)$",
    re.I,
)
SPLITS = frozenset(_names("train training test heldout held_out validation valid dev eval"))
LOOKED_AT = 200
WORDS = 3.0  # on average, that make a column one of texts


def guess_roles(columns: Sequence[str], rows: Sequence[Row], seed_kind: str) -> dict[str, str]:
    """Role → column. ``text`` is left out where no column looks like one: then a person has to say."""
    cells = {name: [text for row in rows[:LOOKED_AT] if (text := as_text(row.get(name)).strip())] for name in columns}
    lower = {re.sub(r"[\s-]+", "_", name.strip().lower()): name for name in reversed(columns)}
    chosen: dict[str, str] = {}
    if text := _text_column(columns, cells, lower, PASSAGES if seed_kind == "document" else QUESTIONS):
        chosen["text"] = text
    answer = next((lower[name] for name in ANSWERS if name in lower and lower[name] not in chosen.values()), "")
    if answer and seed_kind != "document" and not _is_id(answer, cells[answer]):
        chosen["answer"] = answer
    for role, names in OTHERS.items():
        taken = {column for other, column in chosen.items() if other != role}
        found = next((lower[name] for name in names if name in lower and lower[name] not in taken), None)
        if found and cells[found]:
            chosen[role] = found
    if chosen.get("split") and not _is_split(cells[chosen["split"]]):
        del chosen["split"]
    return chosen


def _text_column(
    columns: Sequence[str], cells: dict[str, list[str]], lower: dict[str, str], names: Sequence[str]
) -> str:
    named = [lower[name] for name in names if name in lower]
    named += [name for name in columns for word in names[:4] if word in name.lower() and name not in named]
    for name in named:
        if cells[name] and not _is_id(name, cells[name]) and not _is_code(cells[name]):
            return name
    texts = [
        name for name in columns if cells[name] and not _is_id(name, cells[name]) and _words(cells[name]) >= WORDS
    ]
    asked = [name for name in texts if fmean(cell.endswith(("?", "？")) for cell in cells[name]) > 0.5]
    return next(iter(asked), "") or max(texts, key=lambda name: _words(cells[name]), default="")


def _words(cells: Sequence[str]) -> float:
    """Words of a cell on average; a script without spaces counts two letters as one."""
    return fmean(
        len(cell.split()) + len(re.findall(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]", cell)) / 2 for cell in cells
    )


def _is_id(name: str, cells: Sequence[str]) -> bool:
    """A column that names rows: called so, or numbers and codes that are all different."""
    if _words(cells or ["a b c d"]) >= WORDS:
        return False
    return bool(_ID.match(name.strip())) or (bool(cells) and _is_code(cells) and len(set(cells)) == len(cells))


def _is_code(cells: Sequence[str]) -> bool:
    """Numbers, dates or codes without a space."""
    return fmean(bool(re.fullmatch(r"[\W\d_]+|\S*\d\S*", cell)) for cell in cells) > 0.9


def _is_split(cells: Sequence[str]) -> bool:
    return {cell.lower() for cell in cells} <= SPLITS
