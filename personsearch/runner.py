"""Runs a network over images: inputs are prepared in threads, batched by canvas, and mapped back to their pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from personsearch.batching import batches_ahead, map_ahead, run_in_batches, workers_for
from personsearch.boxes import checked_boxes
from personsearch.canvas import Canvas, crop_size, crop_to_canvas, resized_size, to_canvas
from personsearch.device import choose_device
from personsearch.errors import ConfigError, ImageError
from personsearch.fast import FastNetwork, compile_parts, use_winograd
from personsearch.models import People, PersonSearchNetwork
from personsearch.pictures.decode import (
    ChannelOrder,
    ImageInput,
    LeastSize,
    Picture,
    describe,
    download,
    is_url,
    load_picture,
)
from personsearch.process import available_cores
from personsearch.results import Detections, Floats

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}

Tag = TypeVar("Tag")
Item = TypeVar("Item")
Result = TypeVar("Result")

#: (N, 4) boxes, or a function of the picture's (height, width) that returns them, and may refuse the picture instead.
GivenBoxes = NDArray[Any] | Callable[[tuple[int, int]], NDArray[Any]]


@dataclass(frozen=True)
class Settings:
    """How to detect.

    Attributes:
        threshold: lowest score, 0..1; None = the weights' own.
        max_people: most people per image; None = the weights' own.
        batch_size: images of one canvas size that go through the network together.

    Raises:
        ConfigError: a value is out of range.
    """

    threshold: float | None = None
    max_people: int | None = None
    batch_size: int = 8

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ConfigError(f"threshold must be between 0 and 1, got {self.threshold}")
        for name, value in (("max_people", self.max_people), ("batch_size", self.batch_size)):
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}")


@dataclass(frozen=True)
class Ready:
    """An image on its canvas.

    Attributes:
        canvas: of a scene, or of a crop.
        image_id: its path or URL, if it has one.
        value_range: of an image of more than 256 levels, the values that became 0 and 255; else None.
        pixels: (H, W, 3) uint8 RGB, the whole upright picture, where somebody else's detector is to see it; else None.
    """

    canvas: Canvas
    image_id: str | None
    value_range: tuple[float, float] | None = None
    pixels: NDArray[np.uint8] | None = None


class Runner:
    """A network on its device, in evaluation mode.

    Attributes:
        network: moved and switched.
        device: where it computes.
        dtype: what it computes in.
        fast_decode: whether JPEGs are decoded at a part of their size where that suffices for their canvas.
        workers: threads that prepare images while the network computes.
    """

    def __init__(
        self,
        network: PersonSearchNetwork,
        device: str | torch.device | None,
        dtype: str | None,
        *,
        fast: bool = False,
        compile: bool = False,
        fast_decode: bool = False,
    ) -> None:
        """Move a network.

        Args:
            network: already built.
            device: default cuda, then mps, then cpu.
            dtype: key of DTYPES; default float16 on cuda, float32 elsewhere.
            fast: take the network over for the fast path, which computes the same; it can be neither used nor saved
                any more.
            compile: of the fast path, compile the dense parts; see ``personsearch.fast.compiling``.
            fast_decode: see ``PersonSearcher.from_pretrained``.

        Raises:
            ConfigError: the dtype is none of these, the device is not there, or something cannot be compiled here.
        """
        self.device = choose_device(device)
        name = dtype or ("float16" if self.device.type == "cuda" else "float32")
        if name not in DTYPES:
            raise ConfigError(f"dtype must be one of {', '.join(DTYPES)}, got {name!r}")
        self.dtype = DTYPES[name]
        self.fast_decode = fast_decode
        self.workers = workers_for(self.device.type, available_cores())
        if compile and not fast:
            raise ConfigError("compile=True is for the fast path alone; leave fast=True")
        network = network.eval().to(self.device)
        # The norms are folded before numbers are rounded.
        self.network: PersonSearchNetwork | FastNetwork = FastNetwork(network) if fast else network
        self.network.set_dtype(self.dtype)
        if isinstance(self.network, FastNetwork):
            if self.device.type == "cpu" and self.dtype == torch.float32:
                use_winograd(self.network.parts.proposal_head)
            if compile:
                compile_parts(self.network.parts)

    def ready(self, image: ImageInput, order: ChannelOrder, *, keep_pixels: bool = False) -> Ready:
        """Decode an image and put it onto its canvas.

        Args:
            image: the scene.
            order: of arrays and tensors.
            keep_pixels: keep the whole picture, too. What is decoded at a part of its size for its canvas is decoded
                once more.

        Raises:
            ImageError: it cannot be used.
        """
        if not keep_pixels:
            return self._placed(self._load(image, order), image)
        source, picture = self._load_again(image, order)
        pixels = picture.pixels if picture.reduction == 1 else load_picture(source, channel_order=order).pixels
        if not pixels.flags.writeable:  # which torch.from_numpy warns of
            pixels = pixels.copy()
        return replace(self._placed(picture, image), pixels=pixels)

    def ready_crop(self, image: ImageInput, order: ChannelOrder) -> Ready:
        """Decode a picture of one person and put it onto a small canvas; see ``canvas.crop_to_canvas``.

        Raises:
            ImageError: it cannot be used.
        """
        return self._placed(self._load(image, order, crop=True), image, crop=True)

    def ready_query(self, image: ImageInput, order: ChannelOrder) -> tuple[Ready, Callable[[], Ready]]:
        """Decode an image and put it onto its canvas as a scene; as a crop, too, once that is called for.

        Returns:
            The scene, as :meth:`ready` returns it, and a function that returns what :meth:`ready_crop` does.

        Raises:
            ImageError: it cannot be used.
        """
        source, picture = self._load_again(image, order)

        @cache
        def crop() -> Ready:
            # What is decoded at a part of its size is decoded for one canvas: the other may want more of it, or less.
            fitting = self._load(source, order, crop=True) if self.fast_decode else picture
            return self._placed(fitting, image, crop=True)

        return self._placed(picture, image), crop

    def all_ready(
        self,
        images: Iterable[ImageInput],
        order: ChannelOrder,
        batch_size: int,
        *,
        crops: bool = False,
        keep_pixels: bool = False,
    ) -> Iterator[Ready]:
        """Yield images on their canvases in order, decoding ahead in threads.

        Args:
            images: scenes, or pictures of one person each.
            order: of arrays and tensors.
            batch_size: how many the network takes at a time.
            crops: see :meth:`ready_crop`.
            keep_pixels: see :meth:`ready`.

        Raises:
            ImageError: one cannot be used; the message gives its position.
        """

        def prepare(numbered: tuple[int, ImageInput]) -> Ready:
            number, image = numbered
            try:
                if crops:
                    return self.ready_crop(image, order)
                return self.ready(image, order, keep_pixels=keep_pixels)
            except ImageError as error:
                raise ImageError(f"image {number}: {error}") from None

        return self.prepare_ahead(prepare, enumerate(images), batch_size)

    def prepare_ahead(
        self, prepare: Callable[[Item], Result], items: Iterable[Item], batch_size: int
    ) -> Iterator[Result]:
        """Yield what ``prepare`` makes of the items, in order, in as many threads as suit the device.

        Args:
            prepare: called in threads.
            items: taken in the caller's thread.
            batch_size: how many the network takes at a time.
        """
        return map_ahead(prepare, items, ahead=batches_ahead(batch_size, self.workers), workers=self.workers)

    def _load(self, image: ImageInput, order: ChannelOrder, *, crop: bool = False) -> Picture:
        """Decode an image, at a part of its size if that is wished for and still as large as on its canvas."""
        return load_picture(image, channel_order=order, least=self._least_size(crop=crop) if self.fast_decode else None)

    def _load_again(self, image: ImageInput, order: ChannelOrder) -> tuple[ImageInput, Picture]:
        """Decode an image that may be decoded again; return what to decode it from then, which is fetched once."""
        source = download(image) if self.fast_decode and isinstance(image, str) and is_url(image) else image
        try:
            return source, self._load(source, order)
        except ImageError as error:
            raise ImageError(str(error).replace(describe(source), describe(image), 1)) from None

    def _least_size(self, *, crop: bool) -> LeastSize:
        rule = self.network.config.input
        if crop:
            return lambda size: crop_size(*size, rule.person_height)
        return lambda size: resized_size(*size, rule.min_size, rule.max_size)

    def _placed(self, picture: Picture, image: ImageInput, *, crop: bool = False) -> Ready:
        """Put a decoded picture onto the canvas of a crop, or of a scene."""
        rule = self.network.config.input
        if crop:
            place = partial(crop_to_canvas, person_height=rule.person_height)
        else:
            place = partial(to_canvas, min_size=rule.min_size, max_size=rule.max_size)
        canvas = place(picture.pixels, image_size=picture.image_size, reduction=picture.reduction)
        name = os.fspath(image) if isinstance(image, (str, os.PathLike)) else None
        return Ready(canvas, name, picture.value_range)

    def detect(self, prepared: Iterable[Ready], settings: Settings) -> Iterator[Detections]:
        """Yield detections in the order of the input; only equal canvases share a batch."""
        tagged = ((None, ready) for ready in prepared)
        return (detections for _, detections in self.detect_tagged(tagged, settings))

    def detect_tagged(
        self, prepared: Iterable[tuple[Tag, Ready]], settings: Settings
    ) -> Iterator[tuple[Tag, Detections]]:
        """As :meth:`detect`, each image with anything the caller wants back beside its detections."""

        def run(batch: list[tuple[Tag, Ready]]) -> list[tuple[Tag, Detections]]:
            with torch.inference_mode():
                people = self.network(
                    self._batch([ready for _, ready in batch]),
                    score_threshold=settings.threshold,
                    max_people=settings.max_people,
                )
            return [(tag, _detections(one, ready)) for one, (tag, ready) in zip(people, batch, strict=True)]

        return run_in_batches(
            prepared, kind=lambda item: _canvas_kind(item[1]), run=run, batch_size=settings.batch_size
        )

    def embed_crops(self, prepared: Iterable[Ready], settings: Settings) -> Iterator[Detections]:
        """As :meth:`embed_crops_tagged`, without tags."""
        tagged = ((None, ready) for ready in prepared)
        return (detections for _, detections in self.embed_crops_tagged(tagged, settings))

    def embed_crops_tagged(
        self, prepared: Iterable[tuple[Tag, Ready]], settings: Settings
    ) -> Iterator[tuple[Tag, Detections]]:
        """Yield each crop as the one person that it shows.

        The box is the whole picture and the score 1.0, because the person is given, not detected.

        Args:
            prepared: crops from :meth:`ready_crop`, each with anything the caller wants back beside its person.
            settings: only ``batch_size`` counts.
        """

        def run(batch: list[tuple[Tag, Ready]]) -> list[tuple[Tag, Detections]]:
            crops = [ready for _, ready in batch]
            with torch.inference_mode():
                embedded = self.network.embed(
                    self._batch(crops), [self._on_canvas(ready, _whole(ready)) for ready in crops]
                )
            one = np.ones(1, dtype=np.float32)
            return [
                (tag, _given(rows, ready, _whole(ready), one))
                for rows, (tag, ready) in zip(embedded, batch, strict=True)
            ]

        return run_in_batches(
            prepared, kind=lambda item: _canvas_kind(item[1]), run=run, batch_size=settings.batch_size
        )

    def embed_given_tagged(
        self, prepared: Iterable[tuple[Tag, Ready, Floats, Floats]], settings: Settings
    ) -> Iterator[tuple[Tag, Detections]]:
        """Yield the people of each scene at given boxes, with given scores; our detector does not run.

        Args:
            prepared: anything the caller wants back, a scene, (N, 4) boxes inside the original image and (N,) scores.
            settings: only ``batch_size`` counts.
        """

        def run(batch: list[tuple[Tag, Ready, Floats, Floats]]) -> list[tuple[Tag, Detections]]:
            some = [(ready, boxes) for _, ready, boxes, _ in batch if len(boxes)]
            embedded: Iterator[Tensor] = iter(())
            if some:
                with torch.inference_mode():
                    images = self._batch([ready for ready, _ in some])
                    embedded = iter(self.network.embed(images, [self._on_canvas(*item) for item in some]))
            nobody = torch.zeros(0, self.network.config.embedding_size)
            return [
                (tag, _given(next(embedded) if len(boxes) else nobody, ready, boxes, scores))
                for tag, ready, boxes, scores in batch
            ]

        return run_in_batches(
            prepared, kind=lambda item: _canvas_kind(item[1]), run=run, batch_size=settings.batch_size
        )

    def embed(self, ready: Ready, boxes: Floats) -> Floats:
        """Return (N, D) embeddings of boxes (N, 4), pixels of the original image, N > 0."""
        with torch.inference_mode():
            [embeddings] = self.network.embed(self._batch([ready]), [self._on_canvas(ready, boxes)])
        result: Floats = embeddings.cpu().numpy()
        return result

    def observe(
        self, scenes: Iterable[tuple[ImageInput, GivenBoxes]], order: ChannelOrder, settings: Settings
    ) -> Iterator[tuple[Detections, Floats]]:
        """Yield the detections of each scene and the embeddings of its given boxes, from one pass over it."""

        def prepare(scene: tuple[ImageInput, GivenBoxes]) -> tuple[Ready, Floats]:
            image, given = scene
            ready = self.ready(image, order)
            boxes = given(ready.canvas.image_size) if callable(given) else given
            return ready, checked_boxes(boxes, ready.canvas.image_size, describe(image))

        def run(batch: list[tuple[Ready, Floats]]) -> list[tuple[Detections, Floats]]:
            images = [ready for ready, _ in batch]
            with torch.inference_mode():
                people, embedded = self.network.observe(
                    self._batch(images),
                    [self._on_canvas(*item) for item in batch],
                    score_threshold=settings.threshold,
                    max_people=settings.max_people,
                )
            detections = [_detections(one, ready) for one, ready in zip(people, images, strict=True)]
            return [(one, rows.cpu().numpy()) for one, rows in zip(detections, embedded, strict=True)]

        return run_in_batches(
            self.prepare_ahead(prepare, scenes, settings.batch_size),
            kind=lambda item: _canvas_kind(item[0]),
            run=run,
            batch_size=settings.batch_size,
        )

    def _batch(self, images: list[Ready]) -> Tensor:
        pixels = torch.stack([ready.canvas.pixels for ready in images])
        if self.device.type == "cuda":  # as bytes, a quarter of the traffic, and without waiting for it
            pixels = pixels.pin_memory().to(self.device, non_blocking=True)
        else:
            pixels = pixels.to(self.device)
        return pixels if isinstance(self.network, FastNetwork) else pixels.to(self.dtype) / 255

    def _on_canvas(self, ready: Ready, boxes: Floats) -> Tensor:
        on_canvas = torch.from_numpy(ready.canvas.to_canvas(boxes))
        return on_canvas if isinstance(self.network, FastNetwork) else on_canvas.to(self.device)


def _canvas_kind(ready: Ready) -> tuple[int, ...]:
    return tuple(ready.canvas.pixels.shape)


def _whole(ready: Ready) -> Floats:
    """Return the (1, 4) box of the whole picture."""
    height, width = ready.canvas.image_size
    return np.array([[0, 0, width, height]], dtype=np.float32)


def _given(embeddings: Tensor, ready: Ready, boxes: Floats, scores: Floats) -> Detections:
    return Detections(
        boxes=boxes,
        scores=scores,
        embeddings=embeddings.float().cpu().numpy(),
        image_size=ready.canvas.image_size,
        image_id=ready.image_id,
    )


def _detections(people: People, ready: Ready) -> Detections:
    found = Detections(
        boxes=ready.canvas.to_original(people.boxes.float().cpu().numpy()),
        scores=people.scores.float().cpu().numpy(),
        embeddings=people.embeddings.float().cpu().numpy(),
        image_size=ready.canvas.image_size,
        image_id=ready.image_id,
    )
    inside = np.all(found.boxes[:, 2:] > found.boxes[:, :2], axis=1)
    return found if np.all(inside) else found[inside]  # the others are beside the image, where its canvas is padded
