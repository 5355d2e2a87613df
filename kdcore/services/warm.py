"""Warm helpers: processes that keep a model in memory and answer through a mailbox, started when there is none."""

from __future__ import annotations

from kdcore.configs.serving import ServeConfig
from kdcore.configs.teacher import TeacherConfig
from kdcore.jobs.run_dir import RunDir
from kdcore.services import models
from kdcore.services.workspace import App


def warm_service(app: App, config: ServeConfig) -> RunDir:
    """The running service with this config, started if there is none."""
    wanted = config.portable(app.folders.mounts)
    for run, _ in app.active_runs():
        if run.kind == "serve" and run.config() == wanted and run.asked() is None:
            return run
    for run, _ in app.active_runs():
        if run.kind == "serve" and run.config()["service"] == config.service:
            app.stop(run.run_id)  # the same service for another model: make room
    return app.launch(app.create_run("serve", config))


def warm_teacher(app: App, teacher: TeacherConfig, project_id: str) -> RunDir:
    """A warm teacher for trials; one behind an address is a project's own, whose text may leave or not."""
    path, fingerprint = models.resolve_teacher(app, teacher)
    config = ServeConfig(
        project_id="" if teacher.is_local else project_id,
        service="teacher",
        teacher=teacher,
        teacher_path=path,
        teacher_fingerprint=fingerprint,
        replies=str(app.folders.replies),
    )
    return warm_service(app, config)
