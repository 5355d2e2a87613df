"""Run by axolotl's Python: what its distillation plugin makes of an export, as JSON. ``file config model``."""

import json
import sys
from pathlib import Path

import yaml
from axolotl.integrations.kd.chat_template import load
from axolotl.utils.dict import DictDefault
from datasets import load_dataset
from transformers import AutoTokenizer

file, config, model = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(model)
own = yaml.safe_load(Path(config).read_text())
whole = DictDefault({**own, "sequence_len": 2048, "train_on_inputs": False, "chat_template": "tokenizer_default"})
strategy = load(tokenizer, whole, DictDefault({**own["datasets"][0], "chat_template": "tokenizer_default"}))
told = []
for row in load_dataset("parquet", data_files=file, split="train"):
    row.pop("metadata")
    read = strategy.tokenize_prompt(row)
    learnt = [place for place, mask in enumerate(read["target_mask"]) if mask[0]]
    told.append(
        {
            "length": len(read["input_ids"]),
            "entries": len(read["target_logprobs"]),
            "likeliest": [read["target_token_ids"][place][0] for place in learnt],
            "follows": [read["input_ids"][place + 1] for place in learnt],
            "worst": min(value for place in learnt for value in read["target_logprobs"][place]),
        }
    )
print(json.dumps(told))
