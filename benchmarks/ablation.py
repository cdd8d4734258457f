"""The paper's tables (1 to 6) on synth-mini, with the paper's figures in the next column.

    python benchmarks/ablation.py SYNTH_MINI runs/ablation --budget tiny
    python benchmarks/ablation.py SYNTH_MINI runs/ablation --budget tiny --finished --save TABLE.md
    python benchmarks/ablation.py SYNTH_MINI runs/ablation --budget full --imagenet imagenet

Pretrainings, fine-tunings and one cascade of the small preset, all runs of a step under the same budget; the rows and
the paper's figures are in ``ablation_tables.py``. The number of epochs is fixed and the last weights are kept: nothing
is held out, and nothing is selected on the test split, whose people, places and cameras training never saw.

With ``--imagenet`` the ImageNet rows are run too, and step 1 starts from those weights as well, as the paper's does.

The folder keeps the figures: the same command continues an interrupted run, and does not repeat a finished one. A run's
folder is named by a hash of everything that defines the run (recipe, data, the pretraining it starts from), so changing
one of these makes a new run. A change of the code goes unnoticed.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import logging
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ablation_tables import IMAGENET, RUNS, report

from personsearch import PersonSearcher
from personsearch.datasets import Dataset, load_dataset
from personsearch.durable import write_durably
from personsearch.errors import DatasetError, PersonSearchError
from personsearch.measure.run import TRUTH, Plan, run_evaluation
from personsearch.train import finetune, load_finetune, load_pretrain, pretrain
from personsearch.train.config import FinetuneConfig, PretrainConfig
from personsearch.train.crops import Crops, cut_crops
from personsearch.train.distributed import join_world
from personsearch.train.pretrain import reid_figures
from personsearch.train.tasks import ReidTask
from personsearch.weights.files import BACKBONE_FILE, read_tensors
from personsearch.weights.names import Folder

logger = logging.getLogger("ablation")

FIGURES = "figures.json"


@dataclass(frozen=True)
class Budget:
    """What a run may cost.

    Attributes:
        seeds: each run is repeated with each seed.
        places: train on the first places of the set, this many; None = on all.
        pretrain: changes to the recipe ``ablation-pretrain.toml``.
        finetune: changes to the recipe ``ablation-finetune.toml``.
        both: changes to both.
        threads: that torch uses on the CPU; None = torch's choice.
    """

    seeds: tuple[int, ...]
    places: int | None
    pretrain: tuple[str, ...] = ()
    finetune: tuple[str, ...] = ()
    both: tuple[str, ...] = ()
    threads: int | None = None


#: Nothing is held out: with a fixed number of epochs there is nothing to select.
WHOLE = "data.holdout_places=[]"

BUDGETS = {
    # Seconds per row: does every row run on this data?
    "smoke": Budget(
        seeds=(1,),
        places=1,
        pretrain=("schedule.epochs=1", "num_identities=2", "num_instances=2"),
        finetune=("schedule.epochs=1", "batch_size=2"),
        both=(
            *("model.input.min_size=96", "model.input.max_size=160", "model.reid.roi_size=[8, 4]"),
            *("model.detector.head_width=16", "model.detector.rpn_post_nms_test=20", "run.num_workers=0"),
        ),
        threads=1,
    ),
    # About an hour of one core.
    "tiny": Budget(
        seeds=(1,),
        places=2,
        pretrain=("schedule.epochs=8", "schedule.warmup_epochs=0.5"),
        finetune=("schedule.epochs=3",),
        both=("model.input.min_size=320", "model.input.max_size=480", "run.num_workers=0", "run.checkpoint_every=40"),
        threads=1,
    ),
    # The recipes as they are, for a GPU.
    "full": Budget(seeds=(1, 2, 3), places=None, both=("run.num_workers=4",)),
}


@dataclass(frozen=True)
class Data:
    """A set with ``train.json``, ``test.json`` and ``queries.json``.

    Attributes:
        folder: of the set; the images' paths are relative to it.
        train: the annotations to train on, of the budget's places only.
        digest: sha256 of labels, queries and the images' file sizes.
    """

    folder: Path
    train: Path
    digest: str


@dataclass(frozen=True)
class Planned:
    """A run of the tables with one seed, as a recipe.

    Attributes:
        name: key of RUNS.
        config: the recipe, with ``run.out``, ``init`` and the teacher filled in; of a cascade, that of its detector.
        folder: of the run, named by a hash of what defines it.
        reid: folder of the pretraining that embeds a cascade's crops.
    """

    name: str
    config: PretrainConfig | FinetuneConfig
    folder: Path
    reid: Path | None = None


def read_data(folder: Path, places: int | None, out: Path) -> Data:
    """Read the set, and write the annotations of the part that is trained on.

    Args:
        folder: of the set.
        places: train on the first places, this many; None = on all.
        out: folder for the part's annotations.

    Raises:
        DatasetError: the set cannot be used, has no queries, or its places are unknown.
    """
    train, scenes = folder / "train.json", load_dataset(folder, "train", format="coco").scenes
    if places is not None:
        kept = list(dict.fromkeys(scene.place for scene in scenes))[:places]
        if None in kept:
            raise DatasetError(f"{train}: images have no 'scene' (their place) to choose by; use another --budget")
        data = json.loads(train.read_text(encoding="utf-8"))
        images = [row for row in data["images"] if row.get("scene") in kept]
        ids = {row["id"] for row in images}
        people = [row for row in data["annotations"] if row["image_id"] in ids]
        train = out / "train.json"
        out.mkdir(parents=True, exist_ok=True)
        write_durably(train, json.dumps({**data, "images": images, "annotations": people}).encode())
        scenes = load_dataset(train, "train", images=folder).scenes
    texts = [train, folder / "test.json", folder / "queries.json"]
    every = [*scenes, *read_test(folder).scenes]
    sizes = [scene.path.stat().st_size for scene in every]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in texts) + json.dumps(sizes).encode())
    return Data(folder, train, digest.hexdigest())


def plan(name: str, seed: int, budget: Budget, data: Data, out: Path, imagenet: str | None = None) -> Planned:
    """Resolve the recipe of a run, and name the run's folder by it.

    Args:
        name: key of RUNS.
        seed: of the run and of those that it needs.
        budget: what it may cost.
        data: the set.
        out: folder of all runs.
        imagenet: ``init`` of runs that start from ImageNet weights.
    """
    run = RUNS[name]

    def needed(other: str) -> Planned:
        return plan(other, seed, budget, data, out, imagenet)

    reid = needed(run.reid).folder if run.reid else None
    if run.step == "cascade":
        detector = needed(str(run.init))
        folder = _folder(out, name, seed, [detector.folder.name, str(reid and reid.name)])
        return Planned(name, detector.config, folder, reid)
    # The name that goes into the hash, and what the recipe gets: folders may be moved.
    start: tuple[str | None, str | None] = None, None
    if run.init == IMAGENET or (run.step == "pretrain" and imagenet):
        start = f"{IMAGENET} {Path(str(imagenet)).name}", imagenet
    elif run.init:
        weights = needed(run.init).folder
        start = weights.name, str(Folder(weights / "weights"))
    own = budget.pretrain if run.step == "pretrain" else budget.finetune
    where = [f"data.annotations={json.dumps(str(data.train))}", f"data.images={json.dumps(str(data.folder))}"]
    teacher = [f"dkd_like.teacher={json.dumps(str(Folder(reid)))}"] if reid else []
    changes = [WHOLE, f"run.seed={seed}", *where, *budget.both, *own, *run.changes, *teacher]
    load = load_pretrain if run.step == "pretrain" else load_finetune
    config = load(Path(__file__).parent / f"ablation-{run.step}.toml", changes).model_copy(update={"init": start[1]})
    recipe = config.model_dump(mode="json", exclude={"data", "init"})
    recipe["run"] = {key: recipe["run"][key] for key in ("seed", "precision")}
    if reid:
        recipe["dkd_like"]["teacher"] = reid.name
    folder = _folder(out, name, seed, [recipe, data.digest, start[0]])
    settings = config.run.model_copy(update={"out": str(folder)})
    return Planned(name, config.model_copy(update={"run": settings}), folder)


def _folder(out: Path, name: str, seed: int, definition: list[Any]) -> Path:
    text = json.dumps(definition, sort_keys=True)
    return out / f"{name}-seed{seed}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def figures_of(planned: Planned, data: Data) -> dict[str, float]:
    """Return a run's figures: from its folder if they are there, otherwise after training what remains of the run."""
    path = planned.folder / FIGURES
    if path.exists():
        return read_figures(planned)
    logger.info("%s, in %s", planned.name, planned.folder)
    begin = time.perf_counter()
    if planned.reid is not None:
        figures = cascade_style(
            Path(planned.config.run.out) / "weights", planned.reid / "weights", planned.config, data
        )
        planned.folder.mkdir(parents=True, exist_ok=True)
    elif isinstance(planned.config, PretrainConfig):
        figures = reid_style(pretrain(planned.config), planned.config, data)
    else:
        figures = search_style(finetune(planned.config), planned.config, data)
    write_durably(path, json.dumps(figures, indent=1).encode())
    summary = "  ".join(f"{key} {value:.4g}" for key, value in figures.items())
    logger.info("%s: %s  (%.1f minutes)", planned.name, summary, (time.perf_counter() - begin) / 60)
    return figures


def read_figures(planned: Planned) -> dict[str, float]:
    """Read the figures of a finished run."""
    figures: dict[str, float] = json.loads((planned.folder / FIGURES).read_text(encoding="utf-8"))
    return figures


def search_style(weights: Path, config: FinetuneConfig, data: Data) -> dict[str, float]:
    """Search the whole test split for every query (preset ``standard``), in the precision of training."""
    test = read_test(data.folder)
    searcher = PersonSearcher.from_pretrained(weights, device=config.run.device, dtype=config.run.precision)
    all_figures = run_evaluation(searcher, test, progress=False).main.figures()
    people = len({query.identity for query in test.queries})
    figures = {name: all_figures[name] for name in ("mAP", "top1", "AP", "recall")}
    return {**figures, "queries": len(test.queries), "people": people, "frames": len(test.scenes)}


def cascade_style(weights: Path, reid: Path, config: PretrainConfig | FinetuneConfig, data: Data) -> dict[str, float]:
    """As :func:`search_style`, the detections embedded as crops by step 1's network; and what both systems cost.

    Args:
        weights: of step 2, whose detections are taken.
        reid: of step 1.
        config: the recipe of step 2.
        data: the set.
    """
    test = read_test(data.folder)
    searcher = PersonSearcher.from_pretrained(weights, device=config.run.device, dtype=config.run.precision)
    evaluation = run_evaluation(searcher, test, Plan(two_step=reid), progress=False)
    cascade = evaluation.two_step
    if cascade is None:
        raise RuntimeError("the plan has a cascade, the evaluation has none")
    figures: dict[str, float] = {}
    for of, row in (("", cascade.row), ("annotated ", cascade.bound), ("one-step annotated ", TRUTH)):
        report = evaluation.report_of(row).figures()
        figures |= {f"{of}{name}": report[name] for name in ("mAP", "top1", "AP", "recall")}
    people = len({query.identity for query in test.queries})
    costs = {
        "one-step parameters": cascade.parameters.one_step,
        "two-step parameters": cascade.parameters.detection + cascade.parameters.reid,
        "one-step seconds": cascade.pace.one_step,
        "two-step seconds": cascade.pace.two_step,
        "timed": cascade.pace.pictures,
    }
    return {**figures, "queries": len(test.queries), "people": people, "frames": len(test.scenes), **costs}


def reid_style(weights: Path, config: PretrainConfig, data: Data) -> dict[str, float]:
    """Query the labelled boxes of the test split with each of them; same-camera matches are left out."""
    crops = cut_test(data.folder, *config.model.crop_size)
    task = ReidTask(config.model, 1, config.losses)
    task.network.load_state_dict(read_tensors(weights / BACKBONE_FILE))
    with join_world(config.run.device) as world:
        task.to(world.device).eval()
        reid = reid_figures(task, crops=crops, known=set(), world=world)
    people = len(set(crops.identities.tolist()))
    return {"mAP": reid["reid_map"], "top1": reid["reid_top1"], "queries": reid["reid_queries"], "people": people}


@functools.lru_cache(maxsize=1)
def read_test(folder: Path) -> Dataset:
    """Read the test split; all its images must exist, and it must have queries."""
    test = load_dataset(folder, format="coco")
    if not test.queries:
        raise DatasetError(f"{folder}: has no queries.json that fits its test.json, so there is nobody to search for")
    return test


@functools.lru_cache(maxsize=1)
def cut_test(folder: Path, height: int, width: int) -> Crops:
    """Cut the labelled people out of the test split."""
    return cut_crops(read_test(folder).scenes, height, width)


def heading(name: str, budget: Budget, data: Data, plans: list[Planned], imagenet: str | None) -> list[str]:
    """Return the lines above the tables, which say what was run."""
    scenes = load_dataset(data.train, "train", images=data.folder).scenes
    people = {label for scene in scenes for label in scene.identities.tolist() if label >= 0}
    test = read_test(data.folder)
    recipes = []
    for step, changes in (("pretrain", budget.pretrain), ("finetune", budget.finetune)):
        epochs = next(one.config.schedule.epochs for one in plans if RUNS[one.name].step == step)
        shown = " ".join((WHOLE, *budget.both, *changes))
        recipes.append(f"Step `{step}`: {epochs} epochs; recipe `ablation-{step}.toml` with `{shown}`.")
    if imagenet:
        recipes.append(f"Step 1, and the rows named so, start from the ImageNet weights of `{Path(imagenet).name}`.")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} thread(s)"
    paragraphs = [
        f"`{data.folder.name}`, `--budget {name}`: {len(budget.seeds)} seed(s) of each run, trained on {len(scenes)} "
        f"scenes with {len(people)} people.",
        *recipes,
        f"Tested on {len(test.scenes)} scenes with {len(test.queries)} queries. Nothing is held out or selected: the "
        "last weights count. All rows of a step have the same budget; a pretraining comes on top of it. The paper's "
        "figures are of a ResNet50-IBN-a on PRW, after 120 and 20 epochs. Per cent.",
        f"{device}, torch {torch.__version__}, Python {platform.python_version()}.",
    ]
    return [f"# ablation.py, {time.strftime('%Y-%m-%d')}", *(part for line in paragraphs for part in ("", line)), ""]


def main(arguments: list[str] | None = None) -> None:
    """Train what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the set: train.json, test.json, queries.json")
    parser.add_argument("out", type=Path, help="folder of the runs and their figures")
    parser.add_argument(
        "--budget",
        choices=BUDGETS,
        required=True,
        help="smoke: seconds per row; tiny: about an hour of one core; full: a GPU",
    )
    parser.add_argument(
        "--imagenet",
        metavar="INIT",
        help="also run the ImageNet rows; their init: imagenet, or a file of weights of the small preset's backbone",
    )
    parser.add_argument("--finished", action="store_true", help="train nothing; show the tables of what is finished")
    parser.add_argument("--save", type=Path, help="also write the tables to this file")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    budget = BUDGETS[options.budget]
    if budget.threads:
        torch.set_num_threads(budget.threads)
    out = options.out / options.budget
    data = read_data(options.data, budget.places, out)
    names = [name for name, run in RUNS.items() if options.imagenet or run.init != IMAGENET]
    plans = [plan(name, seed, budget, data, out, options.imagenet) for seed in budget.seeds for name in names]
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number, planned in enumerate(plans, 1):
        if not options.finished:
            logger.info("run %d of %d: %s, seed %d", number, len(plans), planned.name, planned.config.run.seed)
            results[planned.name].append(figures_of(planned, data))
        elif (planned.folder / FIGURES).exists():
            results[planned.name].append(read_figures(planned))
    text = "\n".join([*heading(options.budget, budget, data, plans, options.imagenet), *report(results)])
    print(f"\n{text}")
    if options.save:
        write_durably(options.save, text.encode())


if __name__ == "__main__":
    try:
        main()
    except PersonSearchError as error:
        raise SystemExit(str(error)) from None
