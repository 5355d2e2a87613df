"""What a run would take, before it starts: from a trial of just its settings, else from earlier runs, else a guess.

Replies that are kept already cost no time, so they set no speed; they are not taken off what is ahead either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypedDict

from kdcore.configs.elicitation import PromptTemplate, TargetConfig
from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.elicitation import METHODS
from kdcore.elicitation.base import find_method
from kdcore.records.runs import Run
from kdcore.services.elicit import trial
from kdcore.services.generate.pace import seconds_of
from kdcore.services.workspace import App
from kdcore.store import runs

TOLD = frozenset(
    {"requests", "tokens", "tokens_in", "tokens_per_s", "funnel"}
)  # what a run that asked says of itself
GUESSED_TOKENS_IN, GUESSED_SHARE = 80.0, 0.6  # of a prompt; of the longest answer


class Forecast(TypedDict):
    """What a run would take; ``basis`` says what that rests on. None: no way to tell, or nothing to pay."""

    requests: int
    passes: int | None
    tokens_in: int
    tokens_out: int
    loading_s: float
    seconds: float | None
    money: float | None
    basis: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What some requests used and gave, and how fast they were. ``speed``: tokens a second, None where unknown."""

    what: str
    requests: int = 0
    tokens_in: float = 0.0
    tokens_out: float = 0.0
    usable: int | None = None
    speed: float | None = None
    loading_s: float | None = None
    ended: tuple[tuple[int, float], ...] = ()  # tokens and seconds of replies that began together


def forecast(
    app: App,
    project_id: str,
    template: PromptTemplate,
    teacher: TeacherConfig,
    sampling: SamplingConfig,
    rows: int,
    target: TargetConfig | None = None,
) -> Forecast:
    """Requests, passes over the seeds, tokens, seconds and money of a run over ``rows`` seeds."""
    asked = teacher.portable(app.folders.mounts)
    earlier = [run for run in runs.list_runs(app.store, project_id, "generate") if _same(run, asked)]
    there = [run for run in earlier if (app.folders.runs / run["run_id"]).is_dir()]  # a folder may have been deleted
    told = [(run["config"], app.run_dir(run["run_id"]).status().progress) for run in there]
    past = _past([progress for config, progress in told if config["template"]["method"] == template.method])
    tried = _tried(app, template, teacher, sampling)
    speeds = [tried, *(_past([progress]) for _, progress in told)]
    copies = 1 if find_method(METHODS, template.method).many else sampling.n
    guess = Seen(
        f"nothing asked yet: one call a request, {GUESSED_SHARE:.0%} of the longest answer; a trial tells more",
        1,
        GUESSED_TOKENS_IN,
        sampling.n * sampling.max_tokens * GUESSED_SHARE / copies,
    )
    seen = next((each for each in (tried, past) if each.requests), guess)
    return ahead_of(
        seen,
        rows,
        copies=copies,
        wanted=target.rows if target else 0,
        speed=next((each.speed for each in speeds if each.speed), None),
        at_once=teacher.max_concurrency,
        loading_s=next((each.loading_s for each in speeds if each.loading_s is not None), None),
        prices=(teacher.price_in, teacher.price_out) if teacher.engine == "openai_http" else None,
    )


def ahead_of(
    seen: Seen,
    rows: int,
    *,
    copies: int = 1,
    wanted: int = 0,
    speed: float | None = None,
    loading_s: float | None = None,
    at_once: int = 64,
    prices: tuple[float, float] | None = None,
) -> Forecast:
    """The forecast that ``seen`` gives for ``rows`` seeds, or for as many requests as ``wanted`` usable rows need."""
    requests, passes, basis = rows, 1, seen.what
    if wanted:
        share = seen.usable / (seen.requests / copies) if seen.usable is not None and seen.requests else None
        if share is None:
            requests, passes = wanted, None
            basis += "; how many answers will be usable is not known, one of each request is assumed"
        elif share == 0:
            requests, passes = rows, None
            basis += "; none of their answers was usable, so nobody can say how often the seeds must be asked"
        else:
            requests = math.ceil(wanted / share)
            passes = math.ceil(requests / rows)
            basis += f"; {share:.2g} usable rows a request"
    programs = requests * copies
    tokens_in, tokens_out = (programs * each / seen.requests for each in (seen.tokens_in, seen.tokens_out))
    played = (
        seconds_of(
            seen.ended,
            max(1, round(programs * len(seen.ended) / seen.requests)),
            at_once,
            seen.tokens_in / len(seen.ended),
            copies,
        )
        if seen.ended
        else None
    )
    asking = played if played is not None else tokens_out / speed if speed else None
    if played:
        speed = tokens_out / played
    if speed:
        basis += f"; {speed:.0f} tokens a second" + ("" if loading_s is None else f", {loading_s:.0f} s to load")
    return {
        "requests": requests,
        "passes": passes,
        "tokens_in": round(tokens_in),
        "tokens_out": round(tokens_out),
        "loading_s": loading_s or 0.0,
        "seconds": asking + (loading_s or 0.0) if asking is not None else None,
        "money": (tokens_in * prices[0] + tokens_out * prices[1]) / 1e6 if prices else None,
        "basis": basis,
    }


def _same(run: Run, teacher: dict[str, Any]) -> bool:
    """Whether a run asked this teacher in this way; another machine behind an address is another speed."""
    asked: dict[str, Any] = run["config"]["teacher"]
    return all(asked[name] == teacher[name] for name in ("engine", "model", "base_url"))


def _tried(app: App, template: PromptTemplate, teacher: TeacherConfig, sampling: SamplingConfig) -> Seen:
    used = trial.usage(app, template, teacher, sampling)
    if used is None:
        return Seen("")
    paid = used.get("tokens_paid", 0)
    return Seen(
        f"{used['requests']} requests of the trial of these settings",
        used["requests"],
        used["tokens_in"],
        used["tokens_out"],
        used.get("usable"),
        paid / used["seconds"] if paid and used["seconds"] else None,
        used.get("loading_s"),
        tuple((tokens, seconds) for tokens, seconds in used.get("ended", ())),
    )


def _past(told: list[dict[str, Any]]) -> Seen:
    """What runs that really asked used; the speed and the loading are the newest one's."""
    paid = [progress for progress in told if progress.get("paid") and progress.keys() >= TOLD]
    requests = sum(progress["requests"] for progress in paid)
    if not requests:
        return Seen("")
    return Seen(
        f"{requests} requests of earlier runs of this method and teacher",
        requests,
        sum(progress["tokens_in"] for progress in paid),
        sum(progress["tokens"] for progress in paid),
        sum(progress["funnel"].get("parsed", 0) for progress in paid),
        paid[0]["tokens_per_s"] or None,
        paid[0].get("loading_s"),
    )
