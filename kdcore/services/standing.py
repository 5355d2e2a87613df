"""Where a project stands, from its questions to a student: counts, what was lost on the way, and what to do next."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypedDict

from kdcore.configs.selection import All
from kdcore.evaluate.statistics import gap_closed
from kdcore.records.decisions import Decision
from kdcore.records.runs import MeasuredSaid, Run
from kdcore.services.distill import runs as training_runs
from kdcore.services.evaluate import comparison
from kdcore.services.workspace import App
from kdcore.store import datasets, maps, projects, reviews, runs, samples
from kdcore.store.engine.db import Store

HEADLINE = ("rouge_l", "top1")  # what "the gap" means: the first of these that a comparison has


class Step(NamedTuple):
    """What to do next: the page, the button's words, why, and the run that it is about."""

    page: str
    action: str
    why: str
    run_id: str = ""


class Standing(TypedDict):
    """Counts of each stage. ``decided`` by decision; ``gap`` is what the newest comparison's student has closed."""

    counts: dict[str, int]
    lost: dict[str, int]
    decided: dict[str, int]
    version: tuple[str, int, int] | None  # name, rows to learn, rows held out
    student: str
    gap: float | None
    next: Step


def standing(app: App, project_id: str) -> Standing:
    """The whole story of a project, for Home."""
    by_status = samples.status_counts(app.store, project_id)
    decided = reviews.progress(app.store, project_id, All())
    all_runs = runs.list_runs(app.store, project_id)
    versions = datasets.list_datasets(app.store, project_id)
    drawn = maps.newest(app.store, project_id)
    counts = _counts(app.store, project_id) | {"mapped": maps.size(app.store, drawn) if drawn else 0}
    trained = next((run["run_id"] for run in all_runs if run["kind"] == "distill"), "")
    compared = next((run["run_id"] for run in all_runs if run["kind"] == "evaluate"), "")
    newest = versions[0] if versions else None
    return {
        "counts": counts,
        "lost": {status: rows for status, rows in by_status.items() if status != "parsed"},
        "decided": {str(decision): rows for decision, rows in decided.items()},
        "version": (f"{newest['name']} v{newest['version']}", newest["train"], newest["heldout"]) if newest else None,
        "student": trained,
        "gap": gap(app, compared) if compared else None,
        "next": _waiting(app, all_runs) or next_step(counts),
    }


def reached(app: App, project_id: str) -> dict[str, str]:
    """How far the project has come on each stage, in a few signs; a stage that nothing has reached is left out."""
    return _reached(app.store, app.store.version, project_id)


@lru_cache(maxsize=16)
def _reached(store: Store, version: int, project_id: str) -> dict[str, str]:
    """Read once while nothing is written: every page asks."""
    counts = _counts(store, project_id)
    told = {
        "Elicit": compact(counts["seeds"]),
        "Generate": compact(counts["answered"]),
        "Review": f"{compact(counts['reviewed'])}/{compact(counts['parsed'])}" if counts["parsed"] else "",
        "Datasets": compact(counts["datasets"]),
        "Distill": compact(counts["students"]),
        "Evaluate": compact(counts["evaluations"]),
    }
    return {stage: text for stage, text in told.items() if text not in ("", "0")}


def _counts(store: Store, project_id: str) -> dict[str, int]:
    by_status = samples.status_counts(store, project_id)
    decided = reviews.progress(store, project_id, All())
    kinds = [run["kind"] for run in runs.list_runs(store, project_id)]
    return {
        "seeds": sum(row["rows"] for row in projects.count_seeds(store, project_id) if row["kind"] == "question"),
        "prompts": len(projects.list_prompt_versions(store, project_id)),
        "answered": sum(by_status.values()),
        "parsed": by_status.get("parsed", 0),
        "maps": kinds.count("embed"),
        "reviewed": sum(rows for state, rows in decided.items() if state not in (Decision.PENDING, Decision.SKIP)),
        "datasets": datasets.count(store, project_id),
        "students": kinds.count("distill"),
        "evaluations": kinds.count("evaluate"),
    }


def compact(number: int) -> str:
    """``812``, ``9,999``, ``12k``, ``1.2M``: short enough for a menu."""
    if number < 10_000:
        return f"{number:,}"
    return f"{number // 1000}k" if number < 1_000_000 else f"{number / 1e6:.1f}M"


def _waiting(app: App, all_runs: list[Run]) -> Step | None:
    """What the newest run of the three long kinds waits for: to be watched, gone on with, or looked into."""
    pages = {
        "generate": ("Generate", "answers"),
        "distill": ("Distill", "training"),
        "evaluate": ("Evaluate", "comparison"),
    }
    for run in [run for run in all_runs if run["kind"] in pages][:1]:
        state = app.status(run["run_id"]).state
        page, what = pages[run["kind"]]
        if state in ("queued", "running"):
            return Step(page, f"Watch the {what}", "It is under way.", run["run_id"])
        if state == "paused":
            return Step(page, f"Go on with the {what}", "It was paused.", run["run_id"])
        if state == "failed":
            return Step(page, f"See why the {what} failed", "What is there is kept.", run["run_id"])
    return None


def next_step(counts: dict[str, int]) -> Step:
    """The one next action. Reading that was begun is gone on with, unless there is something new to look at."""
    left = counts["parsed"] - counts["reviewed"]
    on = Step("Review", f"Continue: {left:,} answers left", "Each one that you read makes the next version better.")
    steps = (
        ("seeds", Step("Elicit", "Import questions", "All begins with what your students should be able to answer.")),
        ("prompts", Step("Elicit", "Write the first prompt", "It tells the teacher how to answer.")),
        ("parsed", Step("Generate", "Ask the teacher", "Its answers come in while you watch.")),
        ("maps", Step("Explore", "Draw the map of the answers", "It shows groups, gaps and odd ones out.")),
        (
            "reviewed",
            Step("Review", "Read and judge the first answers", "What you accept or mend is learnt."),
        ),
        ("datasets", on if left > 0 else Step("Datasets", "Make a dataset", "A version that never changes.")),
        ("students", Step("Distill", "Train a student", "It learns from what was kept.")),
        ("evaluations", Step("Evaluate", "Compare the student", "With itself before training, and the teacher.")),
    )
    found = next((step for name, step in steps if not counts[name]), None)
    if found:
        return found
    return on if left > 0 else Step("Evaluate", "Read the student's worst answers", "They lead back to the data.")


def gap(app: App, run_id: str) -> float | None:
    """How much of the way from base to teacher the student of a comparison has gone; None where it can't be told."""
    found = comparison.summary(app, run_id)
    student = next((label for label in found if label not in (comparison.BASE, comparison.TEACHER)), None)
    if student is None or not {comparison.BASE, comparison.TEACHER} <= found.keys():
        return None
    for name in HEADLINE:
        if all(name in found[label] for label in (comparison.BASE, student, comparison.TEACHER)):
            values = (found[label][name]["mean"] for label in (comparison.BASE, student, comparison.TEACHER))
            return gap_closed(*values)
    return None


def says_now(app: App, run_id: str) -> tuple[MeasuredSaid, MeasuredSaid] | None:
    """The newest answer of a student to the first held-out question, and its first one; None before any."""
    said = training_runs.answers(app, run_id)
    if not said:
        return None
    now = next(row for row in said if row["step"] == said[-1]["step"])
    return now, next(row for row in said if row["sample_id"] == now["sample_id"])
