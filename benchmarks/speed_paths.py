"""What ``speed.py`` and ``peers.py`` time: made-up scenes, and one network along each of its paths.

A path is how a network is run: ``reference`` is the readable network that training uses, ``fast`` what
``PersonSearcher`` uses, ``compiled`` that with ``compile=True``. Weights are random, with BatchNorm statistics of one
pass: speed does not depend on what was learnt, but it does on how many people are kept, so that number is forced.
Random weights always give as many proposals as are allowed, as a busy scene does.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from speed_timing import Rounds
from torch import Tensor, nn

from personsearch import PersonSearcher
from personsearch.canvas import to_canvas
from personsearch.device import choose_device
from personsearch.models import ModelConfig, PersonSearchNetwork, build, preset

PATHS = ("reference", "fast", "compiled")
DTYPES = ("float32", "float16", "bfloat16")

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Cell:
    """What is compared in one run: everything but the paths.

    Attributes:
        preset: name of the network's configuration.
        width: of the scenes, pixels.
        height: of the scenes, pixels.
        batch: images that go through the network together.
        people: who are kept in each.
        device: ``"cpu"``, ``"cuda"`` ...
        threads: on the CPU.
    """

    preset: str
    width: int
    height: int
    batch: int
    people: int
    device: str
    threads: int

    @property
    def size(self) -> str:
        """Width and height, as in ``"960x640"``."""
        return f"{self.width}x{self.height}"

    def row(self, kind: str, path: str, dtype: str) -> dict[str, Any]:
        """Return what says in a table's row which setting it is of."""
        return {
            "kind": kind,
            "preset": self.preset,
            "size": self.size,
            "device": self.device,
            "threads": self.threads,
            "batch": self.batch,
            "people": self.people,
            "path": path,
            "dtype": dtype,
        }


@dataclass(frozen=True)
class Plan:
    """What is timed of a cell, and how often.

    Attributes:
        paths: with their dtypes; the first is what others are compared with.
        rounds: how often they take turns.
    """

    paths: tuple[tuple[str, str], ...]
    rounds: Rounds


def scene(width: int, height: int, seed: int) -> Image.Image:
    """Return a made-up scene whose JPEG is about as large as a photo's."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    return Image.fromarray((smooth + rng.integers(-12, 13, smooth.shape)).clip(0, 255).astype(np.uint8))


def config_for(cell: Cell) -> ModelConfig:
    """Return a preset for scenes of this size, not resized, that keeps exactly so many people."""
    data = preset(cell.preset).model_dump()
    data["input"] |= {"min_size": min(cell.width, cell.height), "max_size": max(cell.width, cell.height)}
    data["detector"] |= {"score_threshold": 0.0, "max_people": cell.people, "nms": 1.0}
    return ModelConfig.model_validate(data)


def network_for(cell: Cell) -> PersonSearchNetwork:
    """Build the network, always with the same weights."""
    torch.manual_seed(0)
    network = build(config_for(cell)).eval()
    canvas = to_canvas(np.asarray(scene(320, 256, 0)), 256, 320).pixels[None].float() / 255
    people = torch.tensor([[i * 20.0, 10, i * 20 + 60, 200] for i in range(8)])
    calibrate(network, lambda: network.embed(canvas, [people]))
    return network


def calibrate(network: nn.Module, call: Callable[[], object]) -> None:
    """Give every BatchNorm the statistics of one pass: with those it is born with, activations would explode."""
    norms = [module for module in network.modules() if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d))]
    for norm in norms:
        norm.train()
        norm.momentum = None  # the mean of what is seen
    with torch.inference_mode():
        call()
    network.eval()


def searcher_for(cell: Cell, path: str, dtype: str) -> PersonSearcher:
    """Wrap the network of a cell the way a path runs it."""
    network = network_for(cell)
    if path == "reference":
        return PersonSearcher(network, device=cell.device, dtype=dtype, fast=False)
    return PersonSearcher(network, device=cell.device, dtype=dtype, fast=True, compile=path == "compiled")


@dataclass(frozen=True)
class Scenes:
    """The same scenes in the three forms that a figure starts from.

    Attributes:
        arrays: decoded.
        encoded: as JPEG bytes.
        batch: (N, 3, H, W) uint8 canvases on the device.
    """

    arrays: list[Pixels]
    encoded: list[bytes]
    batch: Tensor


def scenes_for(cell: Cell) -> Scenes:
    """Make the scenes of a cell."""
    pictures = [scene(cell.width, cell.height, seed) for seed in range(cell.batch)]
    arrays = [np.asarray(picture) for picture in pictures]
    encoded = []
    for picture in pictures:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=85)
        encoded.append(file.getvalue())
    smaller, larger = sorted((cell.width, cell.height))
    canvases = [to_canvas(array, smaller, larger).pixels for array in arrays]
    return Scenes(arrays, encoded, torch.stack(canvases).to(cell.device).contiguous())


def calls_for(searcher: PersonSearcher, scenes: Scenes, path: str) -> Mapping[str, Callable[[], Any]]:
    """Return what is timed, by what it starts from; each ends with its result on the host.

    ``network`` starts from a batch on the device, ``decoded`` from arrays, with resizing, transfer and results as
    arrays, ``encoded`` from JPEG bytes.
    """
    network, count = searcher.network, len(scenes.arrays)

    def reference() -> Any:
        with torch.inference_mode():
            return [[field.cpu() for field in one] for one in network(scenes.batch.to(searcher.dtype) / 255)]

    def fast() -> Any:
        with torch.inference_mode():
            return network(scenes.batch)

    return {
        "network": reference if path == "reference" else fast,
        "decoded": lambda: searcher.detect(scenes.arrays, batch_size=count, progress=False),
        "encoded": lambda: searcher.detect(scenes.encoded, batch_size=count, progress=False),
    }


def usual_dtypes(device: str) -> list[str]:
    """Return what is worth computing in on a device."""
    return {"cuda": ["float16"], "cpu": ["float32", "bfloat16"]}.get(torch.device(device).type, ["float32"])


def plan_of(options: argparse.Namespace, device: str) -> Plan:
    """Return what :func:`add_options` took: the reference in the first dtype, then the other paths in each."""
    dtypes = options.dtypes or usual_dtypes(device)
    others = [(path, dtype) for dtype in dtypes for path in options.paths if path != "reference"]
    rounds = Rounds(options.warmup, options.repeats, options.seconds)
    return Plan((("reference", dtypes[0]), *others), rounds)


def add_options(parser: argparse.ArgumentParser, *, people: list[int], threads: list[int]) -> None:
    """Add the options that say what is measured in which setting, and how often."""
    parser.add_argument("--sizes", nargs="+", default=["960x640", "1500x900"], help="WIDTHxHEIGHT")
    parser.add_argument("--device", help="cuda, mps or cpu; default: the best there is")
    parser.add_argument("--batch", type=int, nargs="+", default=[1], help="images; several are measured in turn")
    parser.add_argument("--people", type=int, nargs="+", default=people, help="who are kept in each image")
    parser.add_argument("--threads", type=int, nargs="+", default=threads, help="on the CPU")
    parser.add_argument("--paths", nargs="+", default=list(PATHS), choices=PATHS, help="the reference is always timed")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, help="default: float32 and bfloat16; float16 on cuda")
    parser.add_argument("--warmup", type=int, default=2, help="rounds")
    parser.add_argument("--repeats", type=int, default=10, help="rounds")
    parser.add_argument("--seconds", type=float, default=600, help="no round of a setting begins after that")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")


def cells_of(options: argparse.Namespace, presets: list[str]) -> list[Cell]:
    """Return every combination of what :func:`add_options` took."""
    device = str(choose_device(options.device))
    threads = options.threads if device == "cpu" else options.threads[-1:]
    return [
        Cell(name, *map(int, size.split("x")), batch, people, device, count)
        for name in presets
        for size in options.sizes
        for count in threads
        for people in options.people
        for batch in options.batch
    ]
