"""What a teacher said at each token, for trainers that learn from it: DistillKit and axolotl (both by Parquet).

In both forms entry i of a row is the distribution of token i + 1, as logits are. Where none is stored (in the prompt
and after the last token of an answer) the entry is sure of the token that follows: both trainers look at it for the
answer's last token alone, which they take for supervised.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kdcore.exporters.base import PROVENANCE, SPLITS, Exporter, Rows, messages, provenance, write_card, write_line
from kdcore.exporters.card import Tally
from kdcore.exporters.parquet import write_splits
from kdcore.records.datasets import ChatRow, Tokens, Version

AT_ONCE = 50  # rows in memory: each has hundreds of tokens with many words at each
NOTHING = -60.0  # nats; no probability, and still a number where trainers multiply by it
IGNORED = -100  # the label of a token that is no part of the answer
_PROVENANCE = pa.struct(
    [(name, pa.string()) for name in PROVENANCE] + [("ai_generated", pa.bool_()), ("human_edited", pa.bool_())]
)
_DISTILLKIT = pa.schema(
    [
        ("input_ids", pa.list_(pa.uint64())),
        ("labels", pa.list_(pa.int64())),
        ("compressed_logprobs", pa.list_(pa.list_(pa.uint8()))),
        ("bytepacked_indices", pa.list_(pa.list_(pa.uint8()))),
    ]
)
_AXOLOTL = pa.schema(
    [
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        ("logprobs", pa.list_(pa.list_(pa.float32()))),
        ("target_token_ids", pa.list_(pa.list_(pa.int32()))),
        ("metadata", _PROVENANCE),
    ]
)


def likely(tokens: Tokens, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids and log-probs (T, width) of an answer's T tokens, likeliest first; what a row lacks is filled with nothing.

    A row that stored more words than ``width`` gives its likeliest.
    """
    topk = tokens["topk"]
    shape = (-1, topk["k"])
    ids = np.asarray(topk["topk_ids"], dtype=np.int64).reshape(shape)
    logprobs = np.asarray(topk["topk_logprobs"], dtype=np.float32).reshape(shape)
    order = np.argsort(-logprobs, axis=1, kind="stable")[:, :width]
    ids, logprobs = np.take_along_axis(ids, order, 1), np.take_along_axis(logprobs, order, 1)
    if ids.shape[1] == width:
        return ids, logprobs
    filled = [np.concatenate([row, _others(row, width - len(row))]) for row in ids]
    return np.stack(filled), np.pad(logprobs, ((0, 0), (0, width - ids.shape[1])), constant_values=NOTHING)


def sure(following: Sequence[int], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids and log-probs (T, width) that leave no doubt about which tokens follow."""
    ids = np.asarray([[token, *_others([token], width - 1)] for token in following], dtype=np.int64)
    logprobs = np.full((len(following), width), NOTHING, dtype=np.float32)
    logprobs[:, :1] = 0.0
    return ids.reshape(-1, width), logprobs


def _others(taken: Sequence[int] | np.ndarray, count: int) -> list[int]:
    """The first ids that are not taken."""
    known = set(np.asarray(taken).tolist())
    return [token for token in range(count + len(known)) if token not in known][:count]


def entries(tokens: Tokens, ids: Sequence[int], first: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Entries ``first`` to the end of a row of token ``ids``, of which the answer's begin after the prompt's."""
    own = likely(tokens, width)
    start = len(tokens["prompt_ids"]) - 1
    after = [*ids, ids[-1]]
    before, behind = sure(after[first + 1 : start + 1], width), sure(after[start + 1 + len(own[0]) :], width)
    return np.concatenate([before[0], own[0], behind[0]]), np.concatenate([before[1], own[1], behind[1]])


def pack_bits(ids: np.ndarray, bits: int) -> np.ndarray:
    """Numbers of ``bits`` bits each, highest bit first, side by side in bytes: (T, K) to (T, ceil(K * bits / 8))."""
    four = ids.astype(">u4").view(np.uint8).reshape(*ids.shape, 4)
    single = np.unpackbits(four, axis=-1)[..., -bits:]
    return np.packbits(single.reshape(len(ids), -1), axis=-1)


def _distillkit(row: ChatRow, width: int) -> dict[str, Any]:
    tokens = told(row)
    ids = [*tokens["prompt_ids"], *tokens["topk"]["token_ids"]]
    words, logprobs = entries(tokens, ids, 0, width)
    labels = [IGNORED] * len(tokens["prompt_ids"]) + list(tokens["topk"]["token_ids"])
    return {
        "input_ids": ids,
        "labels": labels,
        "compressed_logprobs": list(np.ascontiguousarray(logprobs, dtype="<f4").view(np.uint8)),
        "bytepacked_indices": list(pack_bits(words, (tokens["vocabulary"] - 1).bit_length())),
    }


def write_distillkit(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``train.parquet`` and ``heldout.parquet`` as DistillKit captures them, its config, and each row's provenance.

    Log-probs are kept as they are, in float32, and nothing is fitted: ``exact_k`` is ``k``.
    """
    tally, sizes = Tally(), _Sizes()
    origins = folder / "provenance.jsonl"
    with origins.open("w", encoding="utf-8", newline="\n") as file:

        def made(row: ChatRow) -> dict[str, Any]:
            line = _distillkit(row, sizes.width(row))
            sizes.longest = max(sizes.longest, len(line["input_ids"]))
            write_line(file, {"split": row["split"], **provenance(row)})
            return line

        names = {split: f"{split}.parquet" for split in SPLITS}
        files = write_splits(folder, tally.count(rows), names, made, _DISTILLKIT, AT_ONCE)
    config = folder / "distillkit.yaml"
    config.write_text(
        _DISTILLKIT_CONFIG.format(d=sizes.vocabulary, k=sizes.k, longest=sizes.longest), encoding="utf-8"
    )
    card = write_card(folder, dataset, tally, {path.stem: path.name for path in files}, _DISTILLKIT_README)
    return [*files, origins, config, card]


def _axolotl(row: ChatRow, width: int) -> dict[str, Any]:
    tokens = told(row)
    words, logprobs = entries(tokens, tokens["chat_ids"], len(tokens["prompt_ids"]) - 1, width)
    return {
        "messages": messages(row),
        "logprobs": list(logprobs),
        "target_token_ids": list(words.astype(np.int32)),
        "metadata": provenance(row),
    }


def write_axolotl(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``train.parquet`` and ``heldout.parquet`` as axolotl's KD plugin reads them, and its part of a config."""
    tally, sizes = Tally(), _Sizes()
    names = {split: f"{split}.parquet" for split in SPLITS}
    files = write_splits(
        folder, tally.count(rows), names, lambda row: _axolotl(row, sizes.width(row)), _AXOLOTL, AT_ONCE
    )
    config = folder / "axolotl.yaml"
    config.write_text(_AXOLOTL_CONFIG, encoding="utf-8")
    return [*files, config, write_card(folder, dataset, tally, {path.stem: path.name for path in files})]


class _Sizes:
    """What all rows of one export share: the words kept at a token are those of the first row."""

    def __init__(self) -> None:
        self.k = self.vocabulary = self.longest = 0

    def width(self, row: ChatRow) -> int:
        tokens = told(row)
        self.k = self.k or tokens["topk"]["k"]
        self.vocabulary = tokens["vocabulary"]
        return self.k


def told(row: ChatRow) -> Tokens:
    """What the teacher said of a row that fits."""
    found = row.get("tokens")
    assert found is not None, "a row without tokens does not fit"
    return found


def has_tokens(row: ChatRow) -> bool:
    """The teacher's words at each token of this very answer are stored."""
    found = row.get("tokens")
    return found is not None and found["topk"]["k"] > 0


def is_read_alike(row: ChatRow) -> bool:
    """Whoever reads the chat as text comes to the very tokens that the teacher was asked with and wrote."""
    if not has_tokens(row):
        return False
    tokens = told(row)
    written = [*tokens["prompt_ids"], *tokens["topk"]["token_ids"]]
    return tokens["chat_ids"][: len(written)] == written


_DISTILLKIT_CONFIG = """\
# For DistillKit, once model names a student that has the teacher's tokens. The longest row has {longest} tokens.
# First pack the rows, as README.md says.
model: the-student
output_path: student
sequence_length: 2048
dataset:
  train_dataset: {{disk_path: packed}}
  prepacked: true
teacher:
  kind: dataset
  logprob_compressor:
    d: {d}
    k: {k}
    exact_k: {k}
    exact_dtype: float32
    residual_bins: []
    delta_encoding: false
    error_diffusion: false
loss_functions:
  - {{function: cross_entropy, weight: 0.5}}
  - {{function: kl, weight: 0.5, temperature: 1.0, missing_probability_handling: zero}}
training_args: {{per_device_train_batch_size: 1}}
"""
_DISTILLKIT_README = """
## For DistillKit

```bash
python -c "from datasets import load_dataset; load_dataset('.', split='train').save_to_disk('rows')"
python -m distillkit.pack_logits --dataset rows --max-len 2048 --output packed
distillkit distillkit.yaml
```

`provenance.jsonl` has a line for each row, in the order of the rows of its split.
"""
_AXOLOTL_CONFIG = """\
# The part of an axolotl config that reads these files; base_model has the teacher's tokens and chat template.
plugins: [axolotl.integrations.kd.KDPlugin]
kd_trainer: true
kd_ce_alpha: 0.1
kd_alpha: 0.9
kd_temperature: 1.0
datasets:
  - path: train.parquet
    ds_type: parquet
    type: axolotl.integrations.kd.chat_template
    field_messages: messages
    logprobs_field: logprobs
"""
_NEEDS = (
    "the teacher's probabilities of this very answer (score the version with its teacher on the Datasets page) and a "
    "chat that the teacher's template takes"
)
DISTILLKIT = Exporter(
    "distillkit",
    "The teacher's likely words at each token, as DistillKit captures them",
    write_distillkit,
    tokens=True,
    fits=has_tokens,
    needs=_NEEDS,
)
AXOLOTL_KD = Exporter(
    "axolotl_kd",
    "The teacher's likely words at each token, for axolotl's distillation plugin",
    write_axolotl,
    tokens=True,
    fits=is_read_alike,
    needs=f"{_NEEDS}, and an answer whose text is read in the tokens that the teacher wrote",
)
