"""What the base network responds to before step 2 begins: the picture of the paper's Figure 6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from personsearch.canvas import to_canvas
from personsearch.models import ModelConfig, build
from personsearch.models.config import STRIDE
from personsearch.pictures.decode import ImageInput, load_image
from personsearch.pictures.drawing import titled_row
from personsearch.results import Floats
from personsearch.train.transfer import transfer


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """The response of the base network, with certain initial weights, to a scene.

    Attributes:
        name: of the initial weights.
        brightness: (h, w) float32 0..1: mean over the channels of conv3_x's output, stretched from its 1st to its 99th
            percentile.
        on_people: mean brightness inside people's boxes divided by that outside; None without boxes.
    """

    name: str
    brightness: Floats
    on_people: float | None


def feature_maps(
    image: ImageInput,
    model: ModelConfig,
    starts: Mapping[str, str | None],
    boxes: Sequence[Sequence[float]] | NDArray[np.float32] = (),
) -> list[FeatureMap]:
    """Return conv3_x's output on a scene for several initial weights of the base network (paper Figure 6).

    Args:
        image: the scene.
        model: architecture and preprocessing.
        starts: name -> initial weights, as in a recipe's ``init``; None = random weights (of seed 0).
        boxes: (N, 4) xyxy pixels of the scene: the people in it.

    Raises:
        WeightsNotFoundError: initial weights are not where their name says.
        WeightsMismatchError: initial weights do not fit the model.
    """
    pixels = load_image(image)
    canvas = to_canvas(pixels, model.input.min_size, model.input.max_size)
    batch = canvas.pixels[None].float() / 255
    height, width = (
        round(side * scale / STRIDE) for side, scale in zip(pixels.shape[:2], canvas.scale[::-1], strict=True)
    )
    maps = []
    for name, init in starts.items():
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)  # of the CPU, where networks are built, and of no GPU
            network = build(model).eval()
        if init is not None:
            transfer(network, init)
        with torch.inference_mode():
            _, high = network.base((batch - network.mean) / network.std)
        response = high[0].mean(dim=0)[:height, :width].numpy()
        low, top = np.percentile(response, [1, 99])
        brightness = ((response - low) / max(float(top - low), 1e-12)).clip(0, 1).astype(np.float32)
        maps.append(FeatureMap(name, brightness, _on_people(brightness, boxes, pixels.shape[:2])))
    return maps


def draw_feature_maps(image: ImageInput, maps: Sequence[FeatureMap], *, height: int = 320) -> Image.Image:
    """Draw the scene and, beside it, each map under its name; all ``height`` pixels high."""
    scene = Image.fromarray(load_image(image))
    size = (round(scene.width * height / scene.height), height)
    pictures = [("scene", scene.resize(size))]
    for one in maps:
        grey = Image.fromarray((one.brightness * 255).round().astype(np.uint8)).convert("RGB")
        ratio = "" if one.on_people is None else f": people {one.on_people:.2f} x as bright as the rest"
        pictures.append((f"{one.name}{ratio}", grey.resize(size, Image.Resampling.BICUBIC)))
    return titled_row(pictures)


def _on_people(
    brightness: Floats, boxes: Sequence[Sequence[float]] | NDArray[np.float32], image_size: tuple[int, ...]
) -> float | None:
    if not len(boxes):
        return None
    inside = np.zeros(brightness.shape, dtype=bool)
    scale = np.array([brightness.shape[1] / image_size[1], brightness.shape[0] / image_size[0]] * 2)
    for left, top, right, bottom in np.asarray(boxes, dtype=np.float64) * scale:
        inside[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))] = True
    return float(brightness[inside].mean() / brightness[~inside].mean())
