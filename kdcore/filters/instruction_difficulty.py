"""Does the question help a model to the answer? Instruction-following difficulty (Li 2023, Cherry LLM, eq. 3)."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.places import Place
from kdcore.filters.base import Filter, Rows
from kdcore.filters.needs import READER
from kdcore.filters.reading_model import answer_nll, reader_of
from kdcore.types import Verdict


class DifficultyConfig(Config):
    """Which model reads, and what is too easy or of no help."""

    student: Place = Field(default="", description="Model or training run that reads; empty takes the built-in one")
    min_ratio: float = Field(default=0.0, ge=0, le=2, description="Easier rows fail: the model knew the answer")
    max_ratio: float = Field(default=1.0, gt=0, le=2, description="At and above this the question is of no help")
    max_tokens: int = Field(default=512, ge=32, le=4096, description="Longer texts are cut here")


def _difficulty(rows: Rows, config: DifficultyConfig) -> list[Verdict]:
    tokenizer, model = reader_of(config.student)

    def one(question: str, answer: str) -> Verdict:
        said = tokenizer(answer, add_special_tokens=False)["input_ids"][: config.max_tokens]
        if not said:
            return Verdict(False, "there is no answer to read", None)
        chat = [{"role": "user", "content": question}]
        asked = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
        alone = tokenizer.apply_chat_template(
            [{"role": "user", "content": ""}], add_generation_prompt=True, return_dict=False
        )
        given, free = answer_nll(model, asked[-config.max_tokens :], said), answer_nll(model, alone, said)
        ratio = given / max(free, 1e-6)
        if ratio >= config.max_ratio:
            return Verdict(False, f"the question is of no help to the answer (ratio {ratio:.2f})", ratio)
        if ratio < config.min_ratio:
            return Verdict(False, f"the model all but knew the answer (ratio {ratio:.2f})", ratio)
        return Verdict(True, "", ratio)

    return [one(row["question"] or "", row["answer"] or "") for row in rows]


DIFFICULTY = Filter(
    "instruction_difficulty",
    "The question is of no help to the answer",
    DifficultyConfig,
    _difficulty,
    needs=(READER,),
)
