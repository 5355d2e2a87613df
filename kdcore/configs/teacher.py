"""Which teacher answers and how it samples."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.places import Place
from kdcore.types import Message

EngineName = Literal["vllm", "openai_http", "transformers", "scripted"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
Prompt = Literal["teacher", "question"]  # what a student is shown: all that the teacher was, or the question alone


class TeacherConfig(Config):
    """A model and the engine that runs it."""

    engine: EngineName = Field(default="vllm", description="Program that runs the model")
    model: Place = Field(default="smollm2-135m-instruct", description="Built-in name, Hub id or a local folder")
    precision: Precision = Field(
        default="auto", description="auto picks bfloat16 only where the processor is fast at it"
    )
    max_model_len: int = Field(default=2048, ge=128, le=131072, description="Longest prompt plus answer, in tokens")
    max_concurrency: int = Field(default=64, ge=1, le=1024, description="Requests in flight at once")
    base_url: str = Field(default="", description="Endpoint address, such as http://localhost:8000/v1")
    api_key_env: str = Field(
        default="",
        pattern=r"^$|^[A-Z][A-Z0-9_]*_API_KEY$",
        description="Name of the environment variable that holds the key; it ends in _API_KEY",
    )
    api_key_file: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_-]*$",
        description="Name of a file in ~/.config/kd/keys that holds the key and that only you can read (mode 0600)",
    )
    headers: dict[str, str] = Field(default_factory=dict, description="More headers of each call; no keys")
    query: dict[str, str] = Field(default_factory=dict, description="More of the address, as Azure's api-version")
    body: dict[str, Any] = Field(default_factory=dict, description="More fields of each call's body")
    key_header: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9-]*$",
        description="Header that carries the key, such as Azure's api-key; empty is Authorization: Bearer",
    )
    proxy: str = Field(default="", description="Proxy that calls go through, such as http://proxy.example:3128")
    ca_file: str = Field(default="", description="File of the certificates that the endpoint's is checked by")
    timeout_s: float = Field(default=300.0, gt=0, description="Longest wait for one answer, in seconds")
    price_in: float = Field(default=0.0, ge=0, description="Money for one million prompt tokens")
    price_out: float = Field(default=0.0, ge=0, description="Money for one million answer tokens")
    script: dict[str, Any] = Field(default_factory=dict, description="For the scripted test double only")

    @property
    def is_local(self) -> bool:
        """Whether the text stays on this machine. A loopback address is of this machine, whatever listens there."""
        if self.engine != "openai_http":
            return True
        told = [address for address in (self.base_url, self.proxy) if address]
        return bool(self.base_url) and all(map(_is_loopback, told))


def _is_loopback(address: str) -> bool:
    """Whether an address, of an endpoint or of the proxy to it, is of this machine."""
    if "@" in address or "\\" in address:
        return False  # two parsers may read such an address in two ways
    try:
        host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class SamplingConfig(Config):
    """How answers are drawn."""

    temperature: float = Field(
        default=0.7, ge=0, le=2, description="0 is always the likeliest word; higher is more varied"
    )
    top_p: float = Field(
        default=0.95, gt=0, le=1, description="Keep the likeliest words up to this share of probability"
    )
    max_tokens: int = Field(default=256, ge=1, le=32768, description="Longest answer, in tokens")
    n: int = Field(default=1, ge=1, le=64, description="Answers for each request")
    top_logprobs: int = Field(
        default=20,
        ge=0,
        le=64,
        description="Likeliest next words kept at each position, for distillation (0 is none)",
    )
    seed: int = Field(default=0, ge=0, description="Seed of the engine's random numbers")
    hold_form: bool = Field(
        default=True,
        description="Hold replies to the form that the method reads, where vLLM (here or behind an address) runs a "
        "model without thoughts",
    )


@dataclass(frozen=True, slots=True)
class Call:
    """One question to an engine. ``schema`` is a JSON schema that the answer must follow, None for free text.

    ``form`` is a regular expression that the whole answer matches where the engine can hold it to one.

    With an ``answer`` nothing is written: the engine says how likely each of its tokens was, and what else was;
    ``tail_words`` more are drawn at each position from the words outside the top-k.
    """

    call_id: str
    messages: list[Message]
    sampling: SamplingConfig
    schema: dict[str, Any] | None = None
    form: str = ""
    answer: str | None = None
    tail_words: int = 0
