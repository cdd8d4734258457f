"""Label Studio's JSON export: tasks with annotations, of which each region may say who it is.

A region is a rectangle with a label, as ``RectangleLabels`` writes it. Who it is says a ``TextArea``, ``Number`` or
``Choices`` called ``person_id`` of the same region (-1, nothing or empty = without a label), or the label itself, as in
``person 7``. The label ``ignore`` makes a box that counts neither way. The size of the image rides in every region, and
``data`` may have ``camera``, ``time`` (seconds), ``scene`` (the place), ``width`` and ``height``.

Of several annotations of one task, the one marked as ground truth counts, or else the one that was changed last; what
was skipped counts as not annotated. Predictions are nobody's annotation and are not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.formats.label_studio_regions import is_rectangle, marks_of
from personsearch.datasets.formats.ledger import Ledger, ProblemError
from personsearch.datasets.formats.marks import Mark, kept_marks, people_labels, scene_of, unless_unusable
from personsearch.datasets.formats.options import ReadOptions
from personsearch.datasets.formats.people import scene_size
from personsearch.datasets.formats.texts import is_file, json_list
from personsearch.datasets.formats.values import short, whole
from personsearch.datasets.scene import Scene
from personsearch.errors import DatasetError

Row = Mapping[str, Any]

#: What Label Studio puts before the name of a file that was uploaded to it.
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")


def load_label_studio(source: Path, split: str, options: ReadOptions) -> Dataset:
    """Read a JSON export.

    Args:
        source: the json file.
        split: the set is in one piece, so it does not matter.
        options: ``images`` is the folder of the images, by default the json file's own; of the path or URL in a task
            the longest end is taken that is a file there. ``people`` are the labels that are people.

    Raises:
        DatasetError: the file or a row cannot be used, or an image is missing.
    """
    del split
    if options.queries is not None:
        raise DatasetError(f"{source}: Label Studio's export has no queries; leave queries out")
    ledger = Ledger()
    tasks = _tasks(source, ledger)
    marks = [_marks(source, task, where, ledger) for where, task in tasks]
    people = people_labels(source, [one for found in marks for one in found or ()], ledger, options.people)
    root = source.parent if options.images is None else Path(options.images)
    scenes: dict[str, Scene] = {}
    for (where, task), found in zip(tasks, marks, strict=True):
        if found is None:
            continue
        kept = kept_marks(found, people, ledger)
        with unless_unusable(ledger, kept):
            name = _file_name(task["data"], root)
            if name is None:
                raise ProblemError(source, "data names no image; the key is called image", where)
            size = _size(source, where, task["data"], found, root / name)
            scene = scene_of(
                ledger,
                source,
                where,
                root=root,
                name=name,
                size=size,
                about=task["data"],
                marks=kept,
                taken=scenes,
                require_images=options.require_images,
            )
            scenes[scene.image_id] = scene
    accounting = ledger.close(tuple(scenes.values()), skip_bad=options.skip_bad)
    return Dataset(name=source.stem, scenes=tuple(scenes.values()), accounting=accounting)


def _tasks(path: Path, ledger: Ledger) -> list[tuple[str, Row]]:
    """Return the tasks with their names; what is none is noted in the ledger."""
    good: list[tuple[str, Row]] = []
    for number, row in enumerate(json_list(path)):
        if not isinstance(row, dict):
            ledger.bad_file(path, f"a task must be an object, not {type(row).__name__}", f"[{number}]")
            continue
        where = f"task {short(row['id'])}" if "id" in row else f"[{number}]"
        if isinstance(row.get("data"), dict):
            good.append((where, row))
        elif "image" in row:
            raise DatasetError(
                f"{path}: is Label Studio's JSON-MIN, which does not say which region a person_id belongs to; export "
                "as JSON"
            )
        else:
            ledger.bad_file(path, "has no data, so it is no task of Label Studio", where)
    return good


def _marks(path: Path, task: Row, where: str, ledger: Ledger) -> list[Mark] | None:
    """Return the rectangles of the annotation that counts; None = nobody has annotated the task."""
    annotations = task.get("annotations", task.get("completions", []))
    if not isinstance(annotations, list) or not all(isinstance(one, dict) for one in annotations):
        ledger.bad_file(path, "annotations must be a list of objects; export as JSON", where)
        return None
    standing = [one for one in annotations if not one.get("was_cancelled")]
    skipped = [one for one in annotations if one.get("was_cancelled")]
    _leave_out(skipped, "region of an annotation that was skipped", ledger)
    if not standing:
        ledger.read(1)
        ledger.drop("task that nobody has annotated")
        return None
    best = max(range(len(standing)), key=lambda number: _rank(standing[number], number))
    others = [one for number, one in enumerate(standing) if number != best]
    _leave_out(others, "region of another annotation of the same task", ledger)
    return marks_of(path, _result(standing[best]), where, ledger)


def _rank(annotation: Row, number: int) -> tuple[bool, str, int]:
    """Return by what annotations of a task are ordered; times are ISO 8601, which order as texts do."""
    changed = annotation.get("updated_at") or annotation.get("created_at")
    return bool(annotation.get("ground_truth")), changed if isinstance(changed, str) else "", number


def _result(annotation: Row) -> list[Any]:
    result = annotation.get("result")
    return result if isinstance(result, list) else []


def _leave_out(annotations: Sequence[Row], why: str, ledger: Ledger) -> None:
    for one in annotations:
        count = sum(is_rectangle(part) for part in _result(one))
        ledger.read(count)
        ledger.drop(why, count)


def _size(path: Path, where: str, data: Row, marks: Sequence[Mark], image: Path) -> tuple[int, int]:
    """Return width and height of an image: as its regions say, its task, or its header.

    Raises:
        ProblemError: its regions contradict each other, or nothing says it.
    """
    sizes = {mark.size for mark in marks}
    if len(sizes) > 1:
        listed = ", ".join(f"{width}x{height}" for width, height in sorted(sizes))
        raise ProblemError(path, f"its regions were drawn on images of different sizes: {listed}", where)
    width, height = whole(data.get("width")), whole(data.get("height"))
    if sizes:
        return sizes.pop()
    return (width, height) if width and height and min(width, height) > 0 else scene_size(image)


def _file_name(data: Row, root: Path) -> str | None:
    """Return the path of a task's image below the folder of images; None where the task names none.

    Of the path or URL in the task, the longest end is taken that is a file in the folder, also without the signs that
    Label Studio puts before the name of an upload. Without such a file, the whole path.
    """
    given = data.get("image")
    if not isinstance(given, str):
        return None
    try:
        address = urlsplit(given)
    except ValueError:  # brackets that are no address
        return None
    local = parse_qs(address.query).get("d")
    text = local[0] if local else unquote(address.path)
    parts = [part for part in re.split(r"[/\\]", text) if part not in ("", ".", "..") and "\0" not in part]
    for start in range(len(parts)):
        end = parts[start:]
        for name in dict.fromkeys((end[-1], _UPLOADED.sub("", end[-1]))):
            path = "/".join([*end[:-1], name])
            if name and is_file(root / path):
                return path
    return "/".join(parts) or None


def is_label_studio(path: Path) -> bool:
    """Whether a json file is a list of objects, as Label Studio's exports are and COCO-style files are not."""
    if path.suffix != ".json":
        return False
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except OSError:
        return False
    return re.match(rb"[\xef\xbb\xbf\xff\xfe\0\s]*\[[\0\s]*\{", head) is not None
