"""When a run has used its share: tokens, seconds and money over all its attempts."""

from __future__ import annotations

import time
from dataclasses import dataclass

from kdcore.configs.elicitation import BudgetConfig
from kdcore.configs.teacher import TeacherConfig


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
