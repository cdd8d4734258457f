"""Going on with a run by the recipe in its folder."""

from __future__ import annotations

import os
from pathlib import Path

from personsearch.config import parse
from personsearch.train.config import FinetuneConfig, PretrainConfig
from personsearch.train.finetune import finetune
from personsearch.train.pretrain import pretrain
from personsearch.train.watch import RECIPE, read_recipe


def resume(folder: str | os.PathLike[str]) -> Path:
    """Go on with a run where its last checkpoint stands; the folder may have been moved.

    Args:
        folder: the run's (``run.out``).

    Returns:
        What ``pretrain`` or ``finetune`` returns.

    Raises:
        TrainingError: there is no run.
    """
    path = Path(folder)
    step, recipe = read_recipe(path)
    recipe["run"]["out"] = str(path)
    if step == "pretrain":
        return pretrain(parse(PretrainConfig, recipe, str(path / RECIPE)))
    return finetune(parse(FinetuneConfig, recipe, str(path / RECIPE)))
