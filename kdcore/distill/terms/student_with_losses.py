"""Student plus loss in one ``forward``, so that distributed wrappers see the whole step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kdcore.configs.distillation import SliceConfig
from kdcore.distill.batches.batch import Batch
from kdcore.distill.student.forward import Read, head_of, read
from kdcore.distill.terms.chunked_loss import LiveTeacher, head_loss
from kdcore.distill.terms.hidden_states import Similarity
from kdcore.distill.terms.preferences import answer_logprobs, margins, ranking_loss
from kdcore.distill.terms.slices import teaching_of


class StudentWithLosses(torch.nn.Module):
    """What is trained: the student and, where inner states are compared, the projectors.

    A live teacher is held in a tuple: it is no part of what is trained, wrapped or saved.
    """

    def __init__(
        self,
        student: Any,
        slices: Sequence[SliceConfig],
        chunk: int,
        teacher: Any = None,
        similarity: Similarity | None = None,
    ) -> None:
        super().__init__()
        self.student = student
        self.slices = tuple(slices)
        self.chunk = chunk
        self.terms, self.teaching = teaching_of(slices)
        self.teacher = (teacher,)
        self.similarity = similarity

    def trainable(self) -> dict[str, torch.nn.Parameter]:
        """What a checkpoint must hold: the student's own names, and those of projectors."""
        found = {name: p for name, p in self.student.named_parameters() if p.requires_grad}
        if self.similarity is not None:
            found |= {f"similarity.{name}": p for name, p in self.similarity.named_parameters()}
        return found

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, dict[str, float]]:
        """The step's loss; the (N,) token losses; the losses of ranked rows; further figures of the step."""
        wanted = self.similarity.wants if self.similarity is not None else {}
        mine = read(self.student, batch, **wanted)
        theirs = self._ask(batch, wanted)
        head = head_of(self.student)
        states, live = mine.states(batch.positions), self._live(theirs, batch)
        loss, token_losses = head_loss(states, head, batch.targets, self.terms, self.chunk, live)
        ranked_losses = token_losses.new_zeros(0)
        figures: dict[str, float] = {}
        if batch.ranked is not None:
            groups = batch.ranked.groups
            answers = mine.states(batch.ranked.positions)
            sums, lengths = answer_logprobs(answers, head, batch.ranked, self.chunk)
            ranking, ranked_losses = ranking_loss(sums, lengths, groups, self.slices, len(batch.sample_ids))
            loss = loss + ranking
            figures |= margins(sums.detach(), lengths, groups)
        if self.similarity is not None and theirs is not None and len(batch.positions):
            near = self.similarity(mine.outputs, theirs.outputs, batch)
            loss = loss + near
            figures["loss/similarity"] = float(near.detach())
        return loss, token_losses, ranked_losses, figures

    def _ask(self, batch: Batch, wanted: dict[str, bool]) -> Read | None:
        [teacher] = self.teacher
        if teacher is None:
            return None
        with torch.no_grad():
            return read(teacher, batch, **wanted)

    def _live(self, theirs: Read | None, batch: Batch) -> LiveTeacher | None:
        if theirs is None or not any(self.teaching.live):
            return None
        states = theirs.states(batch.positions)
        return LiveTeacher(states, head_of(self.teacher[0]).to(states.dtype))
