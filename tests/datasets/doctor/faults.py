"""A small clean set of two splits, and ways to plant one fault in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from personsearch.datasets import Accounting, Dataset, GalleryList, Problem, Query, Scene

SIZE = (96, 64)
#: The boxes of every scene: two people with a label, one without.
BOXES = [[4, 8, 20, 60], [36, 8, 52, 60], [70, 8, 86, 60]]

Sets = list[Dataset]


def picture(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """Draw soft blobs of colour, which no other seed's are like."""
    blobs = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    return Image.fromarray(blobs).resize(size, Image.Resampling.BICUBIC)


def scene(path: Path, seed: int | None, camera: str | None = "c0", **changes: Any) -> Scene:
    """Write a picture and return its scene, which shows a person without a label."""
    if seed is not None:
        picture(seed).save(path)
    whole = {
        "image_id": path.name,
        "path": path,
        "width": SIZE[0],
        "height": SIZE[1],
        "camera": camera,
        "time": None,
        "place": None,
        "boxes": np.array(BOXES[:1], np.float32),
        "identities": np.array([-1]),
    } | changes
    return Scene(**whole, ignore=np.zeros(len(whole["boxes"]), bool))


def with_boxes(one: Scene, *more: tuple[list[float], int]) -> Scene:
    """Add boxes with identities to a scene."""
    boxes = np.concatenate([one.boxes, np.array([box for box, _ in more], np.float32)])
    identities = np.concatenate([one.identities, [identity for _, identity in more]])
    return replace(one, boxes=boxes, identities=identities, ignore=np.zeros(len(boxes), bool))


def clean_sets(folder: Path) -> Sets:
    """Write two splits of six scenes and three people each, with nothing wrong about them."""
    sets = []
    for number, split in enumerate(("train", "test")):
        scenes = []
        for k in range(6):
            first = 10 * (number + 1)
            identities = np.array([first + k % 3, first + (k + 1) % 3, -1])
            scenes.append(
                scene(
                    folder / f"{split}{k}.png",
                    100 * number + k,
                    f"c{k % 2}",
                    boxes=np.array(BOXES, np.float32),
                    identities=identities,
                )
            )
        queries = (ask(scenes[0], 0), ask(scenes[3], 1)) if split == "test" else ()
        sets.append(dataset(split, scenes, queries))
    return sets


def ask(one: Scene, row: int, **changes: Any) -> Query:
    """Ask for a person of a scene."""
    whole = {"image_id": one.image_id, "box": one.boxes[row], "identity": int(one.identities[row])} | changes
    return Query(**whole)


def dataset(name: str, scenes: list[Scene], queries: tuple[Query, ...] = ()) -> Dataset:
    kept = sum(len(one.boxes) for one in scenes)
    account = Accounting(rows=kept, kept=kept)
    return Dataset(name=name, scenes=tuple(scenes), queries=queries, accounting=account)


def changed(sets: Sets, split: int, number: int, make: Callable[[Scene], Scene]) -> Sets:
    """Replace a scene."""
    scenes = list(sets[split].scenes)
    scenes[number] = make(scenes[number])
    return put(sets, split, scenes=tuple(scenes))


def added(sets: Sets, split: int, *scenes: Scene) -> Sets:
    return put(sets, split, scenes=(*sets[split].scenes, *scenes))


def put(sets: Sets, split: int, **changes: Any) -> Sets:
    return [replace(one, **changes) if number == split else one for number, one in enumerate(sets)]


def renumbered(one: Dataset, by: int) -> Dataset:
    """Add to all identities."""
    scenes = tuple(replace(s, identities=np.where(s.identities < 0, -1, s.identities + by)) for s in one.scenes)
    return replace(one, scenes=scenes, queries=tuple(replace(q, identity=q.identity + by) for q in one.queries))


def account(sets: Sets, **changes: Any) -> Sets:
    return put(sets, 0, accounting=replace(sets[0].accounting, **changes))


def _missing(sets: Sets, folder: Path) -> Sets:
    sets[0].scenes[2].path.unlink()
    return sets


def _unreadable(sets: Sets, folder: Path) -> Sets:
    path = sets[0].scenes[2].path
    path.write_bytes(path.read_bytes()[:-200])
    return sets


def _other_size(sets: Sets, folder: Path) -> Sets:
    picture(2, (48, 32)).save(sets[0].scenes[2].path)
    return sets


def _box(*box: float) -> Callable[[Sets, Path], Sets]:
    return lambda sets, folder: changed(sets, 0, 2, lambda one: with_boxes(one, (list(box), -1)))


def _one_camera(sets: Sets, folder: Path) -> Sets:
    for number in (0, 2):
        sets = changed(sets, 0, number, lambda one: with_boxes(one, ([55, 8, 68, 60], 15)))
    return sets


def _one_box(sets: Sets, folder: Path) -> Sets:
    return changed(sets, 0, 0, lambda one: with_boxes(one, ([55, 8, 68, 60], 15)))


def _repeated_identity(sets: Sets, folder: Path) -> Sets:
    return changed(sets, 0, 0, lambda one: with_boxes(one, ([55, 8, 68, 60], 10)))


def _without_people(sets: Sets, folder: Path) -> Sets:
    empty = {"boxes": np.zeros((0, 4), np.float32), "identities": np.zeros(0, np.int64)}
    return added(sets, 0, scene(folder / "empty.png", 50, **empty))


def _crowded(sets: Sets, folder: Path) -> Sets:
    crowd = np.array([[2 * k, 4, 2 * k + 10, 60] for k in range(40)], np.float32)
    return added(sets, 0, scene(folder / "crowd.png", 51, boxes=crowd, identities=np.full(40, -1)))


def _shared_image(sets: Sets, folder: Path) -> Sets:
    one = scene(folder / "both.png", 52)
    return added(added(sets, 0, one), 1, one)


def _copy(split: int) -> Callable[[Sets, Path], Sets]:
    def plant(sets: Sets, folder: Path) -> Sets:
        shutil.copy(sets[0].scenes[0].path, folder / "copy.png")
        return added(sets, split, scene(folder / "copy.png", None))

    return plant


def _again(split: int, camera: str | None) -> Callable[[Sets, Path], Sets]:
    """Add the first training scene once more, compressed."""

    def plant(sets: Sets, folder: Path) -> Sets:
        picture(0).save(folder / "again.jpg", quality=80)
        return added(sets, split, scene(folder / "again.jpg", None, camera))

    return plant


def _near_duplicate(sets: Sets, folder: Path) -> Sets:
    picture(53).save(folder / "again.jpg", quality=80)
    between = scene(folder / "b.png", 54, None)
    return added(sets, 0, scene(folder / "a.png", 53, None), between, scene(folder / "again.jpg", None, None))


def _long_run(sets: Sets, folder: Path) -> Sets:
    frames = []
    for k in range(10):
        picture(55).save(folder / f"run{k}.jpg", quality=70 + k)
        frames.append(scene(folder / f"run{k}.jpg", None, "c0"))
    return added(sets, 0, *frames)


def _numbered_apart(sets: Sets, folder: Path) -> Sets:
    train, test = (renumbered(one, -10 * (number + 1)) for number, one in enumerate(sets))
    return [train, replace(test, scenes=tuple(replace(s, camera=f"x{s.camera}") for s in test.scenes))]


def _shared_identity(sets: Sets, folder: Path) -> Sets:
    return [sets[0], replace(renumbered(sets[1], -10), queries=())]


def _shared_and_asked(sets: Sets, folder: Path) -> Sets:
    everyone = (*sets[1].queries, ask(sets[1].scenes[1], 1))
    return [sets[0], renumbered(replace(sets[1], queries=everyone), -10)]


def _query(**changes: Any) -> Callable[[Sets, Path], Sets]:
    return lambda sets, folder: put(sets, 1, queries=(ask(sets[1].scenes[0], 0, **changes),))


def _without_match(sets: Sets, folder: Path) -> Sets:
    gallery = GalleryList(image_ids=("test2.png",), boxes=np.full((1, 4), np.nan, np.float32))
    return _query(gallery=gallery)(sets, folder)


def _in_one_camera(sets: Sets, folder: Path) -> Sets:
    gallery = GalleryList(image_ids=("test2.png",), boxes=sets[1].scenes[2].boxes[1:2])
    return _query(gallery=gallery)(sets, folder)


def _val(*scenes: Scene, **changes: Any) -> Callable[[Sets, Path], Sets]:
    """Add a split of scenes that have files, with changes to its account."""

    def plant(sets: Sets, folder: Path) -> Sets:
        paths = [folder / f"val{k}.png" for k in range(len(scenes))]
        files = [scene(path, 200 + k, f"c{k % 2}") for k, path in enumerate(paths)]
        one = dataset("val", [replace(s, path=f.path, camera=f.camera) for s, f in zip(scenes, files, strict=True)])
        return [*sets, replace(one, accounting=replace(one.accounting, **changes))]

    return plant


def _shows(*identities: int, ignored: bool = False) -> Scene:
    """A scene without a file of people with these identities."""
    count = len(identities)
    one = scene(Path("none.png"), None, boxes=np.array(BOXES, np.float32)[:count], identities=np.array(identities))
    return replace(one, ignore=np.full(count, ignored))


def _zero(sets: Sets, folder: Path) -> Sets:
    """Number the people of a split of crops from 0."""
    return put([renumbered(sets[0], -10), sets[1]], 0, crops=True)


#: Kind of finding -> what plants that fault, and no other.
PLANTED: dict[str, Callable[[Sets, Path], Sets]] = {
    "skipped-row": lambda sets, folder: account(sets, skipped=(Problem(file="a.json", row="row 3", what="no bbox"),)),
    "other-counts": lambda sets, folder: put(sets, 0, name="prw/train (other counts)"),
    "no-scenes": lambda sets, folder: [*sets, dataset("val", [])],
    "nothing-left": _val(_shows(), rows=3, dropped={"class 3 (car)": 3}),
    "all-ignored": _val(_shows(-1, -1, ignored=True)),
    "no-people": _val(_shows(), _shows()),
    "no-identity": _val(_shows(-1, -1)),
    "one-identity": _val(_shows(30), _shows(30)),
    "many-clipped": lambda sets, folder: account(sets, changed={"clipped to the image": 9}),
    "many-repeated": lambda sets, folder: account(sets, changed={"identity repeated in one image": 9}),
    "person-zero": _zero,
    "missing-image": _missing,
    "unreadable-image": _unreadable,
    "image-size": _other_size,
    "box-not-finite": _box(1, np.nan, 20, 40),
    "box-without-area": _box(30, 10, 30, 40),
    "box-outside": _box(80, 10, 97, 50),
    "shared-image": _shared_image,
    "copied-image-splits": _copy(1),
    "shared-identity-queried": _shared_and_asked,
    "query-image": _query(image_id="nowhere.png"),
    "query-box": _query(box=np.array(BOXES[2], np.float32)),
    "query-without-match": _without_match,
    "shared-identity": _shared_identity,
    "repeated-identity": _repeated_identity,
    "repeated-box": _box(70, 8, 86, 60.5),
    "one-camera": _one_camera,
    "one-box": _one_box,
    "copied-image": _copy(0),
    "near-duplicate-cameras": _again(0, "c1"),
    "near-duplicate-splits": _again(1, None),
    "query-one-camera": _in_one_camera,
    "still-camera-splits": _again(1, "c0"),
    "near-duplicate": _near_duplicate,
    "long-run": _long_run,
    "numbered-apart": _numbered_apart,
    "small-box": _box(30, 10, 35, 20),
    "without-people": _without_people,
    "crowded": _crowded,
    "dropped-row": lambda sets, folder: account(sets, dropped={"no person": 4}),
    "changed-box": lambda sets, folder: account(sets, changed={"clipped to the image": 3}),
}
