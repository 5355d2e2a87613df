"""The commands of ``kd``, one function each: arguments in, a JSON-able result out."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from kdcore.cli.shared import finish, open_workspace, progress_line, project_id
from kdcore.configs.base import load_config
from kdcore.configs.distillation import DistillConfig
from kdcore.configs.exploration import EmbedConfig
from kdcore.configs.rounds import RoundsConfig
from kdcore.configs.selection import EVERYTHING
from kdcore.errors import ConfigError, JobError
from kdcore.filters import USUAL
from kdcore.services import file_jobs, governance, main_job, models
from kdcore.services import workspace as app_service
from kdcore.services.datasets import scoring
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.distill import rounds, sweeps
from kdcore.services.distill import runs as training_runs
from kdcore.services.evaluate import comparison
from kdcore.services.explore import maps
from kdcore.services.explore import samples as explore_samples
from kdcore.services.export import datasets as dataset_export
from kdcore.services.export import students
from kdcore.services.review import decisions as review_service
from kdcore.services.workspace import App
from kdcore.settings import workspace

Arguments = argparse.Namespace
MOST_DEMO_ROWS = 120


def doctor(arguments: Arguments) -> dict[str, Any]:
    """``kd doctor``."""
    return models.doctor(workspace(arguments.workspace))


def demo(arguments: Arguments) -> dict[str, Any]:
    """``kd demo``: the main job to its end."""
    if not 4 <= arguments.rows <= MOST_DEMO_ROWS:
        raise ConfigError(
            f"--rows is {arguments.rows}; expected 4 to {MOST_DEMO_ROWS} (the sample has 120 questions)."
        )
    teacher = models.default_teacher()
    if arguments.engine:
        teacher = teacher.model_copy(update={"engine": arguments.engine})
    with open_workspace(arguments) as app:
        plan = main_job.create(app, rows=arguments.rows, teacher=teacher, epochs=4.0, batch_size=4, eval_items=8)
        seen = ""

        def tell(now: main_job.Plan) -> None:
            nonlocal seen
            stage = list(now.stages)[-1] if now.stages else ""
            if stage != seen:
                print(f"{time.strftime('%H:%M:%S')} {stage}", file=sys.stderr, flush=True)
                seen = stage

        plan = main_job.wait(app, tell)
        if plan.state != "done":
            raise JobError(plan.message)
        return main_job.report(app, plan)


def ui(arguments: Arguments) -> None:
    """``kd ui``: start the app on the first free port."""
    from kdcore.ui.launch import launch

    launch(workspace(arguments.workspace), arguments.port, sample=arguments.sample)


def embed(arguments: Arguments) -> dict[str, Any]:
    """``kd embed``."""
    config = EmbedConfig(clusters=arguments.clusters)
    if arguments.file:
        out = _out(arguments)
        folder = workspace(arguments.workspace).models
        field = arguments.text_field or "text"
        return file_jobs.embed_file(arguments.file, field, out, config, folder, progress_line())
    with open_workspace(arguments) as app:
        run = maps.start_map(app, project_id(app, arguments.project), config)
        return finish(app, run.run_id) | {"clusters": maps.groups(app, run.run_id)}


def screen(arguments: Arguments) -> dict[str, Any]:
    """``kd screen``."""
    names = arguments.filters.split(",") if arguments.filters else list(USUAL)
    if arguments.file:
        return file_jobs.screen_file(arguments.file, names, arguments.text_field, _out(arguments), progress_line())
    with open_workspace(arguments) as app:
        project = project_id(app, arguments.project)
        run = explore_samples.start_screen(app, project, names)
        return finish(app, run.run_id) | {"checks": explore_samples.checks(app, project)}


def _out(arguments: Arguments) -> Path:
    if arguments.out is None:
        raise ConfigError("--file needs --out: the path of the file to write.")
    return arguments.out


def review(arguments: Arguments) -> dict[str, Any]:
    """``kd review``."""
    with open_workspace(arguments) as app:
        event = review_service.decide(
            app, arguments.sample, arguments.action, arguments.reviewer, answer=arguments.answer
        )
    return {"event_id": event, "sample_id": arguments.sample, "action": arguments.action}


def score(arguments: Arguments) -> dict[str, Any]:
    """``kd score``."""
    with open_workspace(arguments) as app:
        engine = arguments.engine or ("transformers" if arguments.tail else models.default_engine()[0])
        model = arguments.model or scoring.local_teacher_of(app, arguments.dataset)
        reader = scoring.reader(app, arguments.dataset, engine, model)
        drawn = arguments.tail
        run = scoring.start(app, arguments.dataset, reader, arguments.top, second=arguments.second, tail_words=drawn)
        return finish(app, run.run_id)


def dataset(arguments: Arguments) -> dict[str, Any]:
    """``kd dataset``."""
    with open_workspace(arguments) as app:
        project = project_id(app, arguments.project)
        if arguments.freeze:
            bad = EVERYTHING if arguments.with_rejected else None
            return dataset_versions.freeze(
                app, project, arguments.freeze, heldout_share=arguments.heldout, rejected=bad
            )
        return {"datasets": dataset_versions.list_datasets(app, project)}


def terms(arguments: Arguments) -> dict[str, Any]:
    """``kd terms``."""
    with open_workspace(arguments) as app:
        project = project_id(app, arguments.project)
        every = [version["dataset_id"] for version in dataset_versions.list_datasets(app, project)]
        chosen = [arguments.dataset] if arguments.dataset else every
        waiting = governance.undecided_terms(app, project, chosen)
        if arguments.allow:
            named = [row for row in waiting if row["teacher"] == arguments.allow]
            if not named:
                names = ", ".join(row["teacher"] for row in waiting) or "none"
                raise ConfigError(f'no terms of "{arguments.allow}" wait for a decision; waiting: {names}.')
            for row in named:
                governance.decide_terms(app, project, row["teacher"], row["terms"], arguments.who, arguments.why)
            waiting = governance.undecided_terms(app, project, chosen)
        return {"undecided": waiting}


def export(arguments: Arguments) -> dict[str, Any]:
    """``kd export``: a dataset version, or with --run the student of a training."""
    if bool(arguments.run) == bool(arguments.dataset):
        raise ConfigError("kd export needs a dataset version or --run with a training run, one of the two.")
    out = Path(arguments.out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"--out is {out}, which is there already; give a new or an empty folder.")
    with open_workspace(arguments) as app:
        if arguments.run:
            run = students.start_export(app, arguments.run, arguments.format or "safetensors")
            finish(app, run.run_id)
            copied = students.copy_to(app, run.run_id, out)
            return {
                "run_id": arguments.run,
                "format": arguments.format or "safetensors",
                "files": [str(f) for f in copied],
            }
        files = dataset_export.write(app, arguments.dataset, arguments.format or "chat_jsonl", out)
    return {
        "dataset_id": arguments.dataset,
        "format": arguments.format or "chat_jsonl",
        "files": [str(f) for f in files],
    }


def distill(arguments: Arguments) -> dict[str, Any]:
    """``kd distill``."""
    with open_workspace(arguments) as app:
        if arguments.resume:
            run = app.launch(app.run_dir(arguments.resume))
        else:
            project = project_id(app, arguments.project)
            versions = dataset_versions.list_datasets(app, project)
            chosen = arguments.dataset or (versions[0]["dataset_id"] if versions else None)
            if chosen is None:
                raise ConfigError("the project has no dataset version; freeze one with kd dataset … --freeze NAME.")
            student = (
                {"init": "model", "model": arguments.student} if arguments.student else {"init": "teacher_layers"}
            )
            config = load_config(
                DistillConfig,
                {
                    "slices": [
                        {
                            "dataset_id": chosen,
                            "loss": arguments.loss,
                            "targets": arguments.targets,
                            "tail": arguments.tail,
                            **({} if arguments.beta is None else {"beta": arguments.beta}),
                            "temperature": arguments.temperature,
                        }
                    ],
                    "on_policy": arguments.on_policy,
                    "policy": {
                        "reward": "reward_model" if arguments.reward_run else arguments.reward,
                        "reward_run": arguments.reward_run,
                        "answers": arguments.answers,
                    },
                    "student": student | {"keep_layers": arguments.keep_layers, "adapter": arguments.adapter},
                    "epochs": arguments.epochs,
                    "seed": arguments.seed,
                },
            )
            config = config.model_copy(update={"name": arguments.name})
            if arguments.losses or arguments.seeds or arguments.rows or arguments.draws:
                return _sweep(app, project, config, arguments)
            run = training_runs.start_run(app, project, config)
        result = finish(app, run.run_id)
        points = [p for p in training_runs.curves(app, [run.run_id]) if p["split"] == "heldout"]
        return result | {"heldout": {p["name"]: p["value"] for p in points}}


def _sweep(app: App, project: str, config: DistillConfig, arguments: Arguments) -> dict[str, Any]:
    """``kd distill`` over several losses, seeds or budgets, parted by commas."""
    losses = [name for name in arguments.losses.split(",") if name]
    rows, seeds = (sweeps.whole_numbers(f"--{name}", getattr(arguments, name)) for name in ("rows", "seeds"))
    draws = ["" if name.strip() == "chance" else name.strip() for name in arguments.draws.split(",") if name.strip()]
    made = sweeps.start(app, project, config, losses, rows, seeds, draws)
    sweeps.wait(app, made)
    states = {run_id: app.status(run_id).state for run_id in made}
    if failed := [run_id for run_id, state in states.items() if state != "done"]:
        raise JobError(f"{len(failed)} of {len(made)} trainings did not end well, such as {failed[0]}.")
    return {"runs": states, "results": sweeps.results(app, made)}


def rounds_command(arguments: Arguments) -> dict[str, Any]:
    """``kd rounds``."""
    with open_workspace(arguments) as app:
        if arguments.resume:
            rounds.go_on(app, arguments.resume)
            loop = rounds.load(app, arguments.resume)
        else:
            project = project_id(app, arguments.project)
            values = {name: getattr(arguments, name) for name in ("rounds", "rows", "loss", "begin", "epochs")}
            values |= {"prompt_version_id": arguments.prompt, "start": arguments.student, "name": arguments.name}
            values["most_kl_to_start"] = arguments.most_kl
            values["checks"] = tuple(name for name in arguments.checks.split(",") if name)
            values["engine"] = arguments.engine or models.default_engine()[0]
            loop = rounds.start(app, project, load_config(RoundsConfig, values))
        loop = rounds.wait(app, loop.loop_id)
        if loop.state == "failed":
            raise JobError(f"rounds {loop.loop_id} failed: {loop.message}; mend it, then kd rounds --resume it.")
        return {"rounds_id": loop.loop_id, "state": loop.state, "message": loop.message} | {
            "rounds": [vars(each) for each in loop.rounds]
        }


def evaluate(arguments: Arguments) -> dict[str, Any]:
    """``kd evaluate``."""
    with open_workspace(arguments) as app:
        asked = arguments.run[0] if len(arguments.run) == 1 else arguments.run
        run = comparison.start_run(app, asked, max_items=arguments.items)
        return finish(app, run.run_id) | {
            "summary": comparison.summary(app, run.run_id),
            "differences": comparison.differences(app, run.run_id),
        }


def rebuild(arguments: Arguments) -> dict[str, Any]:
    """``kd rebuild``."""
    return app_service.rebuild(arguments.workspace)
