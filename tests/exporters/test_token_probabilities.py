"""Top-k as DistillKit and axolotl read it: right words at the right token, whatever was stored."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from kdcore.exporters import EXPORTERS
from kdcore.exporters.token_probabilities import NOTHING, entries, likely, pack_bits, sure
from tests.exporters.test_exporters import VERSION, row, tokens

PROMPT = 3  # tokens of a prompt in these rows


def unpacked(line: list[int], bits: int, count: int) -> list[int]:
    """Numbers of some bits each out of bytes, slowly: by the digits of one long number."""
    digits = "".join(f"{byte:08b}" for byte in line)
    return [int(digits[place * bits : (place + 1) * bits], 2) for place in range(count)]


@pytest.mark.parametrize("bits", [1, 5, 8, 9, 17, 18])
def test_numbers_are_packed_highest_bit_first(bits):
    ids = np.random.default_rng(bits).integers(0, 2**bits, (4, 7))
    packed = pack_bits(ids, bits)
    assert packed.shape == (4, -(-7 * bits // 8))
    assert [unpacked(line, bits, 7) for line in packed.tolist()] == ids.tolist()


def test_words_are_sorted_cut_and_filled():
    told = tokens("a")
    ids, logprobs = likely(told, 2)
    assert ids.tolist() == [[97, 257], [256, 257]] and logprobs.tolist() == [[-0.25, -2.0]] * 2
    assert likely(told, 1)[0].tolist() == [[97], [256]]
    ids, logprobs = likely(told, 4)
    assert ids.tolist() == [[97, 257, 0, 1], [256, 257, 0, 1]] and logprobs[:, 2:].tolist() == [[NOTHING] * 2] * 2
    ids, logprobs = sure([0, 5], 3)
    assert ids.tolist() == [[0, 1, 2], [5, 0, 1]] and logprobs.tolist() == [[0.0, NOTHING, NOTHING]] * 2


def test_an_entry_tells_of_the_token_after_it():
    told = tokens("ab")
    ids = [*told["prompt_ids"], *told["topk"]["token_ids"]]
    words, logprobs = entries(told, ids, 0, 2)
    assert words[:, 0].tolist() == [2, 3, 97, 98, 256, 256]  # the last one has nothing after it
    assert logprobs[:, 0].tolist() == [0, 0, -0.25, -0.25, -0.25, 0]


def test_distillkit_reads_what_was_stored(tmp_path):
    rows = [row(0, "heldout", "Q?", "A"), row(1, "train", "Why?", "yes"), row(2, "train", "How?", "so")]
    rows[2]["tokens"]["topk"] |= {"k": 1, "topk_ids": [*b"so", 256], "topk_logprobs": [-0.5] * 3}
    files = EXPORTERS["distillkit"].write(tmp_path, VERSION, rows)
    assert {file.name for file in files} >= {
        "train.parquet",
        "heldout.parquet",
        "distillkit.yaml",
        "provenance.jsonl",
    }
    config = yaml.safe_load((tmp_path / "distillkit.yaml").read_text())["teacher"]["logprob_compressor"]
    assert (config["d"], config["k"], config["exact_k"]) == (258, 2, 2)
    bits = (config["d"] - 1).bit_length()
    one, two = pq.read_table(tmp_path / "train.parquet").to_pylist()
    assert one["input_ids"] == [1, 2, 3, *b"yes", 256] and one["labels"] == [-100] * 3 + [*b"yes", 256]
    values = np.asarray(one["compressed_logprobs"], dtype=np.uint8).view("<f4")
    words = [unpacked(line, bits, 2) for line in one["bytepacked_indices"]]
    assert len(words) == len(values) == len(one["input_ids"])
    assert words[2:6] == [[token, 257] for token in [*b"yes", 256]]
    assert values[2:6].tolist() == [[-0.25, -2.0]] * 4
    narrow = np.asarray(two["compressed_logprobs"], dtype=np.uint8).view("<f4")
    assert narrow.shape == (6, 2) and narrow[2].tolist() == [-0.5, NOTHING]
    lines = [json.loads(line) for line in (tmp_path / "provenance.jsonl").read_text().splitlines()]
    assert [line["sample_id"] for line in lines if line["split"] == "train"] == ["s1", "s2"]
    assert [line["sample_id"] for line in lines if line["split"] == "heldout"] == ["s0"]


def test_axolotl_counts_its_entries_from_the_end(tmp_path):
    EXPORTERS["axolotl_kd"].write(tmp_path, VERSION, [row(0, "train", "Why?", "yes")])
    (one,) = pq.read_table(tmp_path / "train.parquet").to_pylist()
    told = tokens("yes")
    first = len(told["chat_ids"]) - len(one["logprobs"])  # where axolotl puts the first entry
    assert first == PROMPT - 1
    assert [ids[0] for ids in one["target_token_ids"]] == [*b"yes", 256, 10, 10]
    assert [logprobs[0] for logprobs in one["logprobs"]] == [-0.25] * 4 + [0, 0]
    assert [turn["content"] for turn in one["messages"]] == ["Why?", "yes"]
    assert yaml.safe_load((tmp_path / "axolotl.yaml").read_text())["datasets"][0]["path"] == "train.parquet"


def test_an_answer_whose_text_is_read_in_other_tokens_does_not_fit_axolotl():
    there, other, none = (row(n, "train", "Why?", "yes") for n in range(3))
    other["tokens"]["chat_ids"] = [1, 2, 3, 99, 256, 10]
    none["tokens"] = None
    fits = {
        name: [EXPORTERS[name].fits(one) for one in (there, other, none)] for name in ("axolotl_kd", "distillkit")
    }
    assert fits == {"axolotl_kd": [True, False, False], "distillkit": [True, True, False]}
