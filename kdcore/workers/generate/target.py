"""Exactly the rows that were asked for: which row counts, and when to ask again."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from kdcore import ids
from kdcore.configs.base import load_config
from kdcore.configs.elicitation import TargetConfig
from kdcore.elicitation.pool import Pool
from kdcore.elicitation.schedule import Unit
from kdcore.errors import ConfigError
from kdcore.filters import FILTERS, ONE_BY_ONE
from kdcore.types import MethodRow, Request


def each_once(requests: list[Request], copies: int) -> Iterator[Unit]:
    """Every request, each as often as n says."""
    for request in requests:
        for copy in range(copies):
            yield Unit(request, copy)


def later_pass(request: Request, number: int) -> Request:
    """The same seed asked again: a request of its own."""
    again = ids.request_id(request.prompt_version_id, request.seed_id, {"pass": number}, request.repeat)
    return replace(request, request_id=again, again=number)


class Target:
    """Counts rows toward a goal. Rows beyond it, or failing a check, are kept as ``screened`` with the reason."""

    def __init__(self, config: TargetConfig, requests: list[Request]) -> None:
        unknown = [name for name in config.checks if name not in ONE_BY_ONE]
        if unknown:
            known = ", ".join(ONE_BY_ONE)
            raise ConfigError(f'"{unknown[0]}" is no check that reads one row by itself; these are: {known}.')
        self._config = config
        self._requests = requests
        topics = {request.variables.get("topic", "") for request in requests} or {""}
        self._each = math.ceil(config.rows / len(topics)) if config.per_topic else config.rows
        self._topics: Counter[str] = Counter()
        self._kept = Pool()
        self._texts: set[str] = set()
        self.counted = 0
        self.ended = ""

    @property
    def active(self) -> bool:
        """Whether a number of rows is asked for at all."""
        return self._config.rows > 0

    def judge(self, row: MethodRow, question: str, topic: str) -> MethodRow:
        """The row as it is stored: unchanged where it counts."""
        if row.status != "parsed":
            return row
        reason = self._refuse(row, question, topic)
        if reason:
            return replace(row, status="screened", reason=reason)
        self.count(row.answer, question, topic)
        return row

    def count(self, answer: str, question: str, topic: str) -> None:
        """Take a row into account: a new one, or one of an earlier attempt."""
        self.counted += 1
        self._topics[topic] += 1
        self._texts.add(ids.content_hash(f"{question}\n{answer}"))
        if self._config.max_similarity < 1:
            self._kept.add(f"{question}\n{answer}")

    def _refuse(self, row: MethodRow, question: str, topic: str) -> str:
        one = [{"sample_id": "", "question": question, "answer": row.answer}]
        for name in self._config.checks:
            check = FILTERS[name]
            [verdict] = check.verdicts(one, load_config(check.config, {}))
            if not verdict.passed:
                return f"{name.replace('_', ' ')}: {verdict.reason}"
        if self.active and self.counted >= self._config.rows:
            return f"beyond the {self._config.rows} rows that were asked for"
        if self.active and self._topics[topic] >= self._each:
            return f'"{topic or "no topic"}" has its {self._each} rows already'
        if self.active and ids.content_hash(f"{question}\n{row.answer}") in self._texts:
            return "the same question and answer as a counted row"
        if self._config.max_similarity < 1:
            alike, _ = self._kept.nearest(f"{question}\n{row.answer}")
            if alike > self._config.max_similarity:
                return f"too alike to a counted row: ROUGE-L {alike:.2f}"
        return ""

    def units(self, done: set[str], in_flight: Counter[str], copies: int) -> Iterator[Unit | None]:
        """Requests to ask, pass after pass, never more at once than rows are missing; ends by itself."""
        for number in range(self._config.max_passes):
            before, asked = self.counted, False
            for original in self._requests:
                request = later_pass(original, number) if number else original
                topic = request.variables.get("topic", "")
                while self.counted < self._config.rows and self._is_full(topic, in_flight):
                    if self._topics[topic] >= self._each:
                        break  # this topic needs no more: the next request
                    yield None
                if self.counted >= self._config.rows:
                    return
                if request.request_id in done or self._topics[topic] >= self._each:
                    continue
                for copy in range(copies):
                    asked = True
                    yield Unit(request, copy)
            while sum(in_flight.values()):
                yield None
            if self.counted >= self._config.rows:
                return
            if asked and self.counted == before and number:
                self.ended = f"a whole pass over {len(self._requests)} seeds gave no row that counts"
                return
        self.ended = f"{self._config.max_passes} passes over the seeds gave {self.counted} rows that count"

    def _is_full(self, topic: str, in_flight: Counter[str]) -> bool:
        everything = self.counted + sum(in_flight.values()) >= self._config.rows
        return everything or self._topics[topic] + in_flight[topic] >= self._each
