"""Run by LLaMA-Factory's Python: what its own loader makes of an export, as JSON. ``folder model``."""

import json
import sys
import tempfile
from pathlib import Path

from llamafactory.data.loader import get_dataset
from llamafactory.data.template import get_template_and_fix_tokenizer
from llamafactory.hparams import DataArguments, ModelArguments
from transformers import AutoTokenizer, Seq2SeqTrainingArguments

folder, model = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(model)
told = {}
with tempfile.TemporaryDirectory() as scratch:
    training = Seq2SeqTrainingArguments(output_dir=scratch, do_train=True, report_to=[], use_cpu=True)
    for name in json.loads((Path(folder) / "dataset_info.json").read_text()):
        data = DataArguments(dataset=name, dataset_dir=folder, template="chatml", mask_history=True)
        template = get_template_and_fix_tokenizer(tokenizer, data)
        named = ModelArguments(model_name_or_path=model)
        found = get_dataset(template, named, data, training, stage="sft", tokenizer=tokenizer)
        told[name] = [
            {
                "read": tokenizer.decode(row["input_ids"]),
                "learnt": tokenizer.decode([token for token in row["labels"] if token != -100]),
            }
            for row in found["train_dataset"]
        ]
print(json.dumps(told))
