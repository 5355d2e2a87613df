"""The student's own answers written by vLLM: an engine in this process that is given the weights before each batch.

Batched ``generate`` pays for the longest answer of every batch and for a cache that grows with it; vLLM does not.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kdcore.distill.student.build import hf_model, save_merged
from kdcore.distill.student.rollouts import MEMORY_SHARE
from kdcore.errors import ConfigError, MissingDependency
from kdcore.hardware import bind_vllm_threads


class VllmWriter:
    """Samples answers at temperature 1 from a student that goes on learning.

    ``folder`` takes what the engine starts from: the student with its tokenizer. ``longest`` is prompt and answer, in
    tokens. Raises MissingDependency where vLLM is not installed, ConfigError for a base in 4 bits and for what vLLM
    itself refuses: a model that it does not know, too little memory.
    """

    def __init__(self, student: Any, tokenizer: Any, folder: Path, longest: int, seed: int, dtype: str) -> None:
        if getattr(hf_model(student), "is_loaded_in_4bit", False):
            raise ConfigError("vLLM can't be given the weights of a base in 4 bits; let transformers write instead.")
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # one process, so that weights go over by reference
        bind_vllm_threads()
        try:
            from vllm.engine.arg_utils import EngineArgs
            from vllm.v1.engine.llm_engine import LLMEngine
        except ImportError as exc:
            raise MissingDependency(f"vLLM is not usable here ({exc}); let transformers write the answers.") from exc
        self._folder = folder
        _save(student, tokenizer, folder)
        has_gpu = torch.cuda.is_available()
        try:
            self._engine: Any = LLMEngine.from_engine_args(
                EngineArgs(
                    model=str(folder),
                    dtype=dtype,  # pyright: ignore[reportArgumentType]
                    max_model_len=longest,
                    gpu_memory_utilization=MEMORY_SHARE,
                    enforce_eager=not has_gpu,
                    enable_prefix_caching=False,  # what is cached is of earlier weights
                    distributed_executor_backend="uni",
                    seed=seed,
                )
            )
        except Exception as exc:  # the boundary to vLLM: it raises its own and plain kinds alike
            shutil.rmtree(folder, ignore_errors=True)
            raise ConfigError(
                f"vLLM can't write this student's answers ({exc}); let transformers write them."
            ) from exc
        self._written = 0

    def write(
        self, student: Any, prompts: list[list[int]], longest: int, temperature: float = 1.0
    ) -> list[list[int]]:
        """Token ids of one answer to each prompt, at most ``longest``, the end mark included; in order."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        self._engine.collective_rpc("reload_weights", kwargs={"weights_iterator": _named(student)})
        params = SamplingParams(
            temperature=temperature, max_tokens=longest, output_kind=RequestOutputKind.FINAL_ONLY, detokenize=False
        )
        places: dict[str, int] = {}
        for place, prompt in enumerate(prompts):
            self._written += 1
            places[str(self._written)] = place
            self._engine.add_request(str(self._written), {"prompt_token_ids": prompt}, params)
        said: list[list[int]] = [[] for _ in prompts]
        while self._engine.has_unfinished_requests():
            for output in self._engine.step():
                if output.finished:
                    said[places[output.request_id]] = list(output.outputs[0].token_ids)
        return said

    def close(self) -> None:
        """Free the engine, and the folder that it started from."""
        self._engine.engine_core.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)


def _save(student: Any, tokenizer: Any, folder: Path) -> None:
    """The student's config and weights, without an adapter's part: that comes with the first batch."""
    if not hasattr(student, "merge_adapter"):
        save_merged(student, tokenizer, folder)
        return
    state = dict(_named(student))
    student.get_base_model().save_pretrained(folder, state_dict=state)
    tokenizer.save_pretrained(folder)


def _named(student: Any) -> Iterator[tuple[str, Tensor]]:
    """The weights by the names of the plain model; those of an adapter are added to what they adapt."""
    adapted = hasattr(student, "merge_adapter")
    if adapted:
        student.merge_adapter()
    try:
        for name, tensor in hf_model(student).state_dict().items():
            if "lora_" in name:
                continue
            yield name.replace(".base_layer.", "."), tensor.detach()
    finally:
        if adapted:
            student.unmerge_adapter()
