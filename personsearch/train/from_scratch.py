"""From nothing to weights: a synthetic set, both steps of STL, figures of the set's test split.

Every stage leaves its result in a folder of its own, whole or not at all, so the same call continues wherever it was
interrupted::

    OUT/set/                      the rendered set
    OUT/validation.json           the places of its test split that choose the best epoch
    OUT/PRESET/pretrain/          step 1, a run as `personsearch train status` reads it
    OUT/PRESET/finetune/          step 2
    OUT/PRESET/figures.json       figures of the test split
    OUT/weights/                  the weights, with a model card
    OUT/summary.json              all figures in one place
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from personsearch.datasets import Dataset, load_dataset
from personsearch.durable import write_durably
from personsearch.errors import ConfigError, TrainingError
from personsearch.evaluation.evaluate import Report, evaluate_observations
from personsearch.evaluation.rules import rules_of
from personsearch.measure.run import run_evaluation
from personsearch.process import available_cores, locked
from personsearch.searcher import PersonSearcher
from personsearch.synth import make
from personsearch.train.card import write_card
from personsearch.train.chain import (
    FINETUNE,
    PRETRAIN,
    SET,
    SETTINGS,
    VALIDATION,
    Candidate,
    Chain,
    best_candidate,
    chain_of,
    check_settings,
    finetune_config,
    held_out_places,
    pretrain_config,
)
from personsearch.train.config import TrainConfig
from personsearch.train.estimate import SetSize, estimate_finetune, estimate_pretrain, measure_set
from personsearch.train.finetune import finetune
from personsearch.train.pretrain import pretrain
from personsearch.train.watch import WEIGHTS, nan_as_none, read_status
from personsearch.version import __version__
from personsearch.weights.files import CONFIG_FILE, MODEL_FILE, read_config, read_tensors, save_folder

logger = logging.getLogger(__name__)

SUMMARY, FIGURES, LOCK = "summary.json", "figures.json", ".lock"
#: Seconds of one core that drawing takes per million pixels; measured with llvmpipe.
DRAWING = 0.35
#: Of the test split's places, the last of these many choose the best epoch.
SHARE_OF_VALIDATION = 3

Split = Literal["all places", "places that chose no epoch"]


def from_scratch(
    out: str | os.PathLike[str],
    *,
    budget: str = "cpu",
    photos: str | os.PathLike[str] | None = None,
    textures: str | os.PathLike[str] | None = None,
    preset: str = "stl-mrfp-small",
    device: str | None = None,
    workers: int | None = None,
) -> Path:
    """Make a set, train both steps of STL on it, evaluate; or continue where an earlier call was interrupted.

    Args:
        out: folder of everything; new, or of an earlier call with the same budget, preset, photographs and textures.
        budget: ``tiny``, ``cpu`` or ``gpu``, or ``FILE.toml:NAME``; see :mod:`personsearch.train.budgets`.
        photos: folder of photographs of places without people; None = all places are drawn.
        textures: folder of photographed materials; None = all materials are drawn.
        preset: architecture of the weights.
        device: to train on; None = cuda if there is a GPU, else cpu.
        workers: processes that draw the set; None = one per core.

    Returns:
        The weights folder that ``PersonSearcher.from_pretrained`` opens.

    Raises:
        ConfigError: an argument is wrong, or ``out`` was started with others.
        DatasetError: the photographs cannot be used, or the disk is full.
        MissingExtraError: a library of the extra ``synth`` is missing.
        RenderError: there is no OpenGL through EGL.
        TrainingError: another process works in ``out``, or a loss is not finite.
    """
    chain = chain_of(Path(out), budget, photos, textures, preset, device, workers)
    with _sole_owner_of(chain.out):
        check_settings(chain)
        stages = _stages(chain)
        for number, stage in enumerate(stages, start=1):
            text = f"stage {number} of {len(stages)}, {stage.what}"
            if stage.result.exists():
                logger.info("%s: done before", text)
            else:
                stage.run(text)
    return chain.out / WEIGHTS


def read_summary(out: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a finished chain wrote into ``summary.json``: ``kept`` and ``rows`` of figures as fractions.

    Raises:
        TrainingError: the chain is not finished.
    """
    path = Path(out) / SUMMARY
    try:
        summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise TrainingError(f"{path}: not there; run 'personsearch train from-scratch' to the end") from None
    return summary


@contextmanager
def _sole_owner_of(out: Path) -> Iterator[None]:
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out}: is a file; give a folder")
    if out.is_dir() and not (out / SETTINGS).exists():
        others = [path.name for path in out.iterdir() if not path.name.startswith(".")]
        if others:
            raise ConfigError(f"{out}: holds other files ({others[0]} ...); choose a new or an empty folder")
    out.mkdir(parents=True, exist_ok=True)
    busy = TrainingError(f"{out}: another process works here; wait for it, or choose another folder")
    with locked(out / LOCK, busy):
        yield


class _Stage(NamedTuple):
    """What a stage is; what it writes last, so that it is done where that is there; and what does it.

    ``run`` takes how to announce the stage.
    """

    what: str
    result: Path
    run: Callable[[str], None]


def _stages(chain: Chain) -> list[_Stage]:
    stages = [_Stage("the set", chain.out / VALIDATION, partial(_draw, chain))]
    for one in chain.candidates:
        folder = chain.out / one.name
        of = f"{one.preset}, distilled from {one.teacher}" if one.teacher else one.preset
        stages += [
            # A weights folder's config.json is written last.
            _Stage(f"STL step 1 of {of}", folder / PRETRAIN / WEIGHTS / CONFIG_FILE, partial(_pretrain, chain, one)),
            _Stage(f"STL step 2 of {of}", folder / FINETUNE / WEIGHTS / CONFIG_FILE, partial(_finetune, chain, one)),
            _Stage(f"figures of {one.name}", folder / FIGURES, partial(_evaluate, chain, one)),
        ]
    return [*stages, _Stage("the weights", chain.out / SUMMARY, partial(_finish, chain))]


def _draw(chain: Chain, text: str) -> None:
    recipe = chain.recipe
    frames = sum(split.scenes * recipe.cameras.per_scene * split.frames for split in (recipe.train, recipe.test))
    cores = chain.workers or available_cores()
    seconds = DRAWING * frames * recipe.width * recipe.height / 1e6 / cores
    people = recipe.train.identities + recipe.test.identities
    logger.info("%s: %s pictures of %s people, %s", text, f"{frames:,}", f"{people:,}", in_words(seconds))
    if recipe.places.photos is None:
        logger.info("no photographs are given: every place is drawn, and the weights will know real places less well")
    folder = make(recipe, chain.out / SET, workers=chain.workers)
    _hold_out(folder, chain.out / VALIDATION)


def _hold_out(folder: Path, path: Path) -> None:
    """Write the annotations of the test split's last places: other people, sensors and photographs than in training."""
    table = json.loads((folder / "test.json").read_text(encoding="utf-8"))
    places = list(dict.fromkeys(image["scene"] for image in table["images"]))
    chosen = places[-max(1, len(places) // SHARE_OF_VALIDATION) :]
    images = [image for image in table["images"] if image["scene"] in chosen]
    kept = {image["id"] for image in images}
    annotations = [row for row in table["annotations"] if row["image_id"] in kept]
    table = {**table, "images": images, "annotations": annotations}
    write_durably(path, json.dumps(table).encode())


def _pretrain(chain: Chain, candidate: Candidate, text: str) -> None:
    config = pretrain_config(chain, candidate)
    _announce(text, config, lambda: estimate_pretrain(config, _size(chain)))
    pretrain(config)


def _finetune(chain: Chain, candidate: Candidate, text: str) -> None:
    config = finetune_config(chain, candidate)
    _announce(text, config, lambda: estimate_finetune(config, _size(chain)))
    finetune(config)


def _announce(text: str, config: TrainConfig, estimate: Callable[[], float]) -> None:
    logger.info("%s: estimating", text)
    logger.info("%s: %d epochs, %s from its start to its end", text, config.schedule.epochs, in_words(estimate()))


def _size(chain: Chain) -> SetSize:
    return measure_set(chain.out / SET / "train.json", chain.out / VALIDATION, chain.out / SET)


def in_words(seconds: float) -> str:
    """Return a duration as people say it: under a minute, about 12 minutes, about 3.5 hours."""
    if seconds < 60:
        return "under a minute"
    if seconds < 100 * 60:
        minutes = round(seconds / 60)
        return f"about {minutes} minute{'s' * (minutes > 1)}"
    return f"about {seconds / 3600:.1f} hours"


def _evaluate(chain: Chain, candidate: Candidate, text: str) -> None:
    """Measure a candidate on the whole test split, and on those of its places that chose no epoch."""
    logger.info("%s", text)
    folder = chain.out / candidate.name
    test = load_dataset(chain.out / SET, "test")
    searcher = PersonSearcher.from_pretrained((folder / FINETUNE / WEIGHTS).absolute(), device=chain.device)
    evaluation = run_evaluation(searcher, test)
    chose = set(held_out_places(chain))
    rest = _part(test, [scene.image_id for scene in test.scenes if scene.place not in chose])
    reports: dict[Split, Report] = {"all places": evaluation.main}
    if rest.scenes:
        own = evaluation.observed[evaluation.weights]
        reports["places that chose no epoch"] = evaluate_observations(own, rest, rules_of("standard"), name="rest")
    best = read_status(folder / FINETUNE).best
    figures = {
        "validation": None if best is None else best[1],
        "reports": {
            name: {"scenes": report.scenes, "queries": report.queries, **report.figures()}
            for name, report in reports.items()
        },
        "computed_on": evaluation.timing()["computed_on"],
        "date": evaluation.date,
        "personsearch": __version__,
    }
    write_durably(folder / FIGURES, f"{json.dumps(nan_as_none(figures), indent=2)}\n".encode())


def _part(dataset: Dataset, names: list[str]) -> Dataset:
    kept = set(names)
    return replace(
        dataset,
        scenes=tuple(scene for scene in dataset.scenes if scene.image_id in kept),
        queries=tuple(query for query in dataset.queries if query.image_id in kept),
    )


def _finish(chain: Chain, text: str) -> None:
    logger.info("%s", text)
    measured = {
        one.name: json.loads((chain.out / one.name / FIGURES).read_text(encoding="utf-8")) for one in chain.candidates
    }
    selections = {name: (one["validation"] or {}).get("selection") for name, one in measured.items()}
    kept = best_candidate(chain.candidates, chain.preset, selections)
    if len(chain.candidates) > 1:
        logger.info("%s is kept: best on the places that choose the epoch", kept.name)
    source = chain.out / kept.name / FINETUNE / WEIGHTS
    target = chain.out / WEIGHTS
    save_folder(target, read_config(source), read_tensors(source / MODEL_FILE), metadata={"personsearch": __version__})
    summary = {
        "kept": kept.name,
        "photographs": chain.recipe.places.photos,
        "rows": [
            {"name": name, "scored on": split, **report}
            for name, one in measured.items()
            for split, report in one["reports"].items()
        ],
    }
    write_card(target, chain.out, kept.name, chain.recipe, measured)
    write_durably(chain.out / SUMMARY, f"{json.dumps(summary, indent=2)}\n".encode())
