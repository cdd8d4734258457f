"""Make a data set from a recipe: plan it, draw it in worker processes, merge the labels.

The run may be interrupted at any moment and continued later. Until it is finished, the folder holds ``recipe.json``
(the recipe and the settings), ``.lock`` (held by the running process) and ``.parts`` (the labels of each finished job).
``train.json`` is written last: a folder without it is not a complete set.
"""

from __future__ import annotations

import errno
import json
import logging
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from personsearch.durable import FULL_DISK, write_durably
from personsearch.errors import ConfigError, DatasetError
from personsearch.process import available_cores, locked
from personsearch.progress import Progress
from personsearch.synth.drawing_jobs import PARTS, OpenPainter, Order, job_name, mask_name, part_path
from personsearch.synth.labels import Row, choose_queries, merge
from personsearch.synth.layouts import COMPLETE, check_layout, picture_names, write_tables
from personsearch.synth.photography import open_stage_painter
from personsearch.synth.plan import Job, plan
from personsearch.synth.plates.library import find_plates, fingerprint_of_plates
from personsearch.synth.recipe import Recipe
from personsearch.synth.textures import load_textures
from personsearch.synth.workers import draw_jobs
from personsearch.version import __version__

logger = logging.getLogger(__name__)

FINGERPRINT = "recipe.json"
LOCK = ".lock"
#: What the fingerprint says of the photographs of places that a set is made from.
PHOTOGRAPHS = "photographs"

#: At most this many of the keys in which two recipes differ are listed.
_MAX_KEYS_LISTED = 8
#: How many cameras must see a person well for the person to be an identity.
_MIN_CAMERAS = {"train": 1, "test": 2}
_TEMPORARY = re.compile(r"\..+\.\d+")


def make(
    recipe: Recipe,
    out: str | Path,
    *,
    workers: int | None = None,
    layout: str = "coco",
    keypoints: bool = False,
    masks: bool = False,
    progress: bool | None = None,
    _open_painter: OpenPainter = open_stage_painter,
) -> Path:
    """Make a data set, or continue one that was interrupted.

    Args:
        recipe: what to make; the same recipe gives the same set, whatever the number of workers.
        out: the set's folder: new, empty, or started earlier with the same recipe and settings.
        workers: number of worker processes; default: one per available core.
        layout: ``coco`` or ``prw``.
        keypoints: whether to write COCO's 17 keypoints for each person.
        masks: whether to write an id mask (PNG) for each picture.
        progress: None = a bar on a terminal; True = a bar; False = nothing.

    Returns:
        The folder.

    Raises:
        ConfigError: the layout does not exist, ``workers`` is below 1, or the folder of materials holds none.
        DatasetError: the folder belongs to another recipe, holds other files or is in use by another process; the disk
            is full; a worker was killed; or the folder of photographs holds none that can be used.
        MissingExtraError: a library of the extra ``synth`` is missing, or scipy for ``prw``.
        RenderError: there is no OpenGL through EGL.
    """
    check_layout(layout)
    num_workers = available_cores() if workers is None else workers
    if num_workers < 1:
        raise ConfigError(f"workers must be 1 or more, got {num_workers}")
    folder = Path(out)
    # Before anything is written: a wrong folder of photographs or materials leaves nothing behind.
    if recipe.randomise.textures is not None:
        load_textures(recipe.randomise.textures)
    ours = _fingerprint(recipe, layout, keypoints, masks)
    if not (folder / COMPLETE).exists() and recipe.photographed and recipe.places.photos is not None:
        ours[PHOTOGRAPHS] = fingerprint_of_plates(find_plates(recipe.places.photos, quiet=True))
    with _disk_errors_explained(folder), _sole_owner_of(folder):
        _check_fingerprint(folder, ours)
        if (folder / COMPLETE).exists():
            logger.info("%s: already complete", folder)
        else:
            logger.info("%s: planning who walks where; this takes minutes for fitted recipes with many frames", folder)
            jobs = plan(recipe)
            order = Order(
                recipe=recipe,
                folder=folder,
                names=picture_names(jobs, layout),
                keypoints=keypoints,
                masks=masks,
                open_painter=_open_painter,
            )
            _draw_unfinished_jobs(jobs, order, num_workers, progress)
            _merge_parts(jobs, order, layout)
        shutil.rmtree(folder / PARTS, ignore_errors=True)
    return folder


@contextmanager
def _disk_errors_explained(folder: Path) -> Iterator[None]:
    """Turn a full or read-only disk into an error that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL_DISK:
            raise DatasetError(
                f"{folder}: the disk is full. Free some space and run the same command again to continue"
            ) from None
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise DatasetError(f"{folder}: cannot be written to ({error.strerror}); choose another folder") from None
        raise


@contextmanager
def _sole_owner_of(folder: Path) -> Iterator[None]:
    """Create and lock a folder, and remove half-written files from it before and after."""
    if folder.exists() and not folder.is_dir():
        raise DatasetError(f"{folder}: is a file; choose a folder")
    if folder.exists() and not (folder / FINGERPRINT).exists():
        others = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
        if others:
            raise DatasetError(f"{folder}: holds other files ({others[0]} ...); choose a new or an empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    busy = DatasetError(f"{folder}: another process is making a set here; wait, or choose another folder")
    with locked(folder / LOCK, busy):
        try:
            _remove_temporaries(folder)
            yield
        finally:
            _remove_temporaries(folder)
            if (folder / COMPLETE).exists():
                (folder / LOCK).unlink(missing_ok=True)


def _remove_temporaries(folder: Path) -> None:
    for path in folder.rglob(".*"):
        if _TEMPORARY.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def _fingerprint(recipe: Recipe, layout: str, keypoints: bool, masks: bool) -> dict[str, Any]:
    settings = {"layout": layout, "keypoints": keypoints, "masks": masks}
    return {"personsearch": __version__, **settings, "recipe": recipe.model_dump(mode="json")}


def _check_fingerprint(folder: Path, ours: dict[str, Any]) -> None:
    """Record what the set is made from, or refuse to continue one that is made from something else."""
    path = folder / FINGERPRINT
    if not path.exists():
        write_durably(path, json.dumps(ours, indent=1).encode())
        return
    try:
        theirs = _flat(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, AttributeError):
        raise DatasetError(f"{path}: is not a readable recipe; choose another folder, or delete this one") from None
    now = _flat(ours)
    if PHOTOGRAPHS not in now:  # a finished set no longer needs them
        theirs.pop(PHOTOGRAPHS, None)
    keys = [key for key in sorted({*theirs, *now}) if theirs.get(key) != now.get(key)]
    if keys:
        listed = [f"{key} (there {theirs.get(key)!r}, now {now.get(key)!r})" for key in keys[:_MAX_KEYS_LISTED]]
        more = f" and {len(keys) - _MAX_KEYS_LISTED} more" if len(keys) > _MAX_KEYS_LISTED else ""
        raise DatasetError(
            f"{folder}: was started with another recipe, which differs in {', '.join(listed)}{more}. "
            f"Choose another folder, delete this one, or use its own recipe, which is in {FINGERPRINT}"
        )


def _flat(table: dict[str, Any], parent: str = "") -> dict[str, Any]:
    """Return nested tables as one table with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{parent}{key}.") if isinstance(value, dict) else {parent + key: value}
    return flat


def _draw_unfinished_jobs(jobs: Sequence[Job], order: Order, num_workers: int, progress: bool | None) -> None:
    names = [*order.names.values(), *(map(mask_name, order.names.values()) if order.masks else ())]
    for folder in {PARTS, *(str(Path(name).parent) for name in names)}:
        (order.folder / folder).mkdir(parents=True, exist_ok=True)
    unfinished = [job for job in jobs if _read_part(job, order) is None]
    total, remaining = (sum(len(job.frames) for job in some) for some in (jobs, unfinished))
    with Progress(total=total, done=total - remaining, label="frames", shown=progress) as bar:
        draw_jobs(unfinished, order, num_workers, bar.advance)


def _read_part(job: Job, order: Order) -> list[Row] | None:
    """Return the rows of a job's pictures, or None if the job has to be drawn.

    That is also the case where its part file is damaged, lists other pictures than the plan, or lists missing ones.
    """
    try:
        rows: list[Row] = json.loads(part_path(order.folder, job).read_text(encoding="utf-8"))["images"]
        names = [row["file_name"] for row in rows]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if names != [order.names[frame.name] for frame in job.frames]:
        return None
    return rows if all((order.folder / name).exists() for name in names) else None


def _merge_parts(jobs: Sequence[Job], order: Order, layout: str) -> None:
    images: dict[str, list[Row]] = {split: [] for split in _MIN_CAMERAS}
    for job in jobs:
        rows = _read_part(job, order)
        if rows is None:
            raise DatasetError(f"{order.folder}: pictures of {job_name(job)} are missing; run the same command again")
        images[job.split] += rows
    tables = {
        split: merge(split, images[split], keypoints=order.keypoints, min_cameras=min_cameras)
        for split, min_cameras in _MIN_CAMERAS.items()
    }
    write_tables(order.folder, tables, choose_queries(tables["test"], order.recipe.seed), layout)
