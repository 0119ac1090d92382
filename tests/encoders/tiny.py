"""Encoders of random weights, small enough for tests: config.json, model.safetensors and tokenizer.json in a folder."""

import csv
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import WordPieceTrainer
from transformers import AutoModel, BertConfig, DebertaV2Config, ModernBertConfig, PretrainedConfig, RobertaConfig

from conftest import COMPETITIONS

WIDTH, LAYERS, PLACES = 16, 3, 256
SIZES = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 24}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
RELATIVE = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False}


def read_texts() -> list[str]:
    with (COMPETITIONS / "twin-binary" / "train.csv").open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def make_config(kind: str, words: int, **changes: Any) -> PretrainedConfig:
    """Like the models of that kind; RoBERTa counts places from 2 on, DeBERTa has no places in its input."""
    common: dict[str, Any] = {**SIZES, "vocab_size": words, "max_position_embeddings": PLACES, **changes}
    special = {"pad_token_id": 0, "cls_token_id": 2, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3}
    return {
        "bert": lambda: BertConfig(**common),
        "roberta": lambda: RobertaConfig(pad_token_id=1, **{**common, "max_position_embeddings": PLACES + 2}),
        "deberta-v2": lambda: DebertaV2Config(**RELATIVE, type_vocab_size=0, **common),
        "modernbert": lambda: ModernBertConfig(**special, local_attention=8, **common),
    }[kind]()


def make_encoder(folder: Path, kind: str = "bert", seed: int = 0, **changes: Any) -> Path:
    """Write one; its vocabulary is of the 20-row competitions. Its tokenizer pads and cuts, as many do."""
    folder.mkdir(parents=True)
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    tokenizer.train_from_iterator(
        read_texts(), WordPieceTrainer(vocab_size=300, special_tokens=SPECIAL, show_progress=False)
    )
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(length=7)
    tokenizer.enable_truncation(7)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = make_config(kind, tokenizer.get_vocab_size(), **changes)
    config.save_pretrained(folder)
    torch.manual_seed(seed)
    body = AutoModel.from_config(config)
    # A random encoder says next to nothing: with larger weights its rows differ.
    arrays = {name: 4 * part if part.ndim > 1 else part for name, part in body.state_dict().items()}
    save_file(
        {name: part.contiguous() for name, part in arrays.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    return folder


def load_plainly(folder: Path) -> Any:
    """As transformers' own documentation says."""
    return AutoModel.from_pretrained(folder, attn_implementation="eager").float().eval()
