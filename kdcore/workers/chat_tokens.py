"""Chats in the token ids of a model: ``services.datasets.chat_tokens`` starts it and talks to it line by line.

The template and the tokenizer of a model need its library, which the app's own process does not load. One JSON
object comes out first, ``{vocabulary}`` or ``{error}``; then for each chat that comes in, its ids.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def ids_of(tokenizer: Any, messages: list[dict[str, str]], answer: str) -> dict[str, list[int]]:
    """``prompt_ids`` as the model is asked, and ``chat_ids`` with the answer, as one text."""
    whole = [*messages, {"role": "assistant", "content": answer}]
    asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    return {
        "prompt_ids": list(asked),
        "chat_ids": list(tokenizer.apply_chat_template(whole, return_dict=False)),
    }


def vocabulary_of(tokenizer: Any, source: str) -> int:
    """Words that a model can say: its output layer may be wider than its tokenizer."""
    from transformers import AutoConfig

    words = tokenizer.get_vocab()
    known = max(len(words), max(words.values()) + 1)
    try:
        config: Any = AutoConfig.from_pretrained(source, local_files_only=True)
        return max(known, int(config.get_text_config().vocab_size))
    except (OSError, ValueError, AttributeError, TypeError):  # a tokenizer without its model
        return known


def main() -> None:
    """Answer until nothing more comes in; only JSON goes to the output."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints
    tokenizer: Any = None
    try:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(sys.argv[1], local_files_only=True)
        if not tokenizer.chat_template:
            raise ValueError("it has no chat template")
        first: dict[str, Any] = {"vocabulary": vocabulary_of(tokenizer, sys.argv[1])}
    except Exception as exc:  # whatever a foreign folder makes the library say
        first = {"error": f"{type(exc).__name__}: {exc}"}
    print(json.dumps(first), file=out, flush=True)
    for line in sys.stdin:
        messages, answer = json.loads(line)
        try:
            told: dict[str, Any] = ids_of(tokenizer, messages, answer)
        except Exception as exc:  # a template refuses some chats, such as one with a system message
            told = {"error": f"{type(exc).__name__}: {exc}"}
        print(json.dumps(told), file=out, flush=True)


if __name__ == "__main__":
    main()
