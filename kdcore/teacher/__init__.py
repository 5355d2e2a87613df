"""Engines that answer requests: ``TEACHERS`` names them. Heavy imports happen when one is opened."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.errors import ConfigError
from kdcore.teacher.base import Teacher

# engine name → module and class; the module is imported when the engine is opened
TEACHERS: dict[str, tuple[str, str]] = {
    "vllm": ("kdcore.teacher.vllm_engine", "VllmTeacher"),
    "openai_http": ("kdcore.teacher.openai_http", "OpenAiTeacher"),
    "transformers": ("kdcore.teacher.transformers_engine", "TransformersTeacher"),
    "scripted": ("kdcore.teacher.scripted", "ScriptedTeacher"),
}


def open_teacher(config: TeacherConfig, model_path: Path | None, sampling: SamplingConfig) -> Teacher:
    """Open the engine that ``config`` names. The caller closes it."""
    if config.engine not in TEACHERS:
        raise ConfigError(f'unknown engine "{config.engine}"; known: {", ".join(TEACHERS)}.')
    module, name = TEACHERS[config.engine]
    build: Callable[..., Teacher] = getattr(import_module(module), name)
    return build(config, model_path, sampling)
