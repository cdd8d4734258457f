"""Inputs become answers: fetched, compared with what is stored under their names, decoded, and looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from personsearch.batching import map_ahead, read_ahead
from personsearch.errors import GalleryMismatchError, ImageError
from personsearch.indexing.same_content import Held, compare_stored, stored_reading
from personsearch.indexing.scenes import UNUSABLE, Prepared, detected, prepared
from personsearch.people import NewScene
from personsearch.pictures.decode import describe
from personsearch.pictures.video import Damage, decoding
from personsearch.runner import Runner, Settings
from personsearch.scale.answers import Answer, new
from personsearch.scale.inputs import Input
from personsearch.scale.remote import fetch, fetch_to
from personsearch.sources import Reading, Source

#: Files of object storage that are fetched at the same time: each takes tens of milliseconds, hardly any of them work.
FETCHED_AT_ONCE = 16
#: What the extra of a scene from object storage says in place of a path.
URL = "url"


@dataclass(frozen=True)
class Job:
    """How to look at inputs.

    Attributes:
        device: where the network computes.
        cores: threads of the network on a CPU, and of decoding beside a GPU.
        every: every how many frames of a video one is taken.
        crops: every picture is one person.
        replace: index again what is stored with other content.
        batch_size: images of one canvas size that go through the network together.
        fast_decode: see ``PersonSearcher.from_pretrained``.
        compare: whether what is stored under the same name is compared.
    """

    device: str
    cores: int
    every: int = 1
    crops: bool = False
    replace: bool = False
    batch_size: int = 8
    fast_decode: bool = False
    compare: bool = True


@dataclass(frozen=True)
class Fetched:
    """An input, and what was fetched of it or why it could not be."""

    input: Input
    image: str | bytes | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class Frame:
    """A frame of a video: of which, and the digest of its content."""

    input: Input
    source: Source
    digest: str | None


class Looking:
    """Makes answers of inputs.

    Args:
        runner: of the weights.
        job: how to look at the inputs.
    """

    def __init__(self, runner: Runner, job: Job) -> None:
        self._runner, self._job = runner, job

    def look(self, inputs: Sequence[Input]) -> list[Answer]:
        """Return what becomes of inputs; what cannot be used is refused, and the rest goes on."""
        answers: list[Answer] = []
        settings = Settings(batch_size=self._job.batch_size)

        def prepare(item: Fetched | Frame) -> Prepared | Answer:
            one = item.input
            try:
                return self._prepared(item) if isinstance(item, Frame) else self._still(item)
            except UNUSABLE as error:
                name = item.source.image_id if isinstance(item, Frame) else one.entry().printable
                return Answer("refused", name, str(error))

        def readable(items: Iterator[Fetched | Frame]) -> Iterator[tuple[None, Prepared]]:
            for item in self._runner.prepare_ahead(prepare, items, self._job.batch_size):
                if isinstance(item, Prepared):
                    yield None, item
                else:
                    answers.append(item)

        def refuse(_: None, name: str, error: Exception) -> None:
            answers.append(Answer("refused", name, str(error)))

        with ExitStack() as files, closing(self._opened(inputs, answers, files)) as items:
            found = detected(self._runner, readable(items), settings, crops=self._job.crops, refuse=refuse)
            for (_, item), people in found:
                source = item.source
                answers.append(
                    new(
                        NewScene(
                            image_id=source.image_id,
                            detections=people,
                            camera=source.camera,
                            time=source.time,
                            extra=item.extra,
                        )
                    )
                )
        # The end of a video comes after its last frame, and what is erased before its first one.
        return sorted(answers, key=lambda answer: {"erase": 0, "read": 2}.get(answer.kind, 1))

    def _opened(
        self, inputs: Sequence[Input], answers: list[Answer], files: ExitStack
    ) -> Generator[Fetched | Frame, None, None]:
        """Yield stills and the frames of videos, fetched where they are in object storage."""
        remote = any(one.remote and not one.is_video for one in inputs)
        ahead = map_ahead(_fetched, inputs, ahead=2 * FETCHED_AT_ONCE, workers=FETCHED_AT_ONCE if remote else 1)
        for item in ahead:
            if not item.input.is_video:
                yield item
                continue
            try:
                yield from self._frames(item.input, answers, files)
            except UNUSABLE as error:
                answers.append(Answer("refused", item.input.entry().printable, str(error)))

    def _still(self, item: Fetched) -> Prepared | Answer:
        """Decode a still, unless the gallery holds it."""
        if item.error is not None:
            raise item.error
        one, job = item.input, self._job
        entry = one.entry(item.image)
        entry.require_name()
        digest = None
        camera, time = one.cameras.get(one.image_id), one.times.get(one.image_id)
        held = one.held or Held()
        if held.names:
            there = Answer("there", one.image_id, camera=camera, time=time)
            if not job.compare:
                return there
            try:
                comparison = compare_stored(held, entry, "RGB")
            except ImageError as error:
                raise _named(error, entry.image, one) from None
            if not comparison.differs:
                return replace(there, unknown=comparison.unknown)
            if not job.replace:
                raise GalleryMismatchError(comparison.message)
            digest = comparison.digest
        source = Source(one.image_id, entry.image, entry.file, camera, time)
        return self._prepared(Frame(one, source, digest))

    def _prepared(self, item: Frame) -> Prepared:
        one, source = item.input, item.source
        try:
            scene = prepared(self._runner, source, item.digest, channel_order="RGB", crops=self._job.crops)
        except ImageError as error:
            raise _named(error, source.file or source.image, one) from None
        if one.remote:
            scene.extra.pop("path", None)
            scene.extra[URL] = one.image
        return scene

    def _frames(self, one: Input, answers: list[Answer], files: ExitStack) -> Generator[Frame, None, None]:
        """Yield the frames of a video that are not stored."""
        image: str | bytes = one.image
        if one.remote and isinstance(image, str):
            folder = files.enter_context(tempfile.TemporaryDirectory(prefix="personsearch-"))
            copy = Path(folder, "video" + Path(image).suffix)
            fetch_to(image, copy)
            image = str(copy)
        entry = one.entry(image)
        entry.require_name()
        held = one.held or Held()
        try:
            comparison = compare_stored(held, entry, "RGB")
            if comparison.differs:
                if not self._job.replace:
                    raise GalleryMismatchError(comparison.message)
                answers.append(Answer("erase", one.image_id, names=tuple(sorted(comparison.stored))))
            every = self._job.every
            reading = stored_reading(held, entry, comparison, every)
            items = one.sources(entry, every).scenes(entry, comparison.wants, reading)
            if reading is None:
                items = read_ahead(items, self._job.batch_size)
            moments: list[tuple[float, int]] = []
            lost: Damage | None = None
            with closing(items):
                for item in items:
                    if isinstance(item, Damage):
                        lost = item
                        answers.append(Answer("damaged", one.image_id, str(item)))
                        continue
                    if item.moment is not None:
                        moments.append(item.moment)
                    if isinstance(item, Source):
                        yield Frame(one, item, comparison.digest)
                        continue
                    unknown = comparison.unknown
                    answers.append(Answer("there", item.image_id, camera=item.camera, time=item.time, unknown=unknown))
        except ImageError as error:
            raise _named(error, image, one) from None
        note = None
        if moments and reading is None and comparison.digest is not None and not comparison.unknown:
            note = Reading(comparison.digest, every, decoding(), tuple(moments), lost).to_bytes()
        answers.append(Answer("read", one.image_id, note=note))


def _fetched(one: Input) -> Fetched:
    """Fetch a still out of object storage; whatever else there is stays where it is."""
    if not one.remote or one.is_video or not isinstance(one.image, str):
        return Fetched(one, one.image)
    try:
        return Fetched(one, fetch(one.image))
    except UNUSABLE as error:
        return Fetched(one, error=error)


def _named(error: ImageError, image: Any, one: Input) -> ImageError:
    """Return an error about what was fetched under the name of the input."""
    name = one.image if isinstance(one.image, str) else one.image_id
    return ImageError(str(error).replace(describe(image), name, 1))
