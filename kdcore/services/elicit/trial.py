"""Trying a prompt before a run: the first calls as they will be sent, and a few rows from a warm teacher.

A trial runs the very programs of the full run, with its settings, and its replies are kept: the full run does
not pay for them again.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any, NotRequired, TypedDict, cast

from kdcore import ids
from kdcore.configs.elicitation import PromptTemplate
from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.elicitation import METHODS
from kdcore.elicitation.base import Tools, find_method
from kdcore.elicitation.pool import Pool
from kdcore.elicitation.requests import build_requests
from kdcore.elicitation.schedule import chance_of
from kdcore.errors import ConfigError, JobError
from kdcore.jobs import mailbox
from kdcore.jobs.run_dir import write_json
from kdcore.records.trials import TrialOutcome
from kdcore.services import governance, models
from kdcore.services.elicit import programs
from kdcore.services.elicit import seeds as method_seeds
from kdcore.services.warm import warm_teacher
from kdcore.services.workspace import App
from kdcore.types import TERMINAL_STATES, Message, Request


def requests_for(app: App, project_id: str, template: PromptTemplate, rows: int | None = 3) -> list[Request]:
    """The first requests of a template; all of them for None."""
    return build_requests(template, "draft", method_seeds.for_method(app, project_id, template.method, limit=rows))


def first_calls(
    template: PromptTemplate, request: Request, pool: list[dict[str, str]] | None = None
) -> list[list[Message]]:
    """The chats that a method sends first for one request, exactly as they will be sent."""
    tools = Tools(chance=chance_of(request), pool=Pool([(row["text"], row["group"]) for row in pool or []]))
    steps = find_method(METHODS, template.method).start(request, template.method_config, tools)
    try:
        asks = next(steps)
    except StopIteration:
        return []
    finally:
        steps.close()
    return [ask.messages for ask in asks]


def start(
    app: App,
    project_id: str,
    template: PromptTemplate,
    teacher: TeacherConfig,
    sampling: SamplingConfig,
    rows: int = 3,
) -> tuple[str, str, list[Request]]:
    """Ask the warm teacher the first rows; returns (run id, question key, requests) to poll with."""
    method = find_method(METHODS, template.method)
    requests = requests_for(app, project_id, template, rows)
    if not requests:
        raise ConfigError(method_seeds.missing(method.name))
    models.refuse_engine(method, teacher)
    programs.refuse_unread(app, project_id, method, requests)
    governance.refuse_zone(app, project_id, teacher)
    models.try_teacher(teacher)
    run = warm_teacher(app, teacher, project_id)
    body = {
        "template": template.model_dump(mode="json"),
        "requests": [asdict(r) for r in requests],
        "sampling": sampling.model_dump(mode="json"),
        "pool": method_seeds.pool_of(app, project_id, method.name),
    }
    return run.run_id, mailbox.ask(run, body), requests


class TrialUsage(TypedDict):
    """What a trial took; ``seconds`` of the clock, for ``tokens_paid`` that were not kept from before."""

    requests: int
    tokens_in: int
    tokens_out: int
    seconds: float
    tokens_paid: NotRequired[int]  # older trials have not noted these
    usable: NotRequired[int]
    loading_s: NotRequired[float]
    ended: NotRequired[list[tuple[int, float]]]  # tokens and seconds of replies that began together; else none


def answer(
    app: App,
    run_id: str,
    key: str,
    template: PromptTemplate,
    teacher: TeacherConfig,
    sampling: SamplingConfig,
    requests: list[Request],
) -> list[TrialOutcome] | None:
    """What became of each request: ``{request, rows, calls}``; None while awaited."""
    body = mailbox.answer_to(app.run_dir(run_id), key)
    if body is None:
        status = app.status(run_id)
        if status.state in TERMINAL_STATES:
            raise JobError(f"the warm teacher {run_id} has stopped ({status.message or status.state}); try again.")
        return None
    by_id = {request.request_id: request for request in requests}
    usage = {name: body[name] for name in TrialUsage.__annotations__}
    path = usage_path(app, template, teacher, sampling)
    if body["paid"] or not path.exists():  # kept replies take no time: they say nothing of the speed
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, usage, durable=False)
    return [
        cast("TrialOutcome", {**outcome, "request": by_id[outcome["request_id"]]}) for outcome in body["outcomes"]
    ]


def start_suggestion(
    app: App, project_id: str, template: PromptTemplate, teacher: TeacherConfig, sampling: SamplingConfig
) -> tuple[str, str]:
    """Ask the warm teacher for a better wording of a system message; returns (run id, key) to poll with."""
    governance.refuse_zone(app, project_id, teacher)
    models.try_teacher(teacher)
    run = warm_teacher(app, teacher, project_id)
    wanted = (
        "Here is the system message of a prompt and its question template. Write a clearer, more exact system "
        "message for the same purpose. Keep every {{name}} in double braces. Reply with the new message only.\n\n"
        f"System message:\n<<<\n{template.system}\n>>>\n\nQuestion template:\n<<<\n{template.user}\n>>>"
    )
    each_press = time.time_ns()  # another wording each time
    request = Request("suggestion", "", "draft", [{"role": "user", "content": wanted}], {}, each_press)
    body = {
        "template": PromptTemplate(method="direct").model_dump(mode="json"),
        "requests": [asdict(request)],
        "sampling": sampling.model_copy(update={"n": 1}).model_dump(mode="json"),
        "pool": [],
    }
    return run.run_id, mailbox.ask(run, body)


def suggestion(app: App, run_id: str, key: str) -> str | None:
    """The suggested wording; None while awaited. Raises JobError when there is none."""
    body = mailbox.answer_to(app.run_dir(run_id), key)
    if body is None:
        if app.status(run_id).state in TERMINAL_STATES:
            raise JobError(f"the warm teacher {run_id} has stopped; try again.")
        return None
    [row] = body["outcomes"][0]["rows"]
    return row["answer"] or row["text"]


def usage_path(app: App, template: PromptTemplate, teacher: TeacherConfig, sampling: SamplingConfig) -> Any:
    """Where the last trial of just these settings noted what it used, for the forecast."""
    what = [template.model_dump(mode="json"), teacher.model_dump(mode="json"), sampling.model_dump(mode="json")]
    return app.folders.cache / "trials" / f"{ids.stable_hash(what)}.json"


def usage(app: App, template: PromptTemplate, teacher: TeacherConfig, sampling: SamplingConfig) -> TrialUsage | None:
    """``{requests, tokens_in, tokens_out, seconds}`` of the last trial of these settings."""
    path = usage_path(app, template, teacher, sampling)
    return json.loads(path.read_bytes()) if path.exists() else None
