"""Record real replies of the built-in teacher: ``python -m tests.record_replies WORKSPACE [METHOD …]``.

The workspace holds the sample project after its main job (``kd demo``); without a name every method is recorded anew.
What is written to tests/elicitation/recorded is replayed by ``tests/elicitation/test_recorded.py``: the parsers must
read it the same way for ever, without a model.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

from kdcore.configs.teacher import SamplingConfig
from kdcore.elicitation import METHODS
from kdcore.services import main_job, models, projects
from kdcore.services.elicit import trial
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import App, open_app

FOLDER = Path(__file__).parent / "elicitation" / "recorded"
SAMPLING = SamplingConfig(max_tokens=192, temperature=0.7, top_logprobs=0)
CONFIGS = {"label_and_explain": {"labels": ["medicine", "law"]}}
ROWS = 3
KEPT = ("status", "reason", "question", "answer")


def record(app: App, project: str, name: str) -> str:
    """Ask and write one method; returns the run of the warm teacher."""
    template = METHODS[name].template.model_copy(update={"method_config": CONFIGS.get(name, {})})
    teacher = models.default_teacher()
    started = time.monotonic()
    run_id, key, requests = trial.start(app, project, template, teacher, SAMPLING, ROWS)
    while (found := trial.answer(app, run_id, key, template, teacher, SAMPLING, requests)) is None:
        time.sleep(0.2)
    kept = [
        {
            "request": asdict(outcome["request"]),
            "calls": [{"replies": call["replies"], "finish": call["finish"]} for call in outcome["calls"]],
            "rows": [
                {key: row[key] for key in ("status", "reason", "question", "answer")} for row in outcome["rows"]
            ],
        }
        for outcome in found
    ]
    path = FOLDER / f"{name}.json"
    path.write_text(
        json.dumps({"config": template.model_dump(mode="json")["method_config"], "outcomes": kept}, indent=1)
    )
    rows = [row for outcome in kept for row in outcome["rows"]]
    usable = sum(row["status"] == "parsed" for row in rows)
    print(f"{name:20s} {time.monotonic() - started:5.1f} s, {usable} of {len(rows)} rows usable", flush=True)
    return run_id


def main() -> None:
    """The named methods, or all, after a run that gives each question two answers."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("workspace")
    arguments.add_argument("methods", nargs="*", choices=[*METHODS, []])
    given = arguments.parse_args()
    app = open_app(given.workspace)
    project = projects.list_projects(app)[0]["project_id"]
    version = projects.save_prompt_version(app, project, "two answers", main_job.SAMPLE_TEMPLATE)
    run = generation_runs.start_run(
        app, project, version, models.default_teacher(), SAMPLING.model_copy(update={"n": 2}), rows=8
    )
    app.wait(run.run_id)
    run_id = ""
    for name in given.methods or METHODS:
        run_id = record(app, project, name)
    app.stop(run_id)
    app.wait(run_id, timeout_s=60)
    app.close()


if __name__ == "__main__":
    main()
