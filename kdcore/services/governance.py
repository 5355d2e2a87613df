"""Which teacher may see a project's text, and what its terms say of training."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import get_args

from kdcore.configs.distillation import DistillConfig
from kdcore.configs.teacher import TeacherConfig
from kdcore.errors import ConfigError, JobError
from kdcore.governance.cards import ALLOWED
from kdcore.governance.teacher_terms import Terms, entry_of, needs_decision, strictest, terms_of
from kdcore.jobs import parquet
from kdcore.jobs.parquet import strings
from kdcore.jobs.run_dir import RunDir
from kdcore.records.decisions import DataClass, DataClassSet, TermsDecided
from kdcore.records.projects import DataPolicy, UndecidedTerms
from kdcore.services import zones
from kdcore.services.models import training_of
from kdcore.services.workspace import App
from kdcore.store import datasets, projects

DATA_CLASSES: tuple[DataClass, ...] = get_args(DataClass)


def set_data_class(app: App, project_id: str, data_class: DataClass, contract: str = "") -> None:
    """Say what kind of text a project holds; ``contract`` records the agreement with an outside teacher."""
    if data_class not in DATA_CLASSES:
        raise ConfigError(f'unknown data class "{data_class}"; known: {", ".join(DATA_CLASSES)}.')
    app.decide(
        DataClassSet(project_id=project_id, data_class=data_class, contract=contract.strip(), created=time.time())
    )
    if not zones.may_leave(app.store, project_id):
        _stop_what_leaves(app, project_id)


def _stop_what_leaves(app: App, project_id: str) -> None:
    """No run of a project sends text from now on; those under way are paused, and say so."""
    for run, _ in app.active_runs():
        if _may_be_of(run, project_id) and zones.shut(run):
            app.stop(run.run_id, "pause")


def _may_be_of(run: RunDir, project_id: str) -> bool:
    """Whether a run sends a project's text; where that can't be read any more, it may."""
    try:
        return run.config().get("project_id") == project_id
    except JobError:
        return True


def policy(app: App, project_id: str) -> DataPolicy:
    """``{data_class, contract}`` that holds for a project now."""
    return projects.data_class(app.store, project_id)


def refuse_zone(app: App, project_id: str, teacher: TeacherConfig) -> Terms:
    """Raise ConfigError where sensitive text would leave; else the terms that hold for this teacher."""
    if not teacher.is_local:
        zones.refuse(app.store, project_id)
    return _terms(app, teacher)


def _terms(app: App, teacher: TeacherConfig) -> Terms:
    """A student is bound by the strictest terms of what it learnt from, and of the model that it was before."""
    own = terms_of(teacher)
    trained = training_of(app, teacher.model)
    if not trained:
        return own
    run = app.run_dir(trained)
    path = run.path / "input.parquet"
    learnt = strings(parquet.read(path, ["sample_id"])["sample_id"]) if path.exists() else []
    entries = [entry_of(str(row["terms"] or "")) for row in datasets.provenance(app.store, sorted(set(learnt)))]
    begun = run.load(DistillConfig).student
    if begun.init == "model":
        entries.append(_terms(app, teacher.model_copy(update={"model": begun.model})).entry)
    return replace(own, entry=strictest(entries))


def undecided_terms(app: App, project_id: str, dataset_ids: list[str]) -> list[UndecidedTerms]:
    """Teachers of some versions whose terms need a written decision that nobody has made yet.

    ``[{teacher, terms (the entry's id), title, says, conditions, rows}]``, most rows first.
    """
    decided = {(row["teacher"], row["terms"]) for row in projects.terms_overrides(app.store, project_id)}
    found: dict[tuple[str, str], UndecidedTerms] = {}
    for source in datasets.sources(app.store, dataset_ids):
        entry = entry_of(str(source["terms"] or ""))
        key = (source["teacher"] or "", entry.id)
        if not needs_decision(entry) or key in decided:
            continue
        says = f"training on its answers is {ALLOWED[entry.train]}"
        new: UndecidedTerms = {
            "teacher": key[0],
            "terms": entry.id,
            "title": entry.terms,
            "says": says,
            "conditions": list(entry.conditions),
            "rows": 0,
        }
        found.setdefault(key, new)["rows"] += source["rows"]
    return sorted(found.values(), key=lambda row: -row["rows"])


def refuse_terms(app: App, project_id: str, dataset_ids: list[str]) -> None:
    """Raise ConfigError where a teacher's terms need a decision before a student may learn from it."""
    waiting = undecided_terms(app, project_id, dataset_ids)
    if waiting:
        first = waiting[0]
        raise ConfigError(
            f'{first["rows"]} rows were written by "{first["teacher"]}" ({first["title"]}): {first["says"]}. '
            "Leave them out, or have someone who may decide it write down why it is allowed: on the Distill page, "
            "or with kd terms."
        )


def decide_terms(app: App, project_id: str, teacher: str, terms: str, who: str, why: str) -> None:
    """Record who allowed training on a teacher's answers, and why; raises ConfigError where either is empty."""
    if not who.strip() or len(why.strip()) < 10:
        raise ConfigError("a decision about terms needs a name and the reason in a sentence, such as a contract's.")
    app.decide(
        TermsDecided(
            project_id=project_id,
            teacher=teacher,
            terms=terms,
            who=who.strip(),
            why=why.strip(),
            created=time.time(),
        )
    )
