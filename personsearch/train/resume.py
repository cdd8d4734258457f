"""Continuing a run from nothing but its folder."""

from __future__ import annotations

import os
from pathlib import Path

from personsearch.config import parse
from personsearch.train.config import FinetuneConfig, PretrainConfig
from personsearch.train.finetune import finetune
from personsearch.train.pretrain import pretrain
from personsearch.train.watch import RECIPE, read_recipe


def resume(folder: str | os.PathLike[str]) -> Path:
    """Continue a run from its last checkpoint, by the recipe in its folder; the folder may have been moved.

    Args:
        folder: of the run (``run.out``).

    Returns:
        What ``pretrain`` or ``finetune`` returns.

    Raises:
        TrainingError: the folder holds no run.
    """
    path = Path(folder)
    step, recipe = read_recipe(path)
    recipe["run"]["out"] = str(path)
    if step == PretrainConfig.step_of_stl:
        return pretrain(parse(PretrainConfig, recipe, str(path / RECIPE)))
    return finetune(parse(FinetuneConfig, recipe, str(path / RECIPE)))
