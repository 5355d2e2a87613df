"""Plain transformers ``generate`` in batches: slower than vLLM, runs wherever torch does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kdcore.configs.teacher import Call, SamplingConfig, TeacherConfig
from kdcore.errors import MissingDependency, TeacherError
from kdcore.hardware import pick_precision
from kdcore.teacher.base import StopCheck
from kdcore.types import Reply, TopK

BATCH = 16
_END = object()


class TransformersTeacher:
    """A causal LM and its tokenizer."""

    def __init__(self, config: TeacherConfig, model_path: Path | None, sampling: SamplingConfig) -> None:
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as exc:
            raise MissingDependency(f"transformers is missing ({exc}); pip install 'kdcore[cpu]'.") from exc
        self._torch: Any = torch
        self._config = config
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        name = str(model_path or config.model)
        precision = pick_precision(config.precision, self._device == "cuda")
        torch.manual_seed(sampling.seed)
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(name, padding_side="left")
            self._model: Any = AutoModelForCausalLM.from_pretrained(name, dtype=getattr(torch, precision))
        except (OSError, ValueError) as exc:
            raise TeacherError(f"transformers could not load {config.model}: {exc}") from exc
        self._model.to(self._device).eval()

    def generate(self, calls: Iterator[Call | None], check: StopCheck) -> Iterator[Reply]:
        """See Teacher: one padded batch at a time, of calls with the same sampling."""
        waiting: list[Call] = []
        ended = False
        while not ended or waiting:
            while not ended and len(waiting) < BATCH:
                call = next(calls, _END)
                ended = call is _END
                if not isinstance(call, Call):
                    break
                if call.schema:
                    raise TeacherError(
                        "the transformers engine can't hold an answer to a JSON schema; choose vLLM or an endpoint."
                    )
                waiting.append(call)
            check()
            batch = [call for call in waiting if call.sampling == waiting[0].sampling]
            waiting = [call for call in waiting if call.sampling != waiting[0].sampling]
            if batch:
                yield from self._batch(batch, batch[0].sampling, check)

    def _batch(self, batch: list[Call], sampling: SamplingConfig, check: StopCheck) -> Iterator[Reply]:
        from transformers import StoppingCriteria, StoppingCriteriaList

        class Check(StoppingCriteria):
            def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
                check()
                return input_ids.new_zeros(input_ids.shape[0]).bool()

        prompts = [
            self._tokenizer.apply_chat_template(r.messages, add_generation_prompt=True, tokenize=False) for r in batch
        ]
        inputs = self._tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False).to(
            self._device
        )
        with self._torch.inference_mode():
            output = self._model.generate(
                **inputs,
                max_new_tokens=sampling.max_tokens,
                do_sample=sampling.temperature > 0,
                temperature=sampling.temperature or None,
                top_p=sampling.top_p if sampling.temperature > 0 else None,
                num_return_sequences=sampling.n,
                output_logits=sampling.top_logprobs > 0,
                return_dict_in_generate=True,
                stopping_criteria=StoppingCriteriaList([Check()]),
                pad_token_id=self._tokenizer.pad_token_id or self._tokenizer.eos_token_id,
            )
        width = inputs["input_ids"].shape[1]
        for row, sequence in enumerate(output.sequences):
            yield self._reply(batch[row // sampling.n], row, sequence[width:].tolist(), output, inputs, sampling)

    def _reply(
        self,
        call: Call,
        row: int,
        tokens: list[int],
        output: Any,
        inputs: Any,
        sampling: SamplingConfig,
    ) -> Reply:
        ends = self._model.generation_config.eos_token_id
        stops = set(ends) if isinstance(ends, list) else {ends}
        cut = next((i + 1 for i, token in enumerate(tokens) if token in stops), None)
        kept = tokens[:cut] if cut else tokens
        prompt = inputs["input_ids"][row // sampling.n][inputs["attention_mask"][row // sampling.n].bool()].tolist()
        return Reply(
            call_id=call.call_id,
            n=row % sampling.n,
            text=self._tokenizer.decode(kept, skip_special_tokens=True),
            finish_reason="stop" if cut else "length",
            prompt_tokens=len(prompt),
            completion_tokens=len(kept),
            token_ids=kept,
            prompt_token_ids=prompt,
            topk=self._topk(output, row, len(kept), sampling.top_logprobs) if sampling.top_logprobs else None,
        )

    def _topk(self, output: Any, row: int, length: int, k: int) -> TopK:
        logits = self._torch.stack([step[row] for step in output.logits[:length]]).float()  # (T, V)
        top = logits.log_softmax(-1).topk(k, dim=-1)
        return TopK(ids=top.indices.tolist(), logprobs=top.values.tolist())

    def close(self) -> None:
        """Free the model."""
        del self._model
        if self._device == "cuda":
            self._torch.cuda.empty_cache()
