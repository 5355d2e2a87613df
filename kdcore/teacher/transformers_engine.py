"""Plain transformers ``generate`` in batches: slower than vLLM, runs wherever torch does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kdcore.configs.teacher import Call, SamplingConfig, TeacherConfig
from kdcore.errors import MissingDependency, TeacherError
from kdcore.hardware import pick_precision, torch_device
from kdcore.ids import stable_hash
from kdcore.teacher.base import StopCheck
from kdcore.types import Reply, TopK

BATCH = 16
SCORED_AT_ONCE = 4  # answers whose logits over the whole vocabulary are held together
_END = object()


def _kind(call: Call) -> tuple[SamplingConfig, bool]:
    """Calls of one kind share a batch."""
    return call.sampling, call.answer is None


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
        self._device = torch_device()
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
            batch = [call for call in waiting if _kind(call) == _kind(waiting[0])]
            waiting = [call for call in waiting if _kind(call) != _kind(waiting[0])]
            if batch and batch[0].answer is not None:
                for start in range(0, len(batch), SCORED_AT_ONCE):
                    check()
                    yield from self._score(batch[start : start + SCORED_AT_ONCE])
            elif batch:
                yield from self._batch(batch, batch[0].sampling, check)

    def _score(self, batch: list[Call]) -> Iterator[Reply]:
        """Given answers with their tokens' probabilities: one forward pass, padded on the left."""
        torch, tokenizer = self._torch, self._tokenizer
        prompts = [
            tokenizer.apply_chat_template(c.messages, add_generation_prompt=True, return_dict=False) for c in batch
        ]
        answers = [
            [*tokenizer(c.answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id] for c in batch
        ]
        rows = [{"input_ids": prompt + answer} for prompt, answer in zip(prompts, answers, strict=True)]
        inputs = tokenizer.pad(rows, return_tensors="pt").to(self._device)
        places = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
        keep = max(map(len, answers)) + 1  # the last logits predict what follows the answer
        with torch.inference_mode():
            logits = self._model(**inputs, position_ids=places, logits_to_keep=keep).logits
        for row, (call, given) in enumerate(zip(batch, answers, strict=True)):
            own = logits[row, -len(given) - 1 : -1].float().log_softmax(-1)
            top = own.topk(call.sampling.top_logprobs, dim=-1)
            tail = self._tail(own, top.indices, call) if call.tail_words else None
            yield Reply(
                call_id=call.call_id,
                n=0,
                text=call.answer or "",
                finish_reason="stop",
                prompt_tokens=len(prompts[row]),
                completion_tokens=len(given),
                token_ids=given,
                topk=TopK(ids=top.indices.tolist(), logprobs=top.values.tolist()),
                tail=tail,
                logprobs=own.gather(1, torch.tensor(given, device=own.device)[:, None])[:, 0].tolist(),
            )

    def _tail(self, logprobs: Any, likeliest: Any, call: Call) -> TopK:
        """Words drawn with replacement from those outside the top-k, by their probability; the call's id seeds it."""
        torch = self._torch
        random = torch.Generator(logprobs.device).manual_seed(int(stable_hash(call.call_id), 16) % 2**63)
        rest = logprobs.exp().scatter(-1, likeliest, 0.0)  # (T, V)
        rest = rest.clamp_min(torch.finfo(rest.dtype).tiny)  # a row without any mass can't be drawn from
        sampled = torch.multinomial(rest, call.tail_words, replacement=True, generator=random)
        return TopK(ids=sampled.tolist(), logprobs=logprobs.gather(-1, sampled).tolist())

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
