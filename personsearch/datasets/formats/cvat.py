"""CVAT's own XML, "CVAT for images 1.1": what CVAT keeps of attributes and tags, COCO loses.

A box may have the attributes ``person_id`` (-1 or empty = without a label) and ``ignore``. A tag called ``scene`` may
have ``camera``, ``time`` (seconds) and ``scene`` (the place), as ``personsearch gallery export --format cvat`` writes
it. Labels are people as in COCO-style files; the label ``ignore`` makes a box that counts neither way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.formats.ledger import Ledger, ProblemError
from personsearch.datasets.formats.marks import (
    TURNED,
    Mark,
    is_ignored,
    kept_marks,
    people_labels,
    scene_of,
    unless_unusable,
    upright,
)
from personsearch.datasets.formats.options import ReadOptions
from personsearch.datasets.formats.texts import is_file
from personsearch.datasets.formats.values import float_of, identity_of, is_number, short, whole, yes_no
from personsearch.datasets.scene import Scene
from personsearch.errors import DatasetError

#: The file in a folder, as CVAT packs it.
FILE = "annotations.xml"
#: Where the images are in a folder that CVAT packed.
_IMAGES = "images"
#: The label of a tag that says what is known of an image.
_SCENE = "scene"
_SHAPES = frozenset({"polygon", "polyline", "points", "mask", "ellipse", "cuboid", "skeleton"})


@dataclass
class _Image:
    """An image as far as it has been read."""

    where: str
    name: str
    size: tuple[int, int]
    about: dict[str, object] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)


def load_cvat(source: Path, split: str, options: ReadOptions) -> Dataset:
    """Read an XML export.

    Args:
        source: the XML file, or the folder that holds ``annotations.xml``.
        split: the set is in one piece, so it does not matter.
        options: ``images`` is the folder of the images; by default the file's own, or the folder ``images`` beside it.

    Raises:
        DatasetError: the file or a row cannot be used, or an image is missing.
    """
    del split
    path = source / FILE if source.is_dir() else source
    if options.queries is not None:
        raise DatasetError(f"{path}: CVAT's export has no queries; leave queries out")
    ledger = Ledger()
    images = _images(path, ledger)
    people = people_labels(path, [mark for image in images for mark in image.marks], ledger, options.people)
    scenes: dict[str, Scene] = {}
    for image in images:
        kept = kept_marks(image.marks, people, ledger)
        root, name = _place(path, options.images, image.name)
        with unless_unusable(ledger, kept):
            if not image.name:
                raise ProblemError(path, "has no name", image.where)
            if min(image.size) < 1:
                raise ProblemError(path, "width and height must be whole numbers above 0", image.where)
            scene = scene_of(
                ledger,
                path,
                image.where,
                root=root,
                name=name,
                size=image.size,
                about=image.about,
                marks=kept,
                taken=scenes,
                require_images=options.require_images,
            )
            scenes[scene.image_id] = scene
    accounting = ledger.close(tuple(scenes.values()), skip_bad=options.skip_bad)
    return Dataset(name=path.stem, scenes=tuple(scenes.values()), accounting=accounting)


def _place(path: Path, images: str | Path | None, name: str) -> tuple[Path, str]:
    """Return the folder of the images, and the path of one in it."""
    if images is not None:
        return Path(images), name
    inner = f"{_IMAGES}/{name}"
    return path.parent, inner if is_file(path.parent / inner) and not is_file(path.parent / name) else name


def _images(path: Path, ledger: Ledger) -> list[_Image]:
    """Read the images with their boxes, one after another, so that a large file takes little memory.

    Raises:
        DatasetError: it is no such file.
    """
    images: list[_Image] = []
    root = None
    try:
        with path.open("rb") as file:
            # expat, which reads it, refuses entities that grow beyond all measure and follows no links.
            for event, element in ElementTree.iterparse(file, events=("start", "end")):  # noqa: S314
                if root is None:
                    root = element
                    if element.tag != "annotations":
                        raise DatasetError(f"{path}: is not CVAT's XML: it begins with <{element.tag}>")
                if event == "end" and element.tag == "track":
                    raise DatasetError(f"{path}: is CVAT for video; export the task as CVAT for images 1.1")
                if event == "end" and element.tag == "image":
                    images.append(_image(path, element, len(images), ledger))
                    element.clear()
    except ElementTree.ParseError as error:
        raise DatasetError(f"{path}: not valid XML: {error}") from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); give the XML file that CVAT exported") from None
    return images


def _image(path: Path, element: ElementTree.Element, number: int, ledger: Ledger) -> _Image:
    name = element.get("name") or ""
    where = f"image {element.get('id', number)}"
    size = (whole(element.get("width")) or 0, whole(element.get("height")) or 0)
    image = _Image(where, name.replace("\\", "/"), size)
    for child in element:
        if child.tag == "tag" and (child.get("label") or "").strip() == _SCENE:
            image.about = _about(_attributes(child))
        elif child.tag in _SHAPES:
            ledger.read(1)
            ledger.drop(f"shape {child.tag}")
        elif child.tag == "box":
            ledger.read(1)
            row = f"box {len(image.marks)} of {name or where}"
            try:
                image.marks.append(_mark(child, row, size, ledger))
            except ValueError as error:
                ledger.bad_row(path, row, str(error))
    return image


def _attributes(element: ElementTree.Element) -> dict[str, str]:
    return {child.get("name", ""): (child.text or "").strip() for child in element if child.tag == "attribute"}


def _about(attributes: Mapping[str, str]) -> dict[str, object]:
    known: dict[str, object] = {key: attributes[key] for key in ("camera", "scene") if attributes.get(key)}
    if text := attributes.get("time"):
        try:
            known["time"] = float_of(text)
        except ValueError:
            known["time"] = text  # which the scene refuses
    return known


def _mark(element: ElementTree.Element, row: str, size: tuple[int, int], ledger: Ledger) -> Mark:
    """Return a box.

    Raises:
        ValueError: says why it cannot be used.
    """
    sides = {key: element.get(key) for key in ("xtl", "ytl", "xbr", "ybr")}
    try:
        left, top, right, bottom = (float_of(value or "") for value in sides.values())
    except ValueError:
        left = right = top = bottom = float("nan")
    angle = float_of(element.get("rotation", "0"))
    if not all(is_number(value) for value in (left, top, right, bottom, angle)):
        raise ValueError(f"xtl, ytl, xbr and ybr must be finite numbers, got {short(list(sides.values()))}")
    xywh = (left, top, right - left, bottom - top)
    if angle % 360:
        xywh = upright(xywh, angle, ((left + right) / 2, (top + bottom) / 2))
        ledger.change(TURNED)
    attributes = _attributes(element)
    labels = (element.get("label", "").strip(),)
    ignore = is_ignored(labels) or yes_no(attributes.get("ignore"), "ignore")
    identity = identity_of(attributes["person_id"]) if "person_id" in attributes else None
    return Mark(row, xywh, size, identity, ignore, labels)
