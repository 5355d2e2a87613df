"""Plain words for states, durations and sizes. Pure functions."""

from __future__ import annotations

import re
import time

from kdcore.filters import FILTERS
from kdcore.records.decisions import Decision

# state → (icon, word, colour of Streamlit's badges); a word and an icon, never colour alone
STATES: dict[str, tuple[str, str, str]] = {
    "queued": (":material/hourglass_empty:", "waiting", "gray"),
    "running": (":material/play_arrow:", "running", "blue"),
    "paused": (":material/pause:", "paused", "orange"),
    "done": (":material/check:", "done", "green"),
    "failed": (":material/error:", "failed", "red"),
    "cancelled": (":material/stop:", "stopped", "orange"),
}
# how a row ended → what a person calls it; the field's term stays in files, links and the command line
STATUSES: dict[str, str] = {
    "parsed": "usable",
    "screened": "failed a check",
    "unparsed": "without the form that was asked for",
    "refused": "declined to answer",
    "truncated": "cut off at the limit",
    "failed": "failed",
}
# what holds for a sample → (icon, word)
DECISIONS: dict[str, tuple[str, str]] = {
    Decision.PENDING: (":material/radio_button_unchecked:", "not read"),
    Decision.ACCEPT: (":material/check:", "accepted"),
    Decision.EDIT: (":material/edit:", "edited"),
    Decision.REJECT: (":material/close:", "rejected"),
    Decision.SKIP: (":material/redo:", "skipped"),
}
KINDS = {
    "generate": "Asking the teacher",
    "embed": "Drawing a map",
    "screen": "Checking answers",
    "title": "Titling groups",
    "score": "Scoring answers",
    "concept": "Learning a concept",
    "pick": "Picking a subset",
    "read_upload": "Reading a file",
    "preflight": "Checking a recipe",
    "distill": "Training a student",
    "evaluate": "Comparing models",
    "export": "Copying a student",
    "serve": "Warm helper",
}
PAGE_OF_KIND = {
    "generate": "Generate",
    "embed": "Explore",
    "screen": "Explore",
    "title": "Explore",
    "score": "Datasets",
    "concept": "Explore",
    "pick": "Explore",
    "read_upload": "Elicit",
    "preflight": "Distill",
    "distill": "Distill",
    "export": "Distill",
    "evaluate": "Evaluate",
    "serve": "Elicit",
}


def status_name(status: str) -> str:
    """How a row ended, in words; an unknown status as it stands."""
    return STATUSES.get(status, status)


def check_name(name: str) -> str:
    """What a check looks for, in words; a judge's check, a concept or a pick has only its name."""
    return FILTERS[name].summary.lower() if name in FILTERS else name.replace("_", " ")


def duration(seconds: float | None) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h 5 min``; a dash where it can't be known."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def clock(seconds_from_now: float) -> str:
    """The time of day after that many seconds, such as ``14:05``."""
    return time.strftime("%H:%M", time.localtime(time.time() + seconds_from_now))


def escape(text: str) -> str:
    """Untrusted text inside a Markdown label: every sign that Streamlit's Markdown would act on is escaped.

    A bare address becomes a link whatever is escaped, so an unseen joiner parts it.
    """
    parted = _ADDRESS.sub(lambda found: found[0] + _JOINER, text.replace("\n", " "))
    return re.sub(r"([\\`*_{}\[\]<>()#+\-.!|$:~^&])", r"\\\1", parted)


_JOINER = "\u2060"
_ADDRESS = re.compile(r"://?|\bwww|@", re.IGNORECASE)


def counted(number: int, one: str) -> str:
    """``1 row``, ``1,200 rows``."""
    return f"{number:,} {one if number == 1 else one + 's'}"


def sentence(text: str) -> str:
    """A message of the program with a capital at its start and its signs escaped, as ``escape`` does."""
    return escape(text[:1].upper() + text[1:])


def short(text: str, length: int = 90) -> str:
    """One line, cut with an ellipsis."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1].rstrip() + "…"
