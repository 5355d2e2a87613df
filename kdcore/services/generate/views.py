"""What runs of the teacher amount to: coverage, trees of growth, runs side by side, signs of collapse."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations
from statistics import mean
from typing import Any, TypedDict

from kdcore.elicitation.pool import Pool, distinct_share
from kdcore.errors import ConfigError
from kdcore.records.figures import CoverageCell, Grown
from kdcore.records.projects import PromptVersion
from kdcore.services.workspace import App
from kdcore.store import projects, runs, samples

COMPARED_SEEDS = 200
MONITORED_ANSWERS = 400


class GrownAt(Grown):
    """A row with its depth below the seed."""

    depth: int


class Tree(TypedDict):
    """What grew from one seed, in order."""

    seed: str
    rows: list[GrownAt]


class RunLine(TypedDict):
    """One run in a comparison."""

    run: str
    method: str
    teacher: str
    rows: int
    usable: int
    usable_share: float | None
    tokens: int
    calls_paid: int
    money: float
    seconds: float | None


class Agreement(TypedDict):
    """How far two runs say the same: mean ROUGE-L F over the seeds that both answered."""

    a: str
    b: str
    agreement: float | None
    seeds: int


class Apart(TypedDict):
    """A question that runs answered differently."""

    question: str
    agreement: float
    answers: dict[str, str]


class SideBySide(TypedDict):
    """Several runs on the same seeds."""

    runs: list[RunLine]
    pairs: list[Agreement]
    apart: list[Apart]


class Monitor(TypedDict):
    """What tells a collapse of one run's answers."""

    answers: int
    distinct: float
    spread: float | None
    words: float | None
    alarm: str


class RoundLine(Monitor):
    """One round of a prompt's runs."""

    round: int
    run: str


def coverage(app: App, project_id: str, run_id: str | None, across: str = "difficulty") -> list[CoverageCell]:
    """Rows and usable rows for each topic and each value of ``across`` (difficulty or reader)."""
    if across not in ("difficulty", "reader"):
        raise ConfigError(f'coverage goes across difficulty or reader, not "{across}".')
    return samples.coverage(app.store, project_id, run_id, across)


def thinnest(app: App, project_id: str, across: str, limit: int) -> list[CoverageCell]:
    """Cells of the grid with the fewest usable rows, holes first: ``[{topic, value, rows, usable}]``."""
    cells = coverage(app, project_id, None, across)
    found: dict[tuple[str, str], CoverageCell] = {}
    for cell in cells:
        topic, value = cell["topic"] or "", cell["value"] or ""
        found[topic, value] = {**cell, "topic": topic, "value": value}
    topics, values = sorted({topic for topic, _ in found}), sorted({value for _, value in found})
    grid: list[CoverageCell] = [
        found.get((topic, value), {"topic": topic, "value": value, "rows": 0, "usable": 0})
        for topic in topics
        for value in values
    ]
    return sorted(grid, key=lambda cell: (cell["usable"], cell["topic"], cell["value"]))[:limit]


def trees(app: App, run_id: str, limit: int = 20) -> list[Tree]:
    """What grew from each seed of a run: ``{seed, rows}``, rows in order with their depth below the seed."""
    rows = samples.grown(app.store, run_id, limit)
    by_seed: dict[str, list[GrownAt]] = defaultdict(list)
    depth: dict[str, int] = {}
    for row in rows:
        depth[row["sample_id"]] = depth.get(row["parent"] or "", 0) + 1
        by_seed[row["seed"]].append({**row, "depth": depth[row["sample_id"]]})
    return [{"seed": seed, "rows": grown} for seed, grown in by_seed.items()]


def side_by_side(app: App, run_ids: list[str]) -> SideBySide:
    """Several runs on the same seeds: a line for each, how far each two agree, and where they differ most.

    Agreement is the mean ROUGE-L F of first usable answers to a common seed, over at most 200 seeds.
    """
    answers = {run_id: samples.first_answers(app.store, run_id) for run_id in run_ids}
    first, *others = answers.values() if answers else [{}]
    common = sorted(seed for seed in first if all(seed in other for other in others))[:COMPARED_SEEDS]
    scores: dict[str, list[float]] = {seed: [] for seed in common}
    pairs: list[Agreement] = []
    for a, b in combinations(run_ids, 2):
        each = {seed: Pool([answers[a][seed]["answer"]]).nearest(answers[b][seed]["answer"])[0] for seed in common}
        for seed, score in each.items():
            scores[seed].append(score)
        pairs.append({"a": a, "b": b, "agreement": mean(each.values()) if each else None, "seeds": len(each)})
    differ = [seed for seed in common if scores[seed] and mean(scores[seed]) < 1]
    apart = sorted(differ, key=lambda seed: mean(scores[seed]))[:20]
    return {
        "runs": [_line(app, run_id) for run_id in run_ids],
        "pairs": pairs,
        "apart": [
            {
                "question": answers[run_ids[0]][seed]["question"],
                "agreement": mean(scores[seed]),
                "answers": {run_id: answers[run_id][seed]["answer"] for run_id in run_ids},
            }
            for seed in apart
        ],
    }


def _line(app: App, run_id: str) -> RunLine:
    config = app.run_dir(run_id).config()
    progress = app.status(run_id).progress
    counts = samples.status_counts(app.store, config["project_id"], run_id)
    total = sum(counts.values())
    return {
        "run": run_id,
        "method": config["template"]["method"],
        "teacher": config["teacher"]["model"],
        "rows": total,
        "usable": counts.get("parsed", 0),
        "usable_share": counts.get("parsed", 0) / total if total else None,
        "tokens": progress.get("tokens", 0),
        "calls_paid": progress.get("paid", 0),
        "money": progress.get("money", 0.0),
        "seconds": progress.get("asking_s"),
    }


def rounds(app: App, project_id: str, run_id: str) -> list[RoundLine]:
    """This run and the earlier ones of its prompt's name as rounds, with what tells a collapse.

    ``distinct`` is the share of distinct word pairs, ``spread`` one minus the mean ROUGE-L of each answer to its
    nearest; ``alarm`` says in words what fell by a fifth since the first round.
    """
    wanted = app.run_dir(run_id).config()["prompt_version_id"]
    names = {p["prompt_version_id"]: p["name"] for p in _versions(app, project_id)}
    same = [
        run["run_id"]
        for run in reversed(runs.list_runs(app.store, project_id, "generate"))
        if names.get(run["config"]["prompt_version_id"]) == names.get(wanted)
    ]
    result: list[RoundLine] = []
    for number, found in enumerate(same[: same.index(run_id) + 1] if run_id in same else [], 1):
        result.append({"round": number, "run": found, **monitor(app, found)})
    for row in result[1:]:
        row["alarm"] = alarm(result[0], row)
    return result


def _versions(app: App, project_id: str) -> list[PromptVersion]:
    return projects.list_prompt_versions(app.store, project_id)


def monitor(app: App, run_id: str) -> Monitor:
    """What tells a collapse of one run's answers; see ``rounds``."""
    texts = samples.usable_texts(app.store, run_id, MONITORED_ANSWERS)
    pool, nearest = Pool(), list[float]()
    for text in texts[:100]:
        nearest.append(pool.nearest(text)[0])
        pool.add(text)
    return {
        "answers": len(texts),
        "distinct": distinct_share(texts),
        "spread": 1 - mean(nearest[1:]) if len(nearest) > 1 else None,
        "words": mean(len(text.split()) for text in texts) if texts else None,
        "alarm": "",
    }


def alarm(first: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In words what fell by more than a fifth since the first round; "" where nothing did."""
    fallen = [
        name
        for name in ("distinct", "spread", "words")
        if first[name] and now[name] and now[name] < 0.8 * first[name]
    ]
    return f"{' and '.join(fallen)} fell by more than a fifth since round 1: the rounds collapse" if fallen else ""
