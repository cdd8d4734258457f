"""Adapt weights to one place from pictures of it with nobody in them: nobody is photographed, nobody is labelled.

Synthetic people are rendered into the pictures, the weights learn from that, and what they gained is measured on
pictures that were held back. Everything is made in ``OUT.adapting`` beside ``OUT`` and kept there until it is finished,
so the same call continues an interrupted one; ``OUT`` appears in one step at the end.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from personsearch.datasets import Dataset, load_dataset
from personsearch.durable import write_durably
from personsearch.errors import ConfigError, ImageError, MissingExtraError
from personsearch.pictures.decode import image_size
from personsearch.process import available_cores
from personsearch.searcher import PersonSearcher
from personsearch.train.adaptation import budget, figures, folder, places
from personsearch.train.adaptation.ground import PERSON, GroundPlane, find_ground_plane
from personsearch.train.adaptation.learning import adapting_config
from personsearch.train.adaptation.norms import footage_canvases, with_statistics_of
from personsearch.train.adaptation.places import EmptyPicture, Place
from personsearch.train.adaptation.result import write_result
from personsearch.train.adaptation.sets import checking_recipe, frame_size, render, training_recipe
from personsearch.train.adaptation.sheet import COMPOSITES, EMPTY, before_and_after
from personsearch.train.config import FinetuneConfig
from personsearch.train.finetune import finetune, rehearse_finetune
from personsearch.train.watch import nan_as_none, none_as_nan
from personsearch.version import __version__
from personsearch.weights.names import Folder
from personsearch.weights.registry import DEFAULT, load_again

logger = logging.getLogger(__name__)

Source = str | os.PathLike[str]
#: A detection of this score in a picture of the empty place is taken for a person.
SURE = 0.8
#: In the working folder: copies of the pictures, the set to train on, the set to measure on.
PLACES, SET, CHECK = "places", "set", "check"
_NAMED = 5


def adapt(
    empty_pictures: Source | Sequence[Source],
    out: Source,
    *,
    empty: Sequence[str] = (),
    people: Sequence[Sequence[float]] = (),
    people_picture: Source | None = None,
    person_height: float = PERSON,
    place: Place | None = None,
    footage: Source | None = None,
    weights: Source = DEFAULT,
    minutes: float = 30.0,
    anyway: bool = False,
    workers: int | None = None,
    device: str | None = None,
    seed: int = 1,
    progress: bool | None = None,
) -> Path:
    """Adapt weights to the place of one camera, from 5 to 50 pictures of it without people.

    The same call continues where an interrupted one stopped.

    Args:
        empty_pictures: a folder of pictures, a list of them, or a video. Of more than 50, 50 are used. They are taken
            upright (EXIF) and may have different sizes; the size that most have is that of the camera.
        out: folder for the weights: new or empty.
        empty: when the video shows nobody: ``"0:00-0:55"``, ``"12s-20s"``, or numbers of frames, ``"0-550"``; none =
            all the time.
        people: two boxes x1, y1, x2, y2 in pixels of one upright picture of the camera, of somebody near and somebody
            far, from head to feet: they say how high the camera hangs and where the horizon is, and people get the
            right size everywhere. None = people of all likely sizes.
        people_picture: which picture the boxes are of: a name in ``empty_pictures``, or a file; default the first.
        person_height: of what the boxes show, metres; a door is about 2.0.
        place: indoors people stand within 7 m, outdoors within 40; None = within 16.
        footage: a video of the same camera, perhaps with people: the statistics of BatchNorm are taken from it if no
            figure on the held-back pictures falls.
        weights: what to begin with: a name of weights, or a folder.
        minutes: for all of it, on this machine as busy as it is; at least what the message says.
        anyway: go on although the weights detect somebody in the pictures.
        workers: rendering processes; default one per core.
        device: of the network; default cuda, then mps, then cpu.
        seed: of everything random.
        progress: None = bars on a terminal, True = always, False = none.

    Returns:
        ``out``: a weights folder that ``PersonSearcher.from_pretrained`` opens, with ``report.json`` (figures before
        and after), ``before-after.jpg`` to look at, and a ``README.md``.

    Raises:
        ImageError: the pictures or boxes cannot be used, or show people.
        ConfigError: a value is out of range, or the minutes are too few.
        TrainingError: ``out`` holds other files, or an adaptation with other settings.
        MissingExtraError: a library of the extra ``synth`` is missing, or PyAV for videos.
        RenderError: there is no OpenGL through EGL.
    """
    started = time.perf_counter()
    target = Path(out).expanduser()
    _check_numbers(minutes, workers)
    source = places.find_pictures(empty_pictures)
    _require_apart(source, target)
    film = None if footage is None else places.require_video(footage)
    ranges = (empty,) if isinstance(empty, str) else tuple(empty)
    settings = {
        "pictures": _digest(source),
        "empty": list(ranges),
        "people": [list(map(float, box)) for box in people],
        "people_picture": None if people_picture is None else str(people_picture),
        "person_height": person_height,
        "place": place,
        "weights": str(weights),
        "minutes": minutes,
        "seed": seed,
    }
    if folder.is_finished(target, settings):
        logger.info("%s: already finished", target)
        folder.remove_work(target)
        return target
    _require_renderer()
    work = folder.work_of(target)
    with folder.sole_owner_of(work, settings):
        if not (work / PLACES).exists():
            places.copy_pictures(source, ranges, work / PLACES)
        pictures = places.copied_pictures(work / PLACES)
        size = places.usual_size(pictures)
        plane = _ground_plane(pictures, size, people, people_picture, person_height)
        places.describe_pictures(work / PLACES, plane, place, size[0] / size[1])
        searcher = PersonSearcher.from_pretrained(weights, device=device, dtype="float32")
        look = _require_nobody(searcher, pictures, anyway)
        task = _Task(
            work=work,
            searcher=searcher,
            init=str(Folder(Path(weights).expanduser().absolute())) if isinstance(weights, os.PathLike) else weights,
            size=frame_size(size),
            empty=tuple(one.file for one in pictures if one.held_back),
            seed=seed,
            workers=workers or available_cores(),
            progress=progress,
        )
        plan = _planned(task, minutes, started, look)
        render(
            training_recipe(work / PLACES / places.TRAIN, task.size, plan.frames, seed=seed),
            work / SET,
            workers=task.workers,
            progress=progress,
        )
        before = _measured(task, searcher, work / "before.json")
        trained = finetune(task.training(SET, plan.epochs))
        adapted = PersonSearcher.from_pretrained(trained, device=device, dtype="float32")
        after = _measured(task, adapted, work / "after.json")
        about_footage = None
        if film is not None:
            adapted, after, about_footage = _with_footage(task, adapted, after, film)
        report = {
            "settings": settings,
            "base": {"name": searcher.spec.name, "fingerprint": searcher.spec.fingerprint},
            "fingerprint": adapted.spec.fingerprint,
            "figures": {"before": before, "after": after},
            "footage": about_footage,
            "ground_plane": None if plane is None else plane.to_dict(),
            "pictures": {
                "training": [one.name for one in pictures if not one.held_back],
                "held_back": [one.name for one in pictures if one.held_back],
            },
            "plan": asdict(plan),
            "seconds": round(time.perf_counter() - started, 1),
            "personsearch": __version__,
        }
        sheet = before_and_after(searcher, adapted, task.composites().scenes, task.empty)
        write_result(work / "result", adapted, report, sheet, name=target.name, base=str(weights))
        folder.publish(work / "result", target)
    folder.remove_work(target)
    return target


@dataclass(frozen=True, eq=False, kw_only=True)
class _Task:
    """What the steps have in common."""

    work: Path
    searcher: PersonSearcher
    init: str
    size: tuple[int, int]
    empty: tuple[Path, ...]
    seed: int
    workers: int
    progress: bool | None

    def training(self, annotations: str, epochs: int) -> FinetuneConfig:
        """Return the recipe of the training on a set in the working folder."""
        return adapting_config(
            self.work / annotations / "train.json",
            self.work / f"{annotations}-run",
            self.searcher.config,
            self.init,
            epochs=epochs,
            seed=self.seed,
            device=self.searcher.device,
            loaders=min(1, self.workers - 1),
        )

    def composites(self) -> Dataset:
        """Return the rendered people over held-back pictures."""
        return load_dataset(self.work / CHECK, "test")


def _planned(task: _Task, minutes: float, started: float, look: float) -> budget.Plan:
    """Return the plan of the run, made on its first call from how fast this machine is now; and say what it is."""
    path = task.work / folder.PLAN
    plan = budget.read_plan(path)
    if plan is None:
        logger.info("measuring how fast this machine is, on the pictures that the figures are taken on")
        begun = time.perf_counter()
        render(
            checking_recipe(task.work / PLACES / places.HELD, task.size, seed=task.seed),
            task.work / CHECK,
            workers=task.workers,
            progress=task.progress,
        )
        frame = (time.perf_counter() - begun) / (budget.CHECKED + budget.REHEARSED)
        step = rehearse_finetune(task.training(CHECK, 1)).seconds_per_step
        spent = time.perf_counter() - started
        looks = 2 * (budget.CHECKED + len(task.empty)) + 2 * (COMPOSITES + EMPTY)
        plan = budget.plan_for(minutes, spent, budget.Pace(frame, step, look), looks)
        budget.save_plan(plan, path)
    logger.info("%s: %s", task.work, plan.text())
    return plan


def _measured(task: _Task, searcher: PersonSearcher, path: Path) -> dict[str, float]:
    """Return the figures of weights at the place, kept for when the run is continued."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if kept.get("weights") != searcher.spec.fingerprint:
        values = figures.figures_of_place(searcher, task.composites(), task.empty, progress=task.progress)
        kept = {"weights": searcher.spec.fingerprint, "figures": nan_as_none(values)}
        write_durably(path, json.dumps(kept, indent=1).encode())
    return none_as_nan(kept["figures"])


def _with_footage(
    task: _Task, adapted: PersonSearcher, after: dict[str, float], film: Path
) -> tuple[PersonSearcher, dict[str, float], dict[str, Any]]:
    """Return weights and figures with the statistics of the footage if no figure falls, and what was found."""
    trained = load_again(adapted.spec).network.to(adapted.device)
    network = with_statistics_of(trained, footage_canvases(film, trained))
    candidate = PersonSearcher(network, device=adapted.device, dtype="float32")
    values = _measured(task, candidate, task.work / "footage.json")
    worse = figures.fallen(after, values)
    found = {"video": film.name, "kept": not worse, "fell": worse, "figures": values}
    if worse:
        logger.info("%s: its statistics are not kept, for these figures fell: %s", film, ", ".join(worse))
        return adapted, after, found
    logger.info("%s: its statistics are kept", film)
    return candidate, values, found


def _require_nobody(searcher: PersonSearcher, pictures: Sequence[EmptyPicture], anyway: bool) -> float:
    """Refuse pictures that show people as far as the weights can tell; return the seconds that looking at one takes."""
    paths = [one.file for one in pictures]
    searcher.detect(paths[0])  # the first look loads libraries
    begun = time.perf_counter()
    found = searcher.detect(paths, progress=False)
    seconds = (time.perf_counter() - begun) / len(paths)
    shown = {
        one.name: float(people.scores.max())
        for one, people in zip(pictures, found, strict=True)
        if len(people) and people.scores.max() >= SURE
    }
    if shown:
        listed = ", ".join(f"{name} ({score:.2f})" for name, score in list(shown.items())[:_NAMED])
        more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
        what = f"{len(shown)} of {len(pictures)} pictures seem to show somebody: {listed}{more}"
        if not anyway:
            raise ImageError(
                f"{what}. Whoever is in them would be learnt as background: take them out; if nobody is there, go on "
                "with --anyway (anyway=True)"
            )
        logger.warning("%s; going on anyway", what)
    return seconds


def _ground_plane(
    pictures: Sequence[EmptyPicture],
    size: tuple[int, int],
    people: Sequence[Sequence[float]],
    people_picture: Source | None,
    height: float,
) -> GroundPlane | None:
    if not people:
        if people_picture is not None:
            raise ImageError(f"--person-picture {people_picture}: needs two boxes of people in it: --person, twice")
        logger.info("no --person: people of all likely sizes are drawn, as cameras at eye height see them")
        return None
    sizes = {one.name: one.size for one in pictures}
    name = pictures[0].name if people_picture is None else str(people_picture)
    if name not in sizes and not Path(name).is_file():
        raise ImageError(
            f"--person-picture {name}: is neither a file nor one of the pictures, "
            f"which are {', '.join(list(sizes)[:_NAMED])} ..."
        )
    own = sizes[name] if name in sizes else image_size(name)
    if not places.same_shape(own, size[0] / size[1]):
        raise ImageError(
            f"{name}: is {own[0]}x{own[1]}, but the camera's pictures are {size[0]}x{size[1]}; give --person-picture "
            "one of that camera"
        )
    plane = find_ground_plane(people, own, height=height, name=name)
    logger.info(
        "the camera is %.1f m above the ground, and its horizon at %.0f %% of the picture's height",
        plane.camera_height,
        100 * plane.horizon,
    )
    return plane


def _check_numbers(minutes: float, workers: int | None) -> None:
    if not 0 < minutes < math.inf:
        raise ConfigError(f"--minutes {minutes:g}: must be above 0")
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be 1 or more, got {workers}")


def _require_apart(source: Path | list[Path], out: Path) -> None:
    """Refuse to write where pictures are read: the next call would take the copies for pictures."""
    for path in source if isinstance(source, list) else []:
        if out.absolute() in path.absolute().parents or path.absolute().parent in out.absolute().parents:
            raise ConfigError(f"{out}: lies among the pictures, or holds them; choose a folder elsewhere")


def _require_renderer() -> None:
    """Say at once that something is not installed, not after the pictures were looked at."""
    if any(find_spec(name) is None for name in ("moderngl", "cv2")):
        raise MissingExtraError("adapt renders people with moderngl and OpenCV: pip install 'personsearch[synth]'")


def _digest(source: Path | list[Path]) -> str:
    """Name what was given by file names and sizes, so that a call with other pictures does not continue this one."""
    paths = source if isinstance(source, list) else [source]
    listed = [f"{path.name} {path.stat().st_size}" for path in paths]
    return f"{len(paths)} files, {hashlib.sha256(chr(10).join(listed).encode()).hexdigest()[:12]}"
