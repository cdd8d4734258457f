"""What the chain from nothing to weights consists of: networks, recipes of their steps, and where everything goes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from personsearch.durable import write_durably
from personsearch.errors import ConfigError
from personsearch.models import preset_names
from personsearch.process import available_cores
from personsearch.synth import Recipe, load_recipe
from personsearch.synth.plates.library import find_plates
from personsearch.train.budgets import Budget, load_budget, overrides_of
from personsearch.train.config import FinetuneConfig, PretrainConfig, load_finetune, load_pretrain
from personsearch.train.watch import WEIGHTS

SETTINGS, VALIDATION = "from-scratch.json", "validation.json"
SET, PRETRAIN, FINETUNE = "set", "pretrain", "finetune"
#: Of the set.
RECIPE = "places"


@dataclass(frozen=True)
class Candidate:
    """A network that the chain trains.

    Attributes:
        name: of its folder.
        preset: its architecture.
        teacher: name of the candidate that it is distilled from.
    """

    name: str
    preset: str
    teacher: str | None = None


@dataclass(frozen=True)
class Chain:
    """What one call does: all its inputs, checked.

    Attributes:
        out: folder of everything.
        budget: from ``budgets.toml``.
        recipe: of the set.
        candidates: in the order in which they are trained.
        preset: architecture of the weights.
        device: to train on; None = the fastest available.
        workers: processes that draw; None = one per core.
    """

    out: Path
    budget: Budget
    recipe: Recipe
    candidates: tuple[Candidate, ...]
    preset: str
    device: str | None
    workers: int | None


def chain_of(
    out: Path,
    budget_name: str,
    photos: str | os.PathLike[str] | None,
    textures: str | os.PathLike[str] | None,
    preset: str,
    device: str | None,
    workers: int | None,
) -> Chain:
    """Check the arguments of :func:`personsearch.train.from_scratch.from_scratch`, before anything is written.

    Raises:
        ConfigError: one of them is wrong.
        DatasetError: the photographs cannot be used.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("from-scratch runs in one process; start it without torchrun")
    if preset not in preset_names():
        raise ConfigError(f"preset {preset!r} is unknown; choose from {', '.join(preset_names())}")
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be 1 or more, got {workers}")
    budget = load_budget(budget_name)
    overrides = overrides_of(budget.set)
    for key, folder in (("places.photos", photos), ("randomise.textures", textures)):
        if folder is not None:
            path = Path(folder).expanduser().absolute()
            if not path.is_dir():
                raise ConfigError(f"{folder}: there is no such folder; give one of pictures, or leave the option out")
            overrides.append(f"{key}={json.dumps(str(path), ensure_ascii=False)}")
    recipe = load_recipe(RECIPE, overrides)
    if recipe.places.photos is not None:
        find_plates(recipe.places.photos)  # a mistake in the folder should cost nobody a started chain
    chain = Chain(out, budget, recipe, candidates_of(preset, budget), preset, device, workers)
    for candidate in chain.candidates:  # and neither should one in a budget
        pretrain_config(chain, candidate)
        finetune_config(chain, candidate)
    return chain


def candidates_of(preset: str, budget: Budget) -> tuple[Candidate, ...]:
    """Return the networks that a budget trains for a preset; those that are candidates for its weights come last."""
    if budget.teacher is None or budget.teacher == preset:
        return (Candidate(preset, preset),)
    teacher = Candidate(budget.teacher, budget.teacher)
    return teacher, Candidate(preset, preset), Candidate(f"{preset}-distilled", preset, teacher.name)


def best_candidate(candidates: tuple[Candidate, ...], preset: str, selections: dict[str, float | None]) -> Candidate:
    """Return the candidate of a preset with the best validation; the first one where none counted anything.

    Args:
        candidates: of the chain.
        preset: architecture of the weights.
        selections: name -> figure of the best epoch's validation, never of the test split; None = nothing counted.
    """
    eligible = [one for one in candidates if one.preset == preset]

    def selection(one: Candidate) -> float:
        value = selections[one.name]
        return -1.0 if value is None else value

    return max(eligible, key=selection)  # the first of equals


def check_settings(chain: Chain) -> None:
    """Record what the chain is made from, or refuse to continue one that is made from something else."""
    ours = {
        "preset": chain.preset,
        "photos": chain.recipe.places.photos,
        "textures": chain.recipe.randomise.textures,
        "budget": chain.budget.model_dump(mode="json", exclude={"about", "num_workers"}),
    }
    path = chain.out / SETTINGS
    if not path.exists():
        write_durably(path, f"{json.dumps(ours, indent=2)}\n".encode())
        return
    try:
        theirs = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ConfigError(f"{path}: is damaged; choose another folder, or delete this one") from None
    changed = [key for key in ours if theirs.get(key) != ours[key]]
    if changed:
        raise ConfigError(
            f"{chain.out}: was started with another {' and another '.join(changed)}; choose another folder, or give "
            "the same arguments to continue"
        )


def held_out_places(chain: Chain) -> list[str]:
    """Return the places that choose the best epoch; a stand-in while there is no set yet."""
    path = chain.out / VALIDATION
    if not path.exists():
        return ["s1"]
    return list(dict.fromkeys(row["scene"] for row in json.loads(path.read_text(encoding="utf-8"))["images"]))


def _overrides(chain: Chain, candidate: Candidate, step: str) -> list[str]:
    """Return what the chain changes in a step's recipe: the budget first, then data, folders and device."""
    of_preset = chain.budget.presets.get(candidate.preset)
    changes = [getattr(chain.budget, step), {} if of_preset is None else getattr(of_preset, step)]
    own: dict[str, Any] = {"model.preset": candidate.preset, "run.out": str(chain.out / candidate.name / step)}
    if chain.device is not None:
        own["run.device"] = chain.device
    if chain.budget.num_workers is not None:
        own["run.num_workers"] = max(1, min(chain.budget.num_workers, available_cores() - 2))
    if step == FINETUNE:
        own["init"] = str((chain.out / candidate.name / PRETRAIN / WEIGHTS).absolute())
    if candidate.teacher is not None:
        teacher = chain.out / candidate.teacher / step / WEIGHTS
        changes.append({"distill": {**chain.budget.distill, "teacher": str(teacher.absolute())}})
    sets: list[dict[str, Any]] = [
        {"annotations": str(chain.out / SET / "train.json")},
        {
            "annotations": str(chain.out / VALIDATION),
            "images": str(chain.out / SET),
            "holdout_places": held_out_places(chain),
        },
    ]
    tables = [
        "{" + ", ".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in one.items()) + "}"
        for one in sets
    ]
    changed = [text for one in (*changes, own) for text in overrides_of(one)]
    return [*changed, f"data.sets=[{', '.join(tables)}]"]


def pretrain_config(chain: Chain, candidate: Candidate) -> PretrainConfig:
    """Return the recipe of a candidate's step 1."""
    return load_pretrain("synth-pretrain", _overrides(chain, candidate, PRETRAIN))


def finetune_config(chain: Chain, candidate: Candidate) -> FinetuneConfig:
    """Return the recipe of a candidate's step 2."""
    return load_finetune("synth-finetune", _overrides(chain, candidate, FINETUNE))
