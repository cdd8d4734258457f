"""STL: pretrain the backbone on Re-ID crops, then finetune detection and identification on scenes."""

from personsearch.train.config import (
    FinetuneConfig,
    PretrainConfig,
    load_finetune,
    load_pretrain,
    recipe_names,
)
from personsearch.train.finetune import finetune
from personsearch.train.pretrain import pretrain

__all__ = [
    "FinetuneConfig",
    "PretrainConfig",
    "finetune",
    "load_finetune",
    "load_pretrain",
    "pretrain",
    "recipe_names",
]
