"""What runs are called: by the name that a person gave, else by what they are and when they were made."""

from __future__ import annotations

import time
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from kdcore.configs.base import load_config
from kdcore.configs.distillation import DistillConfig
from kdcore.errors import ConfigError
from kdcore.records.decisions import RunNamed
from kdcore.records.runs import Run
from kdcore.services.workspace import App
from kdcore.store import projects, runs
from kdcore.store.engine.db import Store

MAX_CHARACTERS = 60
MAX_PROMPT = 30  # letters of a prompt's name in the name of its answers
MAPPED = {"question_answer": "questions and answers", "question": "questions", "answer": "answers"}
OTHERS = {"screen": "Checks", "title": "Titles", "score": "Scores", "concept": "Concept", "pick": "Subset"}


class Named(NamedTuple):
    """A run's name, and its place among the runs of its kind, by which it is coloured wherever it appears."""

    name: str
    place: int


def of_project(app: App, project_id: str) -> dict[str, Named]:
    """The names of all runs of a project, the oldest first; no two are alike."""
    return _of_project(app.store, app.store.version, project_id)


def called(app: App, project_id: str, kind: str) -> dict[str, str]:
    """Run → name of the runs of a kind, the newest first: what a list offers."""
    known = of_project(app, project_id)
    return {run["run_id"]: known[run["run_id"]].name for run in runs.list_runs(app.store, project_id, kind)}


def of_run(app: App, run_id: str) -> str:
    """The name of one run; of a run that the database does not know yet, "a new run"."""
    run = runs.get(app.store, run_id)
    return of_project(app, run["project_id"])[run_id].name if run else "a new run"


def rename(app: App, run_id: str, name: str, reviewer: str) -> None:
    """Give a run another name; raises ConfigError for an empty one, and for one that another run has."""
    name = " ".join(name.split())[:MAX_CHARACTERS]
    run = runs.get(app.store, run_id)
    if not name or run is None:
        raise ConfigError("a run needs a name of at least one letter." if run else f'there is no run "{run_id}".')
    with app.naming:
        known = of_project(app, run["project_id"])
        if any(each.name == name for other, each in known.items() if other != run_id):
            raise ConfigError(f'another run is called "{name}" already; choose another name.')
        if known[run_id].name != name:
            app.decide(
                RunNamed(
                    project_id=run["project_id"], run_id=run_id, name=name, reviewer=reviewer, created=time.time()
                )
            )


@lru_cache(maxsize=16)
def _of_project(store: Store, version: int, project_id: str) -> dict[str, Named]:
    """Read once while nothing is written: every list and chart asks for names."""
    given = runs.given_names(store, project_id)
    versions = projects.list_prompt_versions(store, project_id)
    prompts = {p["prompt_version_id"]: f"{p['name'][:MAX_PROMPT]} v{p['version']}" for p in versions}
    found: dict[str, Named] = {}
    times, places, taken = Counter[str](), Counter[str](), set(given.values())
    for run in reversed(runs.list_runs(store, project_id)):
        usual = _usual(run, prompts, {run_id: each.name for run_id, each in found.items()})
        times[usual] += 1  # counted for a run that has another name too, so that naming one renames no other
        name = given.get(run["run_id"]) or _free(usual, times[usual], taken)
        taken.add(name)
        found[run["run_id"]] = Named(name, places[run["kind"]])
        places[run["kind"]] += 1
    return found


def _free(usual: str, number: int, taken: set[str]) -> str:
    """The usual name, numbered from the second on, that nobody has yet."""
    name = usual if number == 1 else f"{usual} ({number})"
    while name in taken:
        number += 1
        name = f"{usual} ({number})"
    return name


def _usual(run: Run, prompts: dict[str, str], earlier: dict[str, str]) -> str:
    """What a run is called until somebody names it."""
    config, day = run["config"], time.strftime("%-d %b", time.localtime(run["created"]))
    match run["kind"]:
        case "generate":
            return f"Answers, {prompts.get(config.get('prompt_version_id', ''), 'a prompt')}, {day}"
        case "embed":
            return f"Map of {MAPPED.get(config.get('text', ''), 'answers')}, {day}"
        case "distill":
            return _student(run)
        case "evaluate":
            return f"Comparison of {earlier.get(config.get('train_run_id', ''), 'students')}"
        case kind:
            return f"{OTHERS.get(kind, kind.replace('_', ' ').capitalize())}, {day}"


def _student(run: Run) -> str:
    """A student's name; those of a sweep are told apart by loss, budget and seed."""
    name = str(run["config"].get("name") or "Student")[:MAX_CHARACTERS]
    if not run["config"].get("sweep"):
        return name
    try:
        config = load_config(DistillConfig, run["config"])
    except ConfigError:  # of another version, or damaged: its name must not keep the others from theirs
        return name
    rows = f", {config.slices[0].rows} rows" if config.slices[0].rows else ""
    return f"{name}, {config.arm}{rows}, seed {config.seed}"
