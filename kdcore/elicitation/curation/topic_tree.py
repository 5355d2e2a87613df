"""Questions from a topic alone: topic → subtopic → reader × difficulty × form, so many for each leaf."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation import forms
from kdcore.elicitation.base import CAREFUL_TUTOR, Ask, Method, Steps, Tools, lost, system_of, usable, user, written
from kdcore.elicitation.parse import listed
from kdcore.types import MethodRow, Request


class TopicTreeConfig(Config):
    """The branches below a topic; every combination is a leaf."""

    subtopics: int = Field(default=3, ge=1, le=50, description="Subtopics that the teacher names for a topic")
    readers: tuple[str, ...] = Field(default=("lay person",), min_length=1, description="Who asks")
    difficulties: tuple[str, ...] = Field(default=("basic", "advanced"), min_length=1, description="How hard")
    forms: tuple[str, ...] = Field(default=("question",), min_length=1, description="Such as question, case, task")
    per_leaf: int = Field(default=1, ge=1, le=20, description="Questions wanted in each leaf")
    max_similarity: float = Field(default=0.8, gt=0, le=1, description="ROUGE-L to the nearest question, at most")


def leaves(subtopics: list[str], config: TopicTreeConfig) -> list[tuple[str, str, str, str]]:
    """All ``(subtopic, reader, difficulty, form)``."""
    return [
        (subtopic, reader, difficulty, form)
        for subtopic in subtopics
        for reader in config.readers
        for difficulty in config.difficulties
        for form in config.forms
    ]


def _program(request: Request, config: TopicTreeConfig, tools: Tools) -> Steps:
    topic = request.variables.get("topic") or request.variables.get("question", "")
    system = system_of(request.messages)
    wanted = f"Name {config.subtopics} subtopics of: {topic}. A numbered list, a few words each."
    [[reply]] = yield [Ask(user(wanted), form=forms.numbered(config.subtopics, 80))]
    if not usable(reply):
        return [lost(reply)]
    subtopics = listed(reply.text, config.subtopics)
    if not subtopics:
        return [MethodRow("unparsed", reason="the reply lists no subtopic", reply=reply)]
    plan = leaves(subtopics, config)
    asks = [
        Ask(
            user(
                f"Write {config.per_leaf} different {difficulty} {form}s about {subtopic} ({topic}) that a {reader} "
                "would ask, as a numbered list."
            ),
            form=forms.numbered(config.per_leaf),
        )
        for subtopic, reader, difficulty, form in plan
    ]
    lists = yield asks
    rows: list[MethodRow] = []
    fresh: list[tuple[str, dict[str, str]]] = []
    for (subtopic, reader, difficulty, form), [said] in zip(plan, lists, strict=True):
        labels = {"topic": topic, "reader": reader, "difficulty": difficulty}
        leaf = {"subtopic": subtopic, "form": form}
        if not usable(said):
            rows.append(lost(said, labels=labels, extra=leaf))
            continue
        for question in listed(said.text, config.per_leaf):
            alike, nearest = tools.pool.nearest(question)
            if alike > config.max_similarity:
                reason = f'not new: ROUGE-L {alike:.2f} to "{nearest[:80]}"'
                rows.append(MethodRow("unparsed", question=question, reason=reason, labels=labels, extra=leaf))
            else:
                tools.pool.add(question)
                fresh.append((question, {**labels, **leaf}))
    if not fresh:
        return rows or [MethodRow("unparsed", reason="no leaf gave a question", reply=reply)]
    answers = yield [Ask(user(question, system)) for question, _ in fresh]
    for (question, leaf), [answer] in zip(fresh, answers, strict=True):
        labels = {key: leaf[key] for key in ("topic", "reader", "difficulty")}
        extra = {key: leaf[key] for key in ("subtopic", "form")}
        rows.append(written(answer, question=question, messages=user(question, system), labels=labels, extra=extra))
    return rows


TOPIC_TREE = Method(
    name="topic_tree",
    family="curation",
    pool="question",
    source="UltraChat (arXiv 2305.14233); AlpaCare (arXiv 2310.14558); survey §3.1.3",
    summary="From a topic, questions and answers for every subtopic, reader, difficulty and form",
    warning="What the teacher does not know is missing without a trace: look for holes in the coverage.",
    config=TopicTreeConfig,
    template=PromptTemplate(
        method="topic_tree",
        system=CAREFUL_TUTOR + " Answer in two or three sentences.",
        user="{{topic}}",
    ),
    program=_program,
)
