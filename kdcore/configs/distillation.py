"""A training recipe: the survey's Eq. 2 as a list of (dataset version, loss, weight), and a student."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from kdcore.configs.base import Config
from kdcore.configs.losses import LOSSES, Loss, with_own_settings
from kdcore.configs.places import Place
from kdcore.configs.selection import EVERYTHING, Selection
from kdcore.configs.teacher import Precision, Prompt
from kdcore.records.rows import VerdictKey

Tail = Literal["bucket", "drawn"]  # words outside the stored top-k: one category, or some that were drawn
SimilarityName = Literal[
    "none", "hidden_mse", "hidden_l1", "hidden_cosine", "hidden_cross_entropy", "hidden_mmd", "attention_transfer"
]


def _named_today(data: Any) -> dict[str, Any]:
    """A slice of 0.1.0 or 0.2.0 called its subset ``drawn``."""
    return {"subset" if name == "drawn" else name: value for name, value in data.items()}


class SliceConfig(Config):
    """One term of the sum: these rows, this loss, this weight.

    A step's loss is the mean over its rows of weight · loss: per supervised token for the rows that learn a text
    or a divergence, per row for those of a ranking loss.
    """

    dataset_id: str
    loss: str = Field(default="forward_kl", description="What the student is taught from each row")
    loss_config: dict[str, Any] = Field(default_factory=dict, description="Settings of that loss (see kd losses)")
    weight: float = Field(default=1.0, gt=0, description="Share of this term in the sum")
    targets: Literal["stored", "live"] = Field(
        default="stored", description="The top-k words kept when the rows were made, or the teacher asked again, live"
    )
    selection: Selection = Field(default=EVERYTHING, description="Training rows of the version that this term learns")
    temperature: float = Field(
        default=1.0, gt=0, le=20, description="Softens both sides; only with the live teacher (Hinton)"
    )
    focus: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Share of each answer's words that learn: those of most doubt, by the stored top-k",
    )
    teachers: Literal["one", "mean", "surest"] = Field(
        default="one",
        description="Where several teachers read an answer: the one that wrote it, their mean, or the surest",
    )
    tail: Tail = Field(
        default="bucket",
        description="Words outside the stored top-k: all as one, or those a teacher drew as it read the answers",
    )
    rows: int = Field(default=0, ge=0, description="At most this many training rows, drawn by the seed; 0 takes all")
    subset: str = Field(default="", description="Pick whose first rows are taken instead; empty draws by the seed")

    @model_validator(mode="before")
    @classmethod
    def _settings_belong_to_the_loss(cls, data: Any) -> Any:
        return with_own_settings(_named_today(data)) if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _loss_and_settings_are_known(self) -> SliceConfig:
        if self.loss not in LOSSES:
            raise ValueError(f'unknown loss "{self.loss}"; known: {", ".join(LOSSES)}')
        try:
            known = LOSSES[self.loss].config.model_validate(self.loss_config)
        except ValidationError as exc:
            first = exc.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"loss_config.{where} of {self.loss}: {first['msg']}") from exc
        object.__setattr__(self, "loss_config", known.model_dump(mode="json"))
        return self

    @property
    def traits(self) -> Loss:
        """The loss's entry in the table: what kind it is and what it needs."""
        return LOSSES[self.loss]

    @model_validator(mode="after")
    def _temperature_needs_all_words(self) -> SliceConfig:
        if not self.traits.compares:
            return self
        if self.temperature != 1 and self.targets == "stored":
            raise ValueError(
                f"the temperature is {self.temperature:g}, but the stored top-k has no words to soften; "
                "use the live teacher or temperature 1"
            )
        if self.focus != 1 and self.targets == "live":
            raise ValueError(
                f"the focus is {self.focus:g}, but the words of most doubt are known from the stored top-k; "
                "compare with that, or set the focus to 1"
            )
        return self

    @model_validator(mode="after")
    def _drawn_words_teach_forwards(self) -> SliceConfig:
        if self.tail == "drawn" and (not self.traits.sampled_tail or self.targets == "live" or self.focus != 1):
            fair = ", ".join(loss.name for loss in LOSSES.values() if loss.sampled_tail)
            raise ValueError(
                f"words drawn from the tail are fair to {fair} only, with stored targets and focus 1; "
                'choose these, or set the tail to "bucket"'
            )
        if self.tail == "drawn" and self.teachers != "one":
            raise ValueError(
                'words drawn from the tail are of one teacher; set teachers to "one", or tail to "bucket"'
            )
        return self

    @model_validator(mode="after")
    def _a_pick_draws_some(self) -> SliceConfig:
        if self.subset and not self.rows:
            raise ValueError(
                f'"{self.subset}" draws some of the rows, and all are asked for; ask for fewer, or leave the pick out'
            )
        return self

    @property
    def asks_teacher(self) -> bool:
        """Whether this term compares with the teacher's own distribution, live."""
        return self.targets == "live" and self.traits.compares


class StudentConfig(Config):
    """The model that learns."""

    init: Literal["model", "teacher_layers"] = Field(
        default="teacher_layers", description="A model as it is, or a thinner copy of the teacher"
    )
    model: Place = Field(
        default="smollm2-135m-instruct",
        description="Built-in name, Hub id, a local folder, or the id of a training run to train its student further",
    )
    keep_layers: int = Field(default=10, ge=1, description="Layers kept from the teacher, evenly spread")
    adapter: Literal["full", "lora", "qlora"] = Field(
        default="full", description="Train every weight, small added matrices, or these on a base in 4 bits"
    )
    lora_rank: int = Field(default=16, ge=1, le=512, description="Rank of the added matrices")
    lora_alpha: int = Field(default=32, ge=1, description="Scale of the added matrices")


class PolicyConfig(Config):
    """What the student's own answers are rewarded for, for grpo and rloo."""

    reward: Literal["reward_model", "frozen_answer", "teacher"] = Field(
        default="frozen_answer",
        description="A reward model's score, likeness to the frozen answer, or how likely the teacher finds it",
    )
    reward_run: str = Field(default="", description="Training run of the reward model")
    reward_path: Place = ""
    answers: int = Field(default=4, ge=2, le=64, description="Answers to each question that are compared")
    kl: float = Field(default=0.04, ge=0, le=10, description="How strictly the student stays near where it began")


class SimilarityConfig(Config):
    """An add-on to the sum: inner states like the teacher's, of which a copy sits beside the student."""

    loss: SimilarityName = Field(default="none", description="How inner states are compared with the teacher's")
    weight: float = Field(default=1.0, gt=0, le=1000, description="Share of the comparison in the sum")
    layers: int = Field(
        default=2, ge=1, le=64, description="Pairs of layers that are compared, evenly spread, the last always"
    )


class DistillConfig(Config):
    """One training run."""

    project_id: str = ""
    name: str = ""
    slices: tuple[SliceConfig, ...] = ()
    similarity: SimilarityConfig = SimilarityConfig()
    policy: PolicyConfig = PolicyConfig()
    student: StudentConfig = StudentConfig()
    student_path: Place = ""
    prompt: Prompt = Field(
        default="teacher",
        description="What the student is shown: all that the teacher was, or the question alone, without the system "
        "message and the worked examples (context distillation)",
    )
    teacher: str = Field(default="", description="Model whose words are learnt, as it was at the start")
    teacher_path: Place = ""
    epochs: float = Field(default=3.0, gt=0, le=100, description="Passes over the data")
    max_steps: int = Field(default=0, ge=0, description="Stop after this many steps; 0 follows the passes")
    batch_size: int = Field(default=8, ge=1, le=512, description="Rows in one step")
    learning_rate: float = Field(default=3e-4, gt=0, le=1, description="Size of a step")
    warmup_ratio: float = Field(default=0.05, ge=0, le=1, description="Share of the steps that ramp up")
    weight_decay: float = Field(default=0.01, ge=0, le=1)
    max_grad_norm: float = Field(default=1.0, gt=0)
    max_length: int = Field(default=1024, ge=32, description="Longer rows are cut here, in tokens")
    precision: Precision = "auto"
    eval_every: int = Field(default=0, ge=0, description="Steps between evaluations; 0 is five times in a run")
    save_every: int = Field(default=0, ge=0, description="Steps between checkpoints; 0 is four times in a run")
    on_policy: float = Field(
        default=0.0, ge=0, le=1, description="Share of steps on the student's own answers, judged by the live teacher"
    )
    rollout_tokens: int = Field(
        default=64, ge=1, le=2048, description="Longest answer of the student's own, in tokens"
    )
    rollouts: Literal["auto", "vllm", "transformers"] = Field(
        default="auto", description="Program that writes them; auto is vLLM where there is a GPU, else transformers"
    )
    replay: float = Field(
        default=0.0, ge=0, lt=1, description="Share of these steps that meet earlier answers again, which is faster"
    )
    replay_rows: int = Field(default=512, ge=1, le=100_000, description="Answers kept for that, the newest")
    general_rows: int = Field(
        default=24, ge=0, le=24, description="General questions whose loss tells what is forgotten; 0 asks none"
    )
    anchor: str = Field(
        default="",
        description="Model or training run to which the distance is measured on the general questions; empty is none",
    )
    anchor_path: Place = ""
    shown_answers: int = Field(
        default=4, ge=0, le=512, description="Held-out questions that the student answers at each evaluation"
    )
    shown_tokens: int = Field(default=48, ge=1, le=1024, description="Longest of these answers, in tokens")
    sweep: str = ""
    seed: int = 0
    chunk_tokens: int = Field(default=512, ge=8, description="Supervised tokens in one piece of the output layer")

    @model_validator(mode="after")
    def _one_slice_at_least(self) -> DistillConfig:
        if not self.slices:
            raise ValueError("a recipe needs at least one dataset version")
        return self

    @model_validator(mode="after")
    def _a_live_teacher_reads_what_the_student_reads(self) -> DistillConfig:
        asked = any(part.targets == "live" for part in self.slices)
        if self.prompt == "question" and (asked or self.on_policy or self.similarity.loss != "none"):
            raise ValueError(
                "a student of the question alone learns what the teacher said to its whole prompt, and a live one "
                "would read the question alone too; set the targets to stored and inner states to none, or prompt to "
                '"teacher"'
            )
        return self

    @model_validator(mode="after")
    def _some_losses_stand_alone(self) -> DistillConfig:
        alone = [part.loss for part in self.slices if part.traits.standalone]
        if alone and len(self.slices) > 1:
            raise ValueError(f"{alone[0]} trains alone; give it a run of its own, or take the slice out")
        if alone and self.student.init == "teacher_layers":
            raise ValueError(
                f"{alone[0]} begins from a model that is whole, and a thinned teacher says nothing yet; "
                "start from a model or from an earlier student"
            )
        if self.student.adapter == "qlora" and (alone or self.student.init == "teacher_layers"):
            raise ValueError(
                "a base in 4 bits (qlora) is a whole model, distilled token by token; choose lora instead"
            )
        if alone and (self.on_policy or self.similarity.loss != "none"):
            raise ValueError(f"{alone[0]} takes neither on_policy nor inner states; leave them out")
        scored = any(LOSSES[loss].kind == "policy" for loss in alone) and self.policy.reward == "reward_model"
        if scored and not self.policy.reward_run:
            raise ValueError("the reward model is not named; choose its training run, or another reward")
        return self

    @model_validator(mode="after")
    def _own_answers_need_the_teacher(self) -> DistillConfig:
        if self.on_policy and not all(part.asks_teacher for part in self.slices):
            raise ValueError(
                "steps on the student's own answers need every slice to compare with the live teacher; "
                "set the targets to live and choose a divergence, or set on_policy to 0"
            )
        return self

    @model_validator(mode="after")
    def _inner_states_need_tokens(self) -> DistillConfig:
        if self.similarity.loss != "none" and all(part.traits.ranks for part in self.slices):
            raise ValueError(
                "inner states are compared where a text or a divergence is learnt, and every slice ranks; "
                "add such a slice, or set the similarity to none"
            )
        return self

    @property
    def needs_teacher(self) -> bool:
        """Whether the teacher itself is in memory while the student trains."""
        judges = self.slices[0].traits.kind == "policy" and self.policy.reward == "teacher"
        return judges or self.compares_with_teacher

    @property
    def compares_with_teacher(self) -> bool:
        """Whether student and teacher read the same tokens, side by side."""
        return self.similarity.loss != "none" or any(part.asks_teacher for part in self.slices)

    @property
    def arm(self) -> str:
        """The losses in words: what runs of one sweep are told apart by."""
        words = [part.loss + (" live" if part.asks_teacher else "") for part in self.slices]
        words += [self.policy.reward] if self.slices[0].traits.kind == "policy" else []
        words += [self.similarity.loss] if self.similarity.loss != "none" else []
        again = f", {self.replay:.0%} met again" if self.replay else ""
        words += [f"{self.on_policy:.0%} own answers{again}"] if self.on_policy else []
        # a pick with its tag: two of one kind and size may differ
        words += [VerdictKey.parse(part.subset).filter for part in self.slices if part.subset]
        return " + ".join(dict.fromkeys(words)).replace("_", " ")


class ExportStudentConfig(Config):
    """A student made ready to take away."""

    project_id: str = ""
    train_run_id: str = ""
    student_path: Place
    name: str = "Student"
    description: str = ""
    licence: str = ""
    form: Literal["safetensors", "gguf"] = Field(default="safetensors", description="A folder, or one file")
