"""A reply is understood whole, once, for every engine and method: thoughts apart, marks gone, its end in four words.

What a program gets is the answer alone. Token ids and probabilities stay only where the answer is the reply as it was
written: of a text that was parted they would belong to other words.
"""

from __future__ import annotations

import re
from dataclasses import replace

from kdcore.types import Reply

# ---- how a reply ended ----------------------------------------------------------------------------------------
_LENGTH = {"length", "max_tokens", "max_output_tokens", "model_length", "token_limit", "max_length", "incomplete"}
_FILTERED = {
    "content_filter", "content_filtered", "safety", "refusal", "recitation", "blocklist", "spii", "language",
    "prohibited_content", "guardrail_intervened", "image_safety", "moderation", "flagged", "sensitive", "error_toxic",
}  # fmt: skip
_ERROR = {
    "error",
    "insufficient_system_resource",
    "malformed_function_call",
    "other",
    "error_limit",
    "network_error",
    "abort",
}


def ended(reason: str) -> str:
    """stop, length, filtered or error, from what a provider calls it."""
    word = reason.strip().lower().rsplit(".", 1)[-1]
    if word in _LENGTH:
        return "length"
    if word in _FILTERED:
        return "filtered"
    return "error" if word in _ERROR else "stop"


# ---- thoughts -------------------------------------------------------------------------------------------------
_TAGS = r"think(?:ing)?|thoughts?|reasoning|reflection|analysis|scratchpad|seed:think|antThinking"
_OPEN = rf"(?:<(?:{_TAGS})>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<｜thinking｜>)"
_CLOSE = rf"(?:</(?:{_TAGS})>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<｜/thinking｜>)"
_BLOCK = re.compile(rf"{_OPEN}(.*?){_CLOSE}", re.DOTALL | re.IGNORECASE)
_FIRST_CLOSE = re.compile(rf"^(.*?){_CLOSE}", re.DOTALL | re.IGNORECASE)  # the template had opened it
_UNCLOSED = re.compile(rf"{_OPEN}(.*)\Z", re.DOTALL | re.IGNORECASE)
_SOLUTION = re.compile(r"<\|(?:begin|end)_of_solution\|>")
_CHANNEL = re.compile(
    r"<\|channel\|>\s*(\w+)[^<]*<\|message\|>(.*?)(?=<\|(?:end|return|call|start|channel)\|>|\Z)", re.DOTALL
)
_BARE_CHANNELS = re.compile(
    r"\Aanalysis(.+?)assistantfinal(.*)\Z", re.DOTALL
)  # the marks were left out by the engine


def parted(text: str) -> tuple[str, str]:
    """(answer, thoughts) of a reply; thoughts that never end leave no answer behind them."""
    if "<|channel|>" in text:
        said = [(channel.lower(), part.strip()) for channel, part in _CHANNEL.findall(text)]
        final = "\n\n".join(part for channel, part in said if channel == "final")
        return final, "\n\n".join(part for channel, part in said if channel != "final" and part)
    if bare := _BARE_CHANNELS.match(text.strip()):
        return bare[2].strip(), bare[1].strip()
    thoughts = [part.strip() for part in _BLOCK.findall(text)]
    rest = _BLOCK.sub("", text)
    if before := _FIRST_CLOSE.match(rest):
        thoughts.insert(0, re.sub(_OPEN, "", before[1], flags=re.IGNORECASE).strip())
        rest = rest[before.end() :]
    if unclosed := _UNCLOSED.search(rest):
        thoughts.append(unclosed[1].strip())
        rest = rest[: unclosed.start()]
    return _SOLUTION.sub("", rest), "\n\n".join(part for part in thoughts if part)


# ---- marks of a chat template ---------------------------------------------------------------------------------
# where a model's own turn ends: what follows was never asked for
_TURN_ENDS = re.compile(
    r"</s>|<\|(?:eot_id|eom_id|im_end|end_of_text|endoftext|end|eos|return|end_of_turn|EOT|END_OF_TURN_TOKEN)\|>"
    r"|<end_of_turn>|<eos>|<｜end▁of▁sentence｜>|<\|endofassistant\|>"
)
_MARKS = re.compile(
    r"<\|[A-Za-z_0-9]+\|>|<｜[^｜>]{1,40}｜>|\[/?INST\]|<</?SYS>>|<start_of_turn>(?:model|user)?|\A\s*<s>|<bos>|<pad>"
)
_INVENTED = re.compile(r"\n\s*(?:#+\s*|\*\*)?(?:User|Human|USER|HUMAN)\s*(?:\*\*)?:.*\Z", re.DOTALL)


def without_marks(text: str) -> str:
    """The model's own turn, without the marks of its template and what it said for others after them."""
    end = _TURN_ENDS.search(text)
    if end and text[: end.start()].strip():
        text = text[: end.start()]
    return _MARKS.sub("", text)


def without_invented_turn(text: str) -> tuple[str, str]:
    """(answer, the turn of a user that the model made up after it); for answers, not for dialogues."""
    found = _INVENTED.search(text)
    if found is None or not text[: found.start()].strip():
        return text, ""
    return text[: found.start()].rstrip(), found[0].strip()


# ---- the whole ------------------------------------------------------------------------------------------------
def understood(reply: Reply) -> Reply:
    """The reply with its answer as ``text``, its thoughts as ``reasoning``, its end as one of four words."""
    if reply.error is not None:
        return reply
    raw = reply.text.encode("utf-8", "replace").decode().replace("\x00", "\u2400")
    answer, thoughts = parted(raw)
    answer = without_marks(answer).strip()
    changed = replace(
        reply,
        text=answer,
        reasoning="\n\n".join(part for part in (reply.reasoning.strip(), without_marks(thoughts).strip()) if part),
        finish_reason=ended(reply.finish_reason),
    )
    if answer == _MARKS.sub("", _TURN_ENDS.sub("", raw)).strip():
        return changed
    return without_signal(changed)


def without_signal(reply: Reply) -> Reply:
    """The reply without token ids and probabilities: its text is no longer what they are of."""
    return replace(reply, token_ids=[], topk=None, logprobs=[], tail=None)
