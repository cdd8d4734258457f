"""What it costs to get from a JPEG's bytes to the network's canvas: decoders side by side, threads, and the overlap.

    python benchmarks/decode.py
    python benchmarks/decode.py --picture PHOTO.jpg

All decoders of a table take turns on the same bytes, and the times are the medians of a thread's own CPU time, so that
what else runs on the machine changes them little. Decoders that are not installed are left out.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, features

from personsearch.batching import batches_ahead, map_ahead, run_in_batches, workers_for
from personsearch.canvas import resized_size, to_canvas
from personsearch.demo import demo_folder
from personsearch.models.config import preset
from personsearch.pictures import jpeg
from personsearch.pictures.decode import load_image, load_picture
from personsearch.process import available_cores

Pixels = NDArray[np.uint8]
Decode = Callable[[bytes], Pixels]

SIZES = ("960x640", "1920x1080", "4000x3000")
#: Kind of JPEG -> how Pillow writes it.
KINDS: Mapping[str, Mapping[str, Any]] = {
    "4:2:0": {"subsampling": 2},
    "4:4:4": {"subsampling": 0},
    "4:2:0, progressive": {"subsampling": 2, "progressive": True},
    "4:2:0, on its side": {"subsampling": 2, "exif": Image.Exif()},
}
KINDS["4:2:0, on its side"]["exif"][jpeg.ORIENTATION] = 6
#: Network -> its input: shorter side, longer side at most.
INPUTS = {name: preset(name).input for name in ("stl-mrfp-small", "stl-mrfp-r50")}


def picture_of(size: str, path: Path | None) -> Image.Image:
    """Return a photograph at a size; by default a bundled scene with the noise of a sensor, which enlarging takes."""
    width, height = map(int, size.split("x"))
    source = Image.open(path or demo_folder() / "s23c4_0005.jpg").convert("RGB")
    pixels = np.asarray(ImageOps.fit(source, (width, height), Image.Resampling.BICUBIC), np.float32)
    if path is None:
        pixels = pixels + np.random.default_rng(0).normal(0, 4, (height, width, 1)).astype(np.float32)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def encoded(picture: Image.Image, kind: str) -> bytes:
    """Return a JPEG of quality 90."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90, **KINDS[kind])
    return file.getvalue()


def by_pillow(data: bytes) -> Pixels:
    """Decode as ``load_image`` does where there is no simplejpeg."""
    fast = jpeg.decode_upright
    jpeg.decode_upright = lambda image, reduction=1: None
    try:
        return load_image(data)
    finally:
        jpeg.decode_upright = fast


def by_pillow_s_copies(data: bytes) -> Pixels:
    """Decode as is usual, and as this library did: turn, convert and copy into an array."""
    with Image.open(io.BytesIO(data)) as image:
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))


def decoders() -> dict[str, Decode]:
    """Return those that are installed, by name; the first is what the others are compared with."""
    found: dict[str, Decode] = {
        "Pillow, with the usual copies": by_pillow_s_copies,
        "Pillow, in place": by_pillow,
        "load_image": load_image,
    }
    try:
        import simplejpeg

        found[f"simplejpeg {simplejpeg.__version__}"] = partial(simplejpeg.decode_jpeg, colorspace="RGB")
    except ImportError:
        pass
    try:
        import torchvision.io

        found[f"torchvision {torchvision.__version__}"] = partial(_by_torch, torchvision.io.decode_jpeg)
    except (ImportError, AttributeError):  # deprecated from 0.29 on
        pass
    try:
        import torchcodec.decoders

        found[f"TorchCodec {torchcodec.__version__}"] = partial(_by_torch, torchcodec.decoders.decode_jpeg)
    except (ImportError, RuntimeError, AttributeError):
        pass
    try:
        import cv2

        cv2.setNumThreads(1)
        flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        found[f"OpenCV {cv2.__version__}"] = lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except (ImportError, AttributeError):
        pass
    return found


def _by_torch(decode: Callable[[torch.Tensor], torch.Tensor], data: bytes) -> Pixels:
    pixels: Pixels = decode(torch.frombuffer(bytearray(data), dtype=torch.uint8)).permute(1, 2, 0).contiguous().numpy()
    return pixels


def take_turns(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median CPU time of each call in milliseconds; they take turns, after one turn that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            started = time.thread_time()
            call()
            if turn:
                times[name].append(1000 * (time.thread_time() - started))
    return {name: statistics.median(values) for name, values in times.items()}


def table_of_decoders(size: str, data: Mapping[str, bytes], repeats: int) -> Iterator[str]:
    """Yield the rows of a table: each decoder's time for each kind of JPEG, and whether the pixels are Pillow's."""
    methods = decoders()
    times = {
        kind: take_turns({name: partial(run, one) for name, run in methods.items()}, repeats)
        for kind, one in data.items()
    }
    yield f"| {size}: CPU ms | " + " | ".join(f"{kind}, {len(one) // 1024} kB" for kind, one in data.items()) + " |"
    yield "| --- |" + " --- |" * len(data)
    first = next(iter(methods))
    for name, run in methods.items():
        cells = []
        for kind, one in data.items():
            cell = f"{times[kind][name]:.1f} ({times[kind][first] / times[kind][name]:.1f}x)"
            same = np.array_equal(run(one), methods[first](one))
            cells.append(cell if same else f"{cell}, {'not turned' if 'side' in kind else 'other pixels'}")
        yield f"| {name} | {' | '.join(cells)} |"


def table_of_canvases(data: Mapping[str, bytes], repeats: int) -> Iterator[str]:
    """Yield the rows of a table: from bytes to the canvas, as a whole and at a part of the size."""
    yield "| to the canvas of | picture | whole, CPU ms | fast_decode, CPU ms | decoded at |"
    yield "| --- | --- | --- | --- | --- |"
    for name, rule in INPUTS.items():
        for size, one in data.items():

            def least(whole: tuple[int, int], low: int = rule.min_size, high: int = rule.max_size) -> tuple[int, int]:
                return resized_size(*whole, low, high)

            def prepare(
                one: bytes = one,
                least: Callable[..., tuple[int, int]] | None = None,
                low: int = rule.min_size,
                high: int = rule.max_size,
            ) -> None:
                picture = load_picture(one, least=least)
                to_canvas(picture.pixels, low, high, image_size=picture.image_size, reduction=picture.reduction)

            times = take_turns({"whole": prepare, "fast": partial(prepare, least=least)}, repeats)
            part = load_picture(one, least=least).reduction
            gain = f"{times['fast']:.1f} ({times['whole'] / times['fast']:.1f}x)"
            yield f"| {name} | {size} | {times['whole']:.1f} | {gain} | {f'1/{part}' if part > 1 else 'its size'} |"


def table_of_threads(data: bytes, counts: tuple[int, ...], pictures: int) -> Iterator[str]:
    """Yield the rows of a table: pictures prepared per second by so many threads at once."""
    yield "| threads | decoded/s | resized/s |"
    yield "| --- | --- | --- |"
    rule, pixels = INPUTS["stl-mrfp-r50"], load_image(data)
    for count in counts:
        rates = []
        for call in (partial(load_image, data), partial(to_canvas, pixels, rule.min_size, rule.max_size)):
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(lambda _, call=call: call(), range(count)))
                started = time.perf_counter()
                list(pool.map(lambda _, call=call: call(), range(pictures)))
                rates.append(pictures / (time.perf_counter() - started))
        yield f"| {count} | {rates[0]:.0f} | {rates[1]:.0f} |"


def table_of_overlap(pictures: int, decode: float) -> Iterator[str]:
    """Yield the rows of a table: a network that sleeps as if a GPU computed, and pictures that sleep while decoded.

    Sleeping needs no core, so that any number of threads can be shown on any machine.
    """
    yield (
        "| threads | decoding alone, images/s | network alone | both, two threads and 8 images ahead | both, as now "
        "| of the slower one |"
    )
    yield "| --- | --- | --- | --- | --- | --- |"
    size = 8
    for cores in (4, 16):
        workers = workers_for("cuda", cores)
        for network in (0.25, 1.0, 4.0):  # of what the threads need for a batch
            batch_seconds = network * size * decode / workers

            def work(number: int) -> int:
                time.sleep(decode)
                return number

            def run(batch: list[int], seconds: float = batch_seconds) -> list[int]:
                time.sleep(seconds)
                return batch

            rates = []
            for threads, ahead in ((2, size), (workers, batches_ahead(size, workers))):
                started = time.perf_counter()
                prepared = map_ahead(work, range(pictures), ahead=ahead, workers=threads)
                for _ in run_in_batches(prepared, lambda _: 0, run, size):
                    pass
                rates.append(pictures / (time.perf_counter() - started))
            alone = (workers / decode, size / batch_seconds)
            cells = [f"{value:.0f}" for value in (*alone, *rates)]
            yield f"| {workers} | {' | '.join(cells)} | {100 * rates[1] / min(alone):.0f} % |"


def main() -> None:
    """Measure and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=SIZES, help="WIDTHxHEIGHT")
    parser.add_argument("--picture", type=Path, help="a photograph; default: a bundled scene, with noise")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--pictures", type=int, default=192, help="for the tables of threads and of the overlap")
    parser.add_argument("--sleep", type=float, default=0.1, help="seconds that decoding takes in the table of overlap")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # torchvision's, of its own end
    torch.set_num_threads(1)
    print(f"{datetime.now(UTC).date()}, {available_cores()} cores, torch {torch.__version__}, Pillow", end=" ")
    print(f"{Image.__version__} with libjpeg-turbo {features.version('libjpeg_turbo')}; JPEGs of quality 90\n")
    pictures = {size: picture_of(size, arguments.picture) for size in arguments.sizes}
    for size, picture in pictures.items():
        print(*table_of_decoders(size, {kind: encoded(picture, kind) for kind in KINDS}, arguments.repeats), sep="\n")
        print(flush=True)
    plain = {size: encoded(picture, "4:2:0") for size, picture in pictures.items()}
    print(*table_of_canvases(plain, arguments.repeats), sep="\n")
    print(flush=True)
    counts = tuple(count for count in (1, 2, 4, 8, 16) if count <= 2 * available_cores())
    print(*table_of_threads(plain[arguments.sizes[0]], counts, arguments.pictures), sep="\n")
    print(flush=True)
    print(*table_of_overlap(arguments.pictures, arguments.sleep), sep="\n")


if __name__ == "__main__":
    main()
