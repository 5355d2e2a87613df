"""A teacher reads a few questions of each group of a map and names it."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from textwrap import shorten
from typing import cast

from kdcore.configs.exploration import TitleConfig
from kdcore.configs.teacher import Call, SamplingConfig
from kdcore.ids import stable_hash
from kdcore.jobs.reply_cache import ReplyCache
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.records.journal import TitleRecord
from kdcore.records.maps import TypicalTexts
from kdcore.types import Message
from kdcore.workers.base import run_worker, teacher_on_accelerator

SAMPLING = SamplingConfig(temperature=0.0, max_tokens=24, top_logprobs=0)
MAX_WORDS, MAX_LETTERS = 8, 60
SAID_AGAIN = 0.8
LONGEST_TEXT = 200  # letters of a question that are read
_MARKS = r"\s\"'*_#:.`~“”‘’«»-"  # around a title; not letters, their marks, brackets or signs such as +
_ADORNED = re.compile(rf"^[{_MARKS}]*(?:title\s*:)?[{_MARKS}]*|[{_MARKS}]+$", re.IGNORECASE)


def work(run: RunDir, reporter: Reporter) -> None:
    """Title every group; one whose reply is no title keeps the words that mark it."""
    config = run.load(TitleConfig)
    groups = cast("list[TypicalTexts]", run.read_lines("groups.jsonl"))
    memory = ReplyCache(Path(config.replies)) if config.replies else None
    keys = [
        stable_hash("title", config.teacher_fingerprint, messages(group), SAMPLING.model_dump(), length=40)
        for group in groups
    ]
    known = [memory.get(key) if memory is not None else None for key in keys]
    replies: dict[int, str] = {place: found[0].text for place, found in enumerate(known) if found}
    missing = [place for place in range(len(groups)) if place not in replies]
    failed: list[str] = []
    if missing:
        with teacher_on_accelerator(run, reporter, config.teacher, config.teacher_path, SAMPLING) as teacher:
            reporter.phase("naming the groups")
            for reply in teacher.generate(_calls(groups, missing), reporter.check_stop):
                if reply.error:
                    failed.append(reply.error)
                else:
                    replies[int(reply.call_id)] = reply.text
                    if memory is not None:
                        memory.put(keys[int(reply.call_id)], [reply])
                reporter.progress(len(replies), len(groups), "groups")
    found = [title_of(replies.get(place, ""), group["texts"]) for place, group in enumerate(groups)]
    named = titles(found, groups)
    for group, title in zip(groups, named, strict=True):
        if title:
            reporter.append(TitleRecord(cluster=group["cluster"], title=title, time=time.time()))
    without = sum(not title for title in named)
    reporter.progress(len(groups), len(groups), "groups")
    why = f"; {len(failed)} calls failed: {failed[0]}" if failed else ""
    if without:
        reporter.conclude(f"{without} of {len(groups)} groups keep their words, their replies were no title{why}")


def messages(group: TypicalTexts) -> list[Message]:
    """What the teacher is asked about one group."""
    listed = "\n".join(f"- {shorten(text, LONGEST_TEXT)}" for text in group["texts"])
    return [
        {"role": "system", "content": "You name groups of questions. Reply with a title of two to five words only."},
        {"role": "user", "content": f"{listed}\n\nA short title for what these questions have in common:"},
    ]


def title_of(reply: str, texts: Sequence[str] = ()) -> str:
    """The title in a reply, "" where there is none: its first line, without quotes and marks, if it is short.

    One of the questions said again is no title.
    """
    first = next((line for line in reply.splitlines() if line.strip()), "")
    title = _ADORNED.sub("", first.strip()).strip()
    short = 0 < len(title) <= MAX_LETTERS and len(title.split()) <= MAX_WORDS
    said_again = any(SequenceMatcher(None, title.lower(), text.lower()).ratio() > SAID_AGAIN for text in texts)
    return title if short and not said_again else ""


def titles(named: list[str], groups: list[TypicalTexts]) -> list[str]:
    """Titles that tell groups apart: one given more than once has the group's first marking word added."""
    times = Counter(title.lower() for title in named)
    return [
        f"{title} ({group['words'].split(' · ')[0]})" if title and times[title.lower()] > 1 else title
        for title, group in zip(named, groups, strict=True)
    ]


def _calls(groups: list[TypicalTexts], places: list[int]) -> Iterator[Call]:
    for place in places:
        yield Call(str(place), messages(groups[place]), SAMPLING)


if __name__ == "__main__":
    run_worker(work)
