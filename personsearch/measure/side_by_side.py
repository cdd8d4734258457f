"""What one step and two steps cost: parameters, and time for a picture, measured on the same pictures by turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from personsearch.canvas import to_canvas
from personsearch.datasets.scene import Scene
from personsearch.fast import FastNetwork
from personsearch.measure.cropped import CropEmbedder
from personsearch.models import ModelConfig, ReidNetwork, build
from personsearch.pictures.decode import load_image
from personsearch.plain import counted
from personsearch.results import Detections, Floats

if TYPE_CHECKING:
    from personsearch.searcher import PersonSearcher

#: Pictures that are timed, at most.
SAMPLE = 32
#: No further picture is begun after so many seconds, once a few are done: a large network on a CPU takes seconds each.
SECONDS = 60.0
#: Pictures that are timed in any case.
LEAST = 3


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Numbers of parameters.

    Attributes:
        one_step: the person-search network; behind another detector, without its own.
        detection: of two steps, the first: what the person-search network detects with; 0 for another detector.
        reid: of two steps, the second.
    """

    one_step: int
    detection: int
    reid: int

    def text(self) -> str:
        """Return a line."""
        two = f"{self.detection + self.reid:,} in two steps ({self.detection:,} to detect and {self.reid:,} to embed)"
        if not self.detection:
            two = f"{self.reid:,} in two steps, both without the detector, which is not ours"
        return f"parameters: {self.one_step:,} in one step, {two}"


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What a picture took, from its file to embeddings; the two systems by turns on the same pictures.

    Attributes:
        pictures: how many were timed.
        people: how many boxes were embedded in each, on average.
        one_step: median seconds: decode, detect, embed from the scene.
        two_step: median seconds: decode, detect without embedding, cut, embed the crops.
        detector: whether detecting is part of both; other detectors are not timed.
        computed_on: device, and what each system computes in.
        threads: of torch.
    """

    pictures: int
    people: float
    one_step: float
    two_step: float
    detector: bool
    computed_on: str
    threads: int

    def text(self) -> str:
        """Return a line."""
        without = "" if self.detector else ", without the detector's time"
        return (
            f"time for a picture: {1000 * self.one_step:.0f} ms in one step, {1000 * self.two_step:.0f} ms in two with "
            f"cutting{without} (medians of {counted(self.pictures, 'picture')} with {self.people:.1f} people on "
            f"average, by turns, one at a time; {self.computed_on}, {counted(self.threads, 'thread')})"
        )


def parameters_of(config: ModelConfig, reid: ModelConfig, *, own_detector: bool = True) -> Parameters:
    """Count the parameters that each system needs at inference.

    Args:
        config: of the person-search network.
        reid: of the re-identification network that embeds crops.
        own_detector: whether the person-search network detects in both; else boxes come from elsewhere, and neither
            needs its detector.
    """
    with torch.device("meta"):  # counted, never filled
        network, second = build(config), ReidNetwork(reid.backbone, reid.feature_size)
    base, detector = count(network.base), count(network.detector)
    return Parameters(
        one_step=count(network) - (0 if own_detector else detector),
        detection=base + detector if own_detector else 0,
        reid=count(second),
    )


def count(module: nn.Module) -> int:
    """Return how many numbers a module's parameters are, frozen ones included."""
    return sum(parameter.numel() for parameter in module.parameters())


def pace_of(
    searcher: PersonSearcher,
    embedder: CropEmbedder,
    scenes: Sequence[Scene],
    lowest_score: float,
    *,
    given: Mapping[str, Detections] | None = None,
) -> Pace:
    """Time both systems on pictures evenly spread over a set, by turns, one picture at a time.

    Args:
        searcher: the person-search network.
        embedder: the second step of the cascade.
        scenes: the set, not empty.
        lowest_score: of the detections that are embedded.
        given: boxes by image_id that both embed instead of detecting.
    """
    chosen = [scenes[number] for number in np.unique(np.linspace(0, len(scenes) - 1, SAMPLE).round().astype(int))]

    def one_step(scene: Scene) -> int:
        if given is not None:
            return len(searcher.embed_boxes(scene.path, given[scene.image_id].boxes))
        return len(searcher.detect(scene.path, threshold=lowest_score))

    def two_step(scene: Scene) -> int:
        if given is not None:
            return len(embedder.embed_boxes(scene.path, given[scene.image_id].boxes))
        picture = load_image(scene.path)
        return len(embedder.embed_boxes(picture, boxes_only(searcher, picture, lowest_score)))

    one_step(chosen[0]), two_step(chosen[0])  # what a first call sets up is not what a picture takes
    took: tuple[list[float], list[float]] = ([], [])
    people = []
    began = time.perf_counter()
    for number, scene in enumerate(chosen):
        for system in (0, 1) if number % 2 else (1, 0):
            seconds, found = _timed((one_step, two_step)[system], scene)
            took[system].append(seconds)
        people.append(found)
        if number + 1 >= LEAST and time.perf_counter() - began > SECONDS:
            break
    return Pace(
        pictures=len(people),
        people=float(np.mean(people)),
        one_step=median(took[0]),
        two_step=median(took[1]),
        detector=given is None,
        computed_on=_computed_on(searcher),
        threads=torch.get_num_threads(),
    )


def boxes_only(searcher: PersonSearcher, picture: NDArray[np.uint8], lowest_score: float) -> Floats:
    """Detect people without embedding them: the first step of a cascade.

    Args:
        searcher: whose detector it is.
        picture: (H, W, 3) uint8 RGB.
        lowest_score: of the detections.

    Returns:
        (N, 4) float32 xyxy pixels of the picture: the very boxes that ``searcher.detect`` returns.
    """
    config, network = searcher.config, searcher.network
    canvas = to_canvas(picture, config.input.min_size, config.input.max_size)
    pixels = canvas.pixels[None].to(searcher.device)
    most = config.detector.max_people
    with torch.inference_mode():
        if isinstance(network, FastNetwork):
            _, high = network.features(pixels)
            for exact in (None, True):
                regions = network.propose(high, exact=exact)
                boxes, scores = network.score(high, regions)
                chosen = network.select(
                    boxes, scores, regions.real, score_threshold=lowest_score, max_people=most, exact=exact
                )
                if bool((regions.settled & chosen.settled).all()):
                    break
            found = chosen.boxes[0][chosen.real[0]]
        else:
            images = pixels.to(searcher.dtype) / 255
            _, high = network.base((images - network.mean) / network.std)
            proposals = network.detector.propose(images, high)
            found = network.detector(images, high, proposals, lowest_score, most)[0][0]
    original = canvas.to_original(found.float().cpu().numpy())
    inside: Floats = original[np.all(original[:, 2:] > original[:, :2], axis=1)]
    return inside


def _timed(run: Callable[[Scene], int], scene: Scene) -> tuple[float, int]:
    started = time.perf_counter()
    found = run(scene)
    return time.perf_counter() - started, found


def _computed_on(searcher: PersonSearcher) -> str:
    device = searcher.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    dtype = str(searcher.dtype).removeprefix("torch.")
    return f"{name} {dtype}" if dtype == "float32" else f"{name}, {dtype} in one step and float32 for crops"
