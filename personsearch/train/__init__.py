"""STL: pretrain the backbone on Re-ID crops, then finetune detection and identification on scenes."""

from personsearch.train.adapt import adapt
from personsearch.train.config import (
    FinetuneConfig,
    PretrainConfig,
    describe_recipes,
    load_finetune,
    load_pretrain,
    recipe_names,
)
from personsearch.train.finetune import finetune, rehearse_finetune
from personsearch.train.from_scratch import from_scratch
from personsearch.train.pretrain import pretrain, rehearse_pretrain
from personsearch.train.rehearsal import Rehearsal
from personsearch.train.resume import resume
from personsearch.train.watch import RunStatus, read_status

__all__ = [
    "FinetuneConfig",
    "PretrainConfig",
    "Rehearsal",
    "RunStatus",
    "adapt",
    "describe_recipes",
    "finetune",
    "from_scratch",
    "load_finetune",
    "load_pretrain",
    "pretrain",
    "read_status",
    "recipe_names",
    "rehearse_finetune",
    "rehearse_pretrain",
    "resume",
]
