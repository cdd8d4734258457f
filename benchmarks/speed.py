"""Images per second of the network, from decoded images, and from encoded bytes, kept apart.

    python benchmarks/speed.py                                  # both presets, 960x640 and 1500x900
    python benchmarks/speed.py --device cuda --batch 8 --json   # a JSON object a line

Weights are random, with BatchNorm statistics of one pass: speed does not depend on what was learnt, but it does on how
many people are kept, so exactly ``--people`` are (8 by default). "network" starts from a batch on the device; "decoded"
from arrays, with resizing, transfer and results as arrays; "encoded" from JPEG bytes.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import nn

from personsearch import PersonSearcher
from personsearch.canvas import to_canvas
from personsearch.models import ModelConfig, build, preset, preset_names

#: Table 7 of the paper, frames per second on a V100, STL + MRFP.
PAPER = {("stl-mrfp-r50", "960x640"): 40.6, ("stl-mrfp-r50", "1500x900"): 28.7}


@dataclass(frozen=True)
class Row:
    """One measurement; times are of a batch."""

    preset: str
    size: str
    what: str
    device: str
    dtype: str
    batch: int
    people: int
    median_ms: float
    p95_ms: float
    images_per_s: float
    paper_images_per_s: float | None


def hardware(device: torch.device) -> dict[str, str]:
    """Say what was measured on."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    told = {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": f"{names[0] if names else platform.machine()}, {len(names)} cores, {torch.get_num_threads()} threads",
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "torchvision": str(torchvision.__version__),
    }
    if device.type == "cuda":
        told |= {"gpu": torch.cuda.get_device_name(device), "cuda": str(torch.version.cuda)}
    return told


def scene(width: int, height: int, seed: int) -> Image.Image:
    """Return a made-up scene whose JPEG is about as large as a photo's."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    return Image.fromarray((smooth + rng.integers(-12, 13, smooth.shape)).clip(0, 255).astype(np.uint8))


def searcher_for(name: str, width: int, height: int, people: int, options: argparse.Namespace) -> PersonSearcher:
    """Build a preset for scenes of this size that keeps exactly so many people."""
    data = preset(name).model_dump()
    data["input"] |= {"min_size": min(width, height), "max_size": max(width, height)}
    data["detector"] |= {"score_threshold": 0.0, "max_people": people, "nms": 1.0}
    torch.manual_seed(0)
    network = build(ModelConfig.model_validate(data))
    norms = [module for module in network.modules() if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d))]
    network.eval()
    for norm in norms:
        norm.train()
        norm.momentum = None  # the mean of what is seen
    canvas = to_canvas(np.asarray(scene(320, 256, 0)), 256, 320).pixels[None].float() / 255
    with torch.inference_mode():
        network.embed(canvas, [torch.tensor([[i * 20.0, 10, i * 20 + 60, 200] for i in range(8)])])
    return PersonSearcher(network, device=options.device, dtype=options.dtype)


def timed(call: Callable[[], object], device: torch.device, warmup: int, repeats: int) -> list[float]:
    """Return milliseconds of each repetition, the device's work included."""
    taken = []
    for number in range(warmup + repeats):
        begin = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if number >= warmup:
            taken.append(1000 * (time.perf_counter() - begin))
    return taken


def measure(name: str, width: int, height: int, batch: int, options: argparse.Namespace) -> Iterator[Row]:
    """Measure one preset at one size."""
    searcher = searcher_for(name, width, height, options.people, options)
    pictures = [scene(width, height, seed) for seed in range(batch)]
    arrays = [np.asarray(picture) for picture in pictures]
    encoded = []
    for picture in pictures:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=85)
        encoded.append(file.getvalue())
    size = searcher.config.input
    canvases = [to_canvas(array, size.min_size, size.max_size).pixels for array in arrays]
    resident = (torch.stack(canvases).to(searcher.device).to(searcher.dtype) / 255).contiguous()
    found = searcher.detect(arrays, batch_size=batch, progress=False)
    counts = {len(one) for one in found}
    if counts != {options.people}:
        raise SystemExit(f"kept {counts} people instead of {options.people}: the figures would not compare")

    def network() -> None:
        with torch.inference_mode():
            searcher.network(resident)

    calls: dict[str, Callable[[], Any]] = {
        "network": network,
        "decoded": lambda: searcher.detect(arrays, batch_size=batch, progress=False),
        "encoded": lambda: searcher.detect(encoded, batch_size=batch, progress=False),
    }
    for what, call in calls.items():
        taken = timed(call, searcher.device, options.warmup, options.repeats)
        median = statistics.median(taken)
        yield Row(
            preset=name,
            size=f"{width}x{height}",
            what=what,
            device=str(searcher.device),
            dtype=str(searcher.dtype).removeprefix("torch."),
            batch=batch,
            people=options.people,
            median_ms=round(median, 2),
            p95_ms=round(float(np.percentile(taken, 95)), 2),
            images_per_s=round(1000 * batch / median, 2),
            paper_images_per_s=PAPER.get((name, f"{width}x{height}")) if what == "network" else None,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=preset_names(), choices=preset_names())
    parser.add_argument("--sizes", nargs="+", default=["960x640", "1500x900"], help="WIDTHxHEIGHT")
    parser.add_argument("--device", help="cuda, mps or cpu; default: the best there is")
    parser.add_argument("--dtype", choices=["float32", "float16", "bfloat16"], help="default: float16 on cuda")
    parser.add_argument("--batch", type=int, default=1, help="halved where the GPU's memory is too small")
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    options = parser.parse_args()
    told = hardware(torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu")))
    if not options.json:
        print(", ".join(f"{key} {value}" for key, value in told.items()))
        print(f"\n{options.people} people kept an image; times of a batch; random weights\n")
        print("| preset | size | from | device, dtype | batch | median ms | p95 ms | images/s | paper (V100) |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in options.presets:
        for size in options.sizes:
            width, height = map(int, size.split("x"))
            batch = options.batch
            while True:
                try:
                    for row in measure(name, width, height, batch, options):
                        show(row, told, as_json=options.json)
                    break
                except torch.cuda.OutOfMemoryError:
                    if batch == 1:
                        raise
                    batch //= 2


def show(row: Row, told: dict[str, str], *, as_json: bool) -> None:
    """Print one measurement."""
    if as_json:
        print(json.dumps({**asdict(row), **told}), flush=True)
        return
    paper = "" if row.paper_images_per_s is None else str(row.paper_images_per_s)
    print(
        f"| {row.preset} | {row.size} | {row.what} | {row.device}, {row.dtype} | {row.batch} | {row.median_ms:.1f} | "
        f"{row.p95_ms:.1f} | {row.images_per_s:.2f} | {paper} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
