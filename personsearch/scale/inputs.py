"""What workers are given: inputs by name, with what a gallery holds of them, in tasks that are done as a whole."""

from __future__ import annotations

import os
import pickle
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard, cast

import numpy as np

from personsearch.batching import chunks
from personsearch.errors import ImageError
from personsearch.gallery import Gallery
from personsearch.indexing.same_content import Held, held_of
from personsearch.listing import Entry, Listing, list_inputs
from personsearch.pictures.decode import is_url
from personsearch.pictures.video import frames_prefix
from personsearch.scale.answers import Answer
from personsearch.scale.remote import is_remote, is_video, list_remote
from personsearch.sources import Sources

#: The column that holds a task.
TASK = "task"
#: Names looked up at a time.
NAMES_AT_ONCE = 1000


@dataclass(frozen=True)
class Input:
    """A still or a video.

    Attributes:
        image_id: its name.
        image: path, URL, address for fsspec, or encoded bytes.
        is_video: whether it yields many scenes.
        cameras: image_id -> camera, of this input and its frames alone.
        times: image_id -> seconds, likewise.
        held: what the gallery holds of it; None = nobody has looked.
    """

    image_id: str
    image: str | bytes
    is_video: bool = False
    cameras: Mapping[str, str] = field(default_factory=dict)
    times: Mapping[str, float] = field(default_factory=dict)
    held: Held | None = None

    @property
    def remote(self) -> bool:
        """Whether fsspec has to fetch it."""
        return isinstance(self.image, str) and is_remote(self.image)

    def entry(self, image: str | bytes | None = None) -> Entry:
        """Return it as a listing does; with what was fetched for it, where that is given."""
        image = self.image if image is None else image
        local = isinstance(image, str) and not is_url(image)
        return Entry(self.image_id, Path(cast(str, image)) if local else image, self.is_video)

    def sources(self, entry: Entry, every: int) -> Sources:
        """Return it as the only source of a run."""
        return Sources(Listing((entry,), {}, ()), every, self.cameras, self.times)


def list_all(
    images: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Mapping[str, str | os.PathLike[str] | bytes],
    prefix: str,
) -> Listing:
    """Look up what the caller gave, as :func:`personsearch.listing.list_inputs` does, in object storage too.

    Args:
        images: what that function takes; addresses such as ``s3://bucket/folder`` are folders, globs or files of
            object storage and get the same names as those of a disk. No images in memory but encoded ones.
        prefix: put before every image_id.

    Raises:
        ImageError: nothing is there, or two inputs share a name.
        MissingExtraError: the package for such addresses is not installed.
    """
    if isinstance(images, Mapping):
        for name, image in images.items():
            if not isinstance(image, (str, os.PathLike, bytes)):
                raise ImageError(f"{name}: workers take paths, URLs and encoded bytes, not {type(image).__name__}")
        remote = [Entry(str(name), url, is_video(url)) for name, url in images.items() if _is_address(url)]
        local: Any = {name: image for name, image in images.items() if not is_remote(image)}
        return _joined(local, remote, Counter(), prefix)
    passed_over: Counter[str] = Counter()
    if isinstance(images, (str, os.PathLike)):
        if not is_remote(images):
            return list_inputs(images, prefix)
        return _joined([], list_remote(str(images), passed_over), passed_over, prefix)
    remote = [
        entry for image in images if _is_address(image) for entry in list_remote(image, passed_over, whole_names=True)
    ]
    return _joined([image for image in images if not is_remote(image)], remote, passed_over, prefix)


def _is_address(image: object) -> TypeGuard[str]:
    return is_remote(image)


def _joined(local: Any, remote: list[Entry], passed_over: Counter[str], prefix: str) -> Listing:
    listing = list_inputs(local, prefix)
    lead = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    entries = {entry.image_id: entry for entry in listing.entries}
    for entry in remote:
        named = Entry(lead + entry.image_id, entry.image, entry.is_video)
        if entries.setdefault(named.image_id, named).image != named.image:
            raise ImageError(f"image_id {named.image_id!r} occurs twice; give a mapping image_id -> image")
    return Listing(tuple(entries.values()), passed_over + Counter(listing.passed_over), listing.unreadable)


def inputs_of(sources: Sources, gallery: Gallery, *, compare: bool) -> Iterator[Input | Answer]:
    """Yield the inputs, with what the gallery holds of them.

    Args:
        sources: what to index.
        gallery: that may hold some of it.
        compare: False = a still whose name is stored is taken for the same, and answered for at once.
    """
    cameras, times = _by_input(sources.cameras), _by_input(sources.times)
    for chunk in chunks(sources.entries, NAMES_AT_ONCE):
        known = gallery.stored(entry.image_id for entry in chunk if not entry.is_video and _sound(entry))
        for entry in chunk:
            name = entry.image_id
            if not compare and name in known:
                yield Answer("there", name, camera=sources.cameras.get(name), time=sources.times.get(name))
                continue
            image = entry.image if isinstance(entry.image, (str, bytes)) else os.fspath(cast(Path, entry.image))
            if isinstance(image, str) and not is_url(image) and not is_remote(image):
                image = os.path.abspath(image)  # workers are elsewhere
            held = held_of(gallery, entry, known) if _sound(entry) else Held()
            yield Input(name, image, entry.is_video, cameras.get(name, {}), times.get(name, {}), held)


def tasks_of(inputs: Iterable[Input], size: int) -> Iterator[bytes]:
    """Yield tasks of so many stills, or of one video each, for :func:`inputs_in`."""
    stills: list[Input] = []
    for one in inputs:
        if one.is_video:
            yield pickle.dumps([one])
            continue
        stills.append(one)
        if len(stills) == size:
            yield pickle.dumps(stills)
            stills = []
    if stills:
        yield pickle.dumps(stills)


def inputs_in(table: Any) -> list[Input | Answer]:
    """Return the inputs of a table, and answers about rows that are none.

    The table has tasks of :func:`tasks_of`, or rows of a caller's Ray Dataset.

    Args:
        table: pyarrow.Table with the column ``task``; or with ``image_id`` and ``bytes``, or ``path`` (and
            ``image_id``, by default the path), and where known ``camera`` and ``time`` in seconds.

    Raises:
        ImageError: it has none of these columns.
    """
    columns = set(table.column_names)
    if TASK in columns:
        return [one for task in table.column(TASK).to_pylist() for one in pickle.loads(task)]  # noqa: S301 - ours
    check_columns(columns)
    wanted = [name for name in ("image_id", "bytes", "path", "camera", "time") if name in columns]
    return [_of_row(row) for row in table.select(wanted).to_pylist()]


def check_columns(columns: Iterable[str]) -> None:
    """Refuse a Dataset without pictures.

    Raises:
        ImageError: it has neither paths, nor bytes with names.
    """
    names = set(columns)
    if "path" not in names and not {"image_id", "bytes"} <= names:
        raise ImageError(
            f"the Dataset has the columns {', '.join(sorted(names))}; it needs 'path', or 'image_id' and 'bytes' of "
            "encoded pictures"
        )


def _of_row(row: dict[str, Any]) -> Input | Answer:
    path, data = row.get("path"), row.get("bytes")
    name = path if row.get("image_id") is None else str(row["image_id"])
    if name is None or (path is None and data is None):
        return Answer("refused", str(name or "?"), f"a row of the Dataset has no picture or no name: {str(row)[:200]}")
    camera, time = row.get("camera"), row.get("time")
    if isinstance(time, np.generic):
        time = time.item()
    image = data if data is not None else str(path)
    if isinstance(image, str) and not is_url(image) and not is_remote(image):
        image = os.path.abspath(image)
    return Input(
        str(name),
        image,
        isinstance(image, str) and is_video(image),
        {} if camera is None else {str(name): str(camera)},
        {} if time is None else {str(name): float(time)},
    )


def _by_input(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what is given for scenes by the input that they are of: a frame's name begins with its video's."""
    found: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        found.setdefault(name, {})[name] = value
        video, mark, _ = name.rpartition(frames_prefix(""))
        if mark:
            found.setdefault(video, {})[name] = value
    return found


def _sound(entry: Entry) -> bool:
    """Whether a gallery can be asked for the name; the worker refuses the others."""
    return entry.printable == entry.image_id
