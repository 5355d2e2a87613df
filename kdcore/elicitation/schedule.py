"""Drive programs: hand out their calls as the engine has room, give replies back, collect finished requests.

Nothing here waits or runs threads. The engine pulls ``calls``; an item None means "nothing now, ask again
after a reply". A kept reply is given back at once, so that no call is paid twice.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from kdcore import ids
from kdcore.configs.teacher import Call, SamplingConfig
from kdcore.elicitation.base import Ask, Method, Steps, Tools
from kdcore.elicitation.pool import Pool
from kdcore.elicitation.replies import understood
from kdcore.types import MethodRow, Reply, Request


class Memory(Protocol):
    """Replies kept from earlier calls."""

    def get(self, key: str) -> list[Reply] | None:
        """The replies of a call, None where it was never answered."""
        ...

    def put(self, key: str, replies: list[Reply]) -> None:
        """Keep the replies of a call that was answered whole."""
        ...


@dataclass(frozen=True, slots=True)
class Unit:
    """One run of a program: a request, and which of its copies (a method that asks often is run n times)."""

    request: Request
    copy: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished unit: its rows, and every question with its replies in the order they were asked."""

    unit: Unit
    rows: list[MethodRow]
    calls: list[tuple[Ask, list[Reply]]]
    paid: int
    tokens_in: int
    tokens_out: int


@dataclass(slots=True)
class _Live:
    unit: Unit
    steps: Steps
    asks: list[Ask] = field(default_factory=list[Ask])
    replies: list[list[Reply]] = field(default_factory=list[list[Reply]])
    calls: list[tuple[Ask, list[Reply]]] = field(default_factory=list[tuple[Ask, list[Reply]]])
    begun: bool = False
    missing: int = 0
    paid: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


class Scheduler:
    """Programs of one run. ``units`` may yield None for "none now"; ``on_done`` gets each finished unit."""

    def __init__(
        self,
        units: Iterator[Unit | None],
        method: Method,
        method_config: dict[str, Any],
        sampling: SamplingConfig,
        on_done: Callable[[Outcome], None],
        *,
        pool: Pool | None = None,
        memory: Memory | None = None,
        teacher: str = "",
        may_start: Callable[[int], bool] = lambda active: active < 256,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._units = units
        self._method = method
        self._config = method_config
        self._sampling = sampling
        self._on_done = on_done
        self._pool = pool or Pool()
        self._memory = memory
        self._teacher = teacher
        self._may_start = may_start
        self._stopped = stopped
        self._queue: deque[tuple[_Live, int]] = deque()
        self._asked: dict[str, tuple[_Live, int]] = {}
        self._names = 0
        self.active = 0

    def calls(self) -> Iterator[Call | None]:
        """Calls for an engine, until every unit is finished; once ``stopped``, only what is out comes back."""
        ended = False
        while True:
            if self._stopped():
                if not self._asked:
                    return
                yield None
                continue
            if self._queue:
                yield self._hand_out(*self._queue.popleft())
                continue
            if not ended and self._may_start(self.active):
                unit = next(self._units, _END)
                ended = unit is _END
                if isinstance(unit, Unit):
                    self._start(unit)
                    continue
            if self.active == 0 and not self._queue:
                if ended:
                    return
                continue  # nothing is under way, so a source that says "none now" must give or end next
            if not self._queue:
                yield None

    def take(self, reply: Reply) -> None:
        """Give a reply to the program that waits for it."""
        live, place = self._asked[reply.call_id]
        live.replies[place].append(reply)
        live.paid += 1
        live.tokens_in += reply.prompt_tokens if reply.n == 0 else 0
        live.tokens_out += reply.completion_tokens
        if len(live.replies[place]) < self._count(live.asks[place]):
            return
        del self._asked[reply.call_id]
        live.replies[place].sort(key=lambda r: r.n)
        if self._memory is not None and not any(r.error for r in live.replies[place]):
            self._memory.put(self._key(live, place), live.replies[place])
        live.missing -= 1
        if not live.missing:
            self._go_on(live)

    # ---- inside -------------------------------------------------------------------------------------
    def _start(self, unit: Unit) -> None:
        chance = chance_of(unit.request, unit.copy)
        steps = self._method.start(unit.request, self._config, Tools(chance=chance, pool=self._pool))
        self.active += 1
        self._go_on(_Live(unit, steps))

    def _go_on(self, live: _Live) -> None:
        """Run the program until it waits for a call that no memory has, or ends."""
        while True:
            try:
                if not live.begun:
                    live.begun = True
                    live.asks = next(live.steps)
                else:
                    read = [[understood(reply) for reply in replies] for replies in live.replies]
                    live.calls += list(zip(live.asks, read, strict=True))
                    live.asks = live.steps.send(read)
            except StopIteration as end:
                self.active -= 1
                self._on_done(Outcome(live.unit, end.value, live.calls, live.paid, live.tokens_in, live.tokens_out))
                return
            live.replies = [self._remembered(live, place) for place in range(len(live.asks))]
            waiting = [place for place, replies in enumerate(live.replies) if not replies]
            live.missing = len(waiting)
            self._queue.extend((live, place) for place in waiting)
            if waiting:
                return

    def _hand_out(self, live: _Live, place: int) -> Call:
        ask = live.asks[place]
        self._names += 1
        call_id = f"{live.unit.request.request_id}.{live.unit.copy}.{len(live.calls) + place}.{self._names}"
        self._asked[call_id] = (live, place)
        return Call(call_id, ask.messages, self._for(ask), ask.schema, self._form(ask))

    def _remembered(self, live: _Live, place: int) -> list[Reply]:
        found = self._memory.get(self._key(live, place)) if self._memory is not None else None
        return found or []

    def _count(self, ask: Ask) -> int:
        return self._sampling.n if ask.n is None else ask.n

    def _for(self, ask: Ask) -> SamplingConfig:
        changes: dict[str, Any] = {"n": self._count(ask)}
        if ask.temperature is not None:
            changes["temperature"] = ask.temperature
        if ask.max_tokens is not None:
            changes["max_tokens"] = ask.max_tokens
        return self._sampling.model_copy(update=changes)

    def _form(self, ask: Ask) -> str:
        return ask.form if self._sampling.hold_form else ""

    def _key(self, live: _Live, place: int) -> str:
        """All that changes the answer. A deliberate repetition is another call; at temperature 0 it is the same."""
        ask = live.asks[place]
        sampling = self._for(ask)
        r = live.unit.request
        # The same question asked again by one program is meant as another answer.
        before = sum(asked == ask for asked, _ in live.calls) + live.asks[:place].count(ask)
        again = (r.seed_id, r.repeat, r.again, live.unit.copy, before) if sampling.temperature > 0 else 0
        settings = sampling.model_dump(mode="json", exclude={"hold_form"})
        form = (form,) if (form := self._form(ask)) else ()  # replies without one keep the key that they had
        return ids.stable_hash("call", self._teacher, ask.messages, settings, ask.schema, again, *form, length=40)


def chance_of(request: Request, copy: int = 0) -> random.Random:
    """The chance of one program: by its seed, not its id, so that a trial and the saved version draw the same."""
    return random.Random(f"{request.seed_id}:{request.repeat}:{request.again}:{copy}")


_END = object()


def drive(
    method: Method, requests: list[Request], method_config: dict[str, Any], answer: Callable[[Call], list[Reply]]
) -> list[Outcome]:
    """Run a method over requests with a function for a teacher: for tests and for trying a parser on a text."""
    done: list[Outcome] = []
    units = iter([Unit(request) for request in requests])
    scheduler = Scheduler(units, method, method_config, SamplingConfig(), done.append)
    for call in scheduler.calls():
        for reply in answer(call) if call is not None else []:
            scheduler.take(reply)
    return done
