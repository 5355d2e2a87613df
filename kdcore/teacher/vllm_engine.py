"""vLLM in this process: requests go in as slots free up, each reply comes out as it finishes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kdcore.configs.teacher import Call, SamplingConfig, TeacherConfig
from kdcore.errors import MissingDependency, TeacherError
from kdcore.hardware import bind_vllm_threads, pick_precision
from kdcore.teacher.base import StopCheck
from kdcore.teacher.schema_check import problem_of
from kdcore.types import Reply, TopK


class VllmTeacher:
    """An LLMEngine driven by ``add_request`` and ``step``.

    On a CPU it computes in this process: vLLM's own three processes each import everything again (60 s instead of
    20 to the first token on two cores, 5.1 GB instead of 4.1) and wait for each other on the same cores.
    """

    def __init__(self, config: TeacherConfig, model_path: Path | None, sampling: SamplingConfig) -> None:
        bind_vllm_threads()
        try:
            import torch

            has_gpu = torch.cuda.is_available()
            if not has_gpu:
                # Before vLLM is imported; what the user has set stays, and "1" brings its three processes back.
                os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
            from vllm.engine.arg_utils import EngineArgs
            from vllm.v1.engine.llm_engine import LLMEngine
        except ImportError as exc:
            raise MissingDependency(
                f"vLLM is not usable here ({exc}); install it with pip install 'kdcore[cpu]' "
                "or choose the transformers engine or an endpoint."
            ) from exc
        self._config = config
        try:
            self._engine: Any = LLMEngine.from_engine_args(
                EngineArgs(
                    model=str(model_path or config.model),
                    dtype=pick_precision(config.precision, has_gpu),  # pyright: ignore[reportArgumentType]
                    max_model_len=config.max_model_len,
                    max_num_seqs=config.max_concurrency,
                    # On a CPU, compiling costs minutes at the start and wins nothing on small models.
                    enforce_eager=not has_gpu,
                    distributed_executor_backend=None if has_gpu else "uni",
                    seed=sampling.seed,
                    max_logprobs=64,
                )
            )
        except Exception as exc:  # the boundary to vLLM: it raises its own and plain kinds alike
            raise TeacherError(f"vLLM could not load {config.model}: {exc}. The run's log has the details.") from exc
        self._tokenizer: Any = self._engine.get_tokenizer()

    def generate(self, calls: Iterator[Call | None], check: StopCheck) -> Iterator[Reply]:
        """See Teacher. At most ``max_concurrency`` calls are inside the engine at once."""
        in_flight: dict[str, Call] = {}
        ended = False
        while not ended or in_flight:
            while not ended and len(in_flight) < self._config.max_concurrency:
                call = next(calls, _END)
                ended = call is _END
                if not isinstance(call, Call):
                    break
                refusal = self._add(call)
                if refusal is not None:
                    yield from refusal
                else:
                    in_flight[call.call_id] = call
            check()
            for output in self._step() if in_flight else ():
                if output.finished:
                    call = in_flight.pop(output.request_id)
                    yield from self._replies(output, call) if call.answer is None else self._scored(output, call)

    def _params(self, call: Call) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        sampling = call.sampling
        if call.answer is not None:
            return SamplingParams(
                temperature=0.0,
                max_tokens=1,  # the least that vLLM writes; it is thrown away
                prompt_logprobs=sampling.top_logprobs,
                output_kind=RequestOutputKind.FINAL_ONLY,
            )
        return SamplingParams(
            n=sampling.n,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            logprobs=sampling.top_logprobs or None,
            structured_outputs=self._held(call),
            # Replies are wanted whole. A seed for each request is left out: vLLM's CPU build dies of it.
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _held(self, call: Call) -> Any:
        """What the answer is held to: a schema, or a form unless the model writes its thoughts first."""
        from vllm.sampling_params import StructuredOutputsParams

        if call.schema:
            return StructuredOutputsParams(json=call.schema)
        thinks = "think" in str(getattr(self._tokenizer, "chat_template", ""))
        return StructuredOutputsParams(regex=call.form) if call.form and not thinks else None

    def _add(self, call: Call) -> list[Reply] | None:
        """Hand a call to the engine; one that would end it or can't fit comes back as failed replies."""
        if call.schema and (problem := problem_of(call.schema)):
            return [Reply(call.call_id, n, "", "error", error=problem) for n in range(call.sampling.n)]
        token_ids = self._tokenizer.apply_chat_template(
            call.messages, add_generation_prompt=True, tokenize=True, return_dict=False
        )
        given = self._given(call)
        room = self._config.max_model_len - len(token_ids) - len(given)
        if room < 1:
            what = "prompt and answer have" if given else "the prompt has"
            error = f"{what} {len(token_ids) + len(given)} tokens, at most {self._config.max_model_len - 1} fit"
            return [Reply(call.call_id, n, "", "error", len(token_ids), error=error) for n in range(call.sampling.n)]
        prompt = {"prompt_token_ids": [*token_ids, *given]}
        self._engine.add_request(call.call_id, prompt, self._params(call))
        return None

    def _given(self, call: Call) -> list[int]:
        """Tokens of the answer that a call carries, with the end mark; none where it is to be written."""
        if call.answer is None:
            return []
        words = self._tokenizer(call.answer, add_special_tokens=False)["input_ids"]
        return [*words, self._tokenizer.eos_token_id]

    def _step(self) -> list[Any]:
        try:
            return self._engine.step()
        except Exception as exc:  # EngineDeadError and whatever the core died of
            raise TeacherError(
                f"vLLM stopped working ({type(exc).__name__}: {exc}); finished answers are kept, resume to go on."
            ) from exc

    def _scored(self, output: Any, call: Call) -> Iterator[Reply]:
        given = self._given(call)
        places = output.prompt_logprobs[-len(given) :]
        yield Reply(
            call_id=call.call_id,
            n=0,
            text=call.answer or "",
            finish_reason="stop",
            prompt_tokens=len(output.prompt_token_ids) - len(given),
            completion_tokens=len(given),
            token_ids=given,
            topk=_topk(places, call.sampling.top_logprobs),
            logprobs=[float(place[token].logprob) for place, token in zip(places, given, strict=True)],
        )

    def _replies(self, output: Any, call: Call) -> Iterator[Reply]:
        for answer in output.outputs:
            yield Reply(
                call_id=output.request_id,
                n=answer.index,
                text=answer.text,
                finish_reason=str(answer.finish_reason),
                prompt_tokens=len(output.prompt_token_ids),
                completion_tokens=len(answer.token_ids),
                token_ids=list(answer.token_ids),
                prompt_token_ids=list(output.prompt_token_ids),
                topk=_topk(answer.logprobs, call.sampling.top_logprobs) if answer.logprobs else None,
            )

    def close(self) -> None:
        """Shut the engine down, its processes where it has some included."""
        core = getattr(self._engine, "engine_core", None)
        if core is not None:
            core.shutdown()


def _topk(logprobs: list[dict[int, Any]], k: int) -> TopK:
    """Keep the k likeliest; vLLM adds the sampled token where it is not among them."""
    rows = [sorted(((p.logprob, i) for i, p in position.items()), reverse=True)[:k] for position in logprobs]
    return TopK(ids=[[i for _, i in row] for row in rows], logprobs=[[float(p) for p, _ in row] for row in rows])


_END = object()
os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
