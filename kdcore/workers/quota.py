"""Exactly the rows that were asked for: which row counts, when to ask again, and when a run has used its share."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from kdcore import ids
from kdcore.configs.base import load_config
from kdcore.configs.elicitation import BudgetConfig, TargetConfig
from kdcore.configs.teacher import TeacherConfig
from kdcore.elicitation.pool import Pool
from kdcore.elicitation.schedule import Unit
from kdcore.errors import ConfigError
from kdcore.filters import FILTERS, ONE_BY_ONE
from kdcore.types import Parsed, Request


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
            raise ConfigError(f'no check of one row by itself "{unknown[0]}"; known: {", ".join(ONE_BY_ONE)}.')
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

    def judge(self, row: Parsed, question: str, topic: str) -> Parsed:
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

    def _refuse(self, row: Parsed, question: str, topic: str) -> str:
        one = [{"sample_id": "", "question": question, "answer": row.answer}]
        for name in self._config.checks:
            check = FILTERS[name]
            [verdict] = check.judge(one, load_config(check.config, {}))
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


@dataclass(slots=True)
class Budget:
    """Tokens, seconds and money of one run, over all its attempts."""

    config: BudgetConfig
    teacher: TeacherConfig
    tokens_in: int = 0
    tokens_out: int = 0
    earlier_s: float = 0.0
    started: float = 0.0
    _units: int = 0
    _units_in: int = 0
    _units_out: int = 0

    def start(self) -> None:
        """Count seconds from now."""
        self.started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of asking."""
        return self.earlier_s + (time.monotonic() - self.started if self.started else 0.0)

    @property
    def money(self) -> float:
        """Money at the teacher's prices."""
        return self.tokens_in / 1e6 * self.teacher.price_in + self.tokens_out / 1e6 * self.teacher.price_out

    def paid_unit(self, tokens_in: int, tokens_out: int) -> None:
        """Take note of what one unit cost; those that kept replies answered cost nothing and tell nothing."""
        self._units += 1
        self._units_in += tokens_in
        self._units_out += tokens_out

    def bears(self, active: int, guess: tuple[float, float]) -> bool:
        """Whether one more unit is likely to fit, next to those under way; one alone always may start.

        A unit is taken to cost the mean of the paid ones, before any is through ``guess`` = tokens read and written:
        without this a window of sixty requests would overrun a small budget many times.
        """
        if not active:
            return True
        read, written = guess
        if self._units:
            read, written = self._units_in / self._units, self._units_out / self._units
        tokens = self.tokens_in + self.tokens_out + (active + 1) * (read + written)
        price = read / 1e6 * self.teacher.price_in + written / 1e6 * self.teacher.price_out
        money = self.money + (active + 1) * price
        most = self.config
        return (not most.tokens or tokens <= most.tokens) and (not most.money or money <= most.money)

    def spent(self) -> str:
        """What ran out, in words; "" while there is some left."""
        limits = (
            ("tokens", self.tokens_in + self.tokens_out, self.config.tokens),
            ("seconds", self.seconds, self.config.seconds),
            ("money", self.money, self.config.money),
        )
        for name, used, most in limits:
            if most and used >= most:
                return f"the budget of {most:g} {name if name != 'money' else '(money)'} is spent"
        return ""
