"""Videos: frames decoded per second, decoding beside the network, a clip that is stored already, and finding a frame.

    python benchmarks/video.py                                  # clips made here: 1920x1080 and 768x432, H.264
    python benchmarks/video.py --real one-by-one.mp4            # and this one

What is compared takes turns in one run; a ratio is the median of the turns' ratios, and "CPU" is the processor time of
this process, which others on the machine disturb less. Counts of decoded frames are the decoder's own. "A device as
fast" stands in for a network on a GPU: it only waits, for each frame as long as decoding takes, so that decoding beside
it can gain 2x at most.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import av
import numpy as np
import torch

from personsearch import PersonSearcher
from personsearch.batching import run_in_batches
from personsearch.pictures import packets, seeking
from personsearch.pictures.packets import Decoder, milliseconds
from personsearch.pictures.video import Video
from personsearch.results import Detections
from personsearch.runner import Ready, Runner, Settings

#: Frames from one key frame to the next: two seconds, as cameras have it.
GROUP = 50
RATE = 25


@dataclass(frozen=True)
class Row:
    """Two ways to do the same, in turns.

    Attributes:
        wall: median seconds of each.
        ratio: median of the turns' ratios of wall time, the second divided by the first.
        cpu_ratio: the same of processor time.
        results: what each returned in the last turn.
    """

    wall: tuple[float, float]
    ratio: float
    cpu_ratio: float
    results: tuple[Any, Any]


def moving(path: Path, width: int, height: int, frames: int) -> Path:
    """Write an H.264 film in which a textured ground pans and rectangles walk over it, with noise as of a camera."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(40, 216, (height // 8 + 64, width // 8 + 64, 3), dtype=np.uint8)
    ground = coarse.repeat(8, 0).repeat(8, 1)
    noise = rng.integers(0, 9, (height + 16, width + 16, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"g": str(GROUP), "preset": "veryfast", "crf": "26"}
        for number in range(frames):
            top, left = number % 256, (2 * number) % 256
            picture = ground[top : top + height, left : left + width].copy()
            for walker in range(6):
                x = (walker * width // 6 + (3 + walker) * number) % (width - width // 12)
                picture[height // 3 : height * 4 // 5, x : x + width // 16] = 30 + 35 * walker
            y, x = rng.integers(0, 16, 2)
            picture += noise[y : y + height, x : x + width]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def repeated(clip: Path, path: Path, times: int) -> Path:
    """Write a film that shows a clip of constant frame rate so many times, without encoding it again."""
    with av.open(str(path), "w") as out, av.open(str(clip)) as source:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for number in range(times):
            source.seek(0)
            length = round(stream.frames / stream.average_rate / stream.time_base)
            for packet in source.demux(stream):
                if packet.size:
                    packet.pts, packet.dts = packet.pts + number * length, packet.dts + number * length
                    packet.stream = copy
                    out.mux(packet)
    return path


def in_turns(first: Callable[[], Any], second: Callable[[], Any], turns: int) -> Row:
    """Call both alternately."""
    wall: tuple[list[float], list[float]] = ([], [])
    cpu: tuple[list[float], list[float]] = ([], [])
    results: list[Any] = [None, None]
    for _ in range(turns):
        for place, call in enumerate((first, second)):
            begin, begin_cpu = time.perf_counter(), time.process_time()
            results[place] = call()
            wall[place].append(time.perf_counter() - begin)
            cpu[place].append(time.process_time() - begin_cpu)

    def ratio(taken: tuple[list[float], list[float]]) -> float:
        return statistics.median(b / max(a, 1e-9) for a, b in zip(*taken, strict=True))

    return Row(
        (statistics.median(wall[0]), statistics.median(wall[1])), ratio(wall), ratio(cpu), (results[0], results[1])
    )


def decoded(clip: Path) -> int:
    """Decode a clip and return how many frames it has."""
    return sum(1 for _ in Video(clip))


def with_pictures(clip: Path) -> int:
    """As :func:`decoded`, and make each frame's picture."""
    return sum(1 for frame in Video(clip) if frame.image().width)


def in_frame_threads(clip: Path) -> int:
    """As :func:`decoded`, with as many threads as there are cores; the package does not, as these hide damage."""
    with packets.opened(str(clip)) as (container, stream):
        stream.thread_type = "FRAME"
        stream.codec_context.thread_count = len(os.sched_getaffinity(0))
        return sum(1 for _ in Decoder(container, stream).frames())


def one_after_another(items: Iterable[Any], ahead: int) -> Generator[Any, None, None]:
    """Stand in for ``read_ahead``: the network waits for the decoder, and the decoder for the network."""
    del ahead
    yield from items


def indexing(searcher: PersonSearcher, clip: Path, every: int, turns: int, folder: Path) -> Row:
    """Index a clip, decoding beside the network against in turn with it."""
    numbers = itertools.count()

    def index(*, apart: bool) -> tuple[int, int]:
        with mock.patch("personsearch.indexing.scenes.read_ahead", one_after_another) if apart else nullcontext():
            report = searcher.index(clip, folder / str(next(numbers)), every=every, progress=False)
        return report.added, report.people

    return in_turns(lambda: index(apart=False), lambda: index(apart=True), turns)


def waiting(seconds: float) -> Callable[..., Iterator[tuple[Any, Detections]]]:
    """Return a stand-in for the network: it takes so long for a frame, uses no processor, and finds nobody."""

    def detect(runner: Runner, prepared: Iterable[tuple[Any, Ready]], settings: Settings) -> Iterator[Any]:
        none = np.zeros((0, 4), np.float32)
        vectors = np.zeros((0, runner.network.config.embedding_size), np.float32)

        def run(batch: list[tuple[Any, Ready]]) -> list[tuple[Any, Detections]]:
            time.sleep(seconds * len(batch))
            sizes = [(tag, ready.canvas.image_size) for tag, ready in batch]
            return [
                (tag, Detections(boxes=none, scores=none[:, 0], embeddings=vectors, image_size=size))
                for tag, size in sizes
            ]

        return run_in_batches(prepared, kind=lambda _: 0, run=run, batch_size=settings.batch_size)

    return detect


def beside_a_device(searcher: PersonSearcher, clip: Path, turns: int, folder: Path) -> tuple[float, Row]:
    """As :func:`indexing` with a device that is as fast as the decoder; returns its seconds for a frame, too."""
    every = max(decoded(clip) // 64, 1)
    with mock.patch.object(Runner, "detect_tagged", waiting(0)):
        begin = time.perf_counter()
        stored = searcher.index(clip, folder / "alone", every=every, progress=False).added
        seconds = (time.perf_counter() - begin) / stored
    with mock.patch.object(Runner, "detect_tagged", waiting(seconds)):
        return seconds, indexing(searcher, clip, every, turns, folder)


def indexing_again(searcher: PersonSearcher, clip: Path, every: int, turns: int, folder: Path) -> Row:
    """Index a clip that is stored, with its reading noted and without."""
    searcher.index(clip, folder / "again", every=every, progress=False)

    def index(*, forgotten: bool) -> int:
        forget = mock.patch("personsearch.indexing.scenes.stored_reading", return_value=None)
        with forget if forgotten else nullcontext():
            return searcher.index(clip, folder / "again", every=every, progress=False).skipped

    return in_turns(lambda: index(forgotten=False), lambda: index(forgotten=True), turns)


def finding(clip: Path, keys: Sequence[seeking.Key], turns: int) -> Row:
    """Find frames, by seeking against from the start; returns how many frames each decoded."""

    def from_the_start() -> seeking.Found:
        found = seeking.Found()
        seeking._from_the_start(str(clip), set(keys), found)
        return found

    row = in_turns(lambda: seeking.look_up(str(clip), keys), from_the_start, turns)
    for key in keys:
        one, other = (found.frames[key][0].to_ndarray() for found in row.results)
        if not np.array_equal(one, other):
            raise SystemExit(f"{clip}: the frame at {key} is another one")
    return Row(row.wall, row.ratio, row.cpu_ratio, (row.results[0].decoded, row.results[1].decoded))


def head(*cells: str) -> None:
    """Print the head of a table."""
    print(f"\n| {' | '.join(cells)} |\n| {' | '.join('---' for _ in cells)} |", flush=True)


def line(*cells: object) -> None:
    """Print a row of a table."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def report(clips: dict[str, Path], searcher: PersonSearcher, options: argparse.Namespace, folder: Path) -> None:
    """Measure and print everything."""
    head("decode a clip", "frames", "frames/s", "with pictures, frames/s", "frame threads (not used): ratio, CPU")
    for name, clip in clips.items():
        plain = in_turns(partial(decoded, clip), partial(with_pictures, clip), options.turns)
        threads = in_turns(partial(in_frame_threads, clip), partial(decoded, clip), options.turns)
        frames = plain.results[0]
        rates = [f"{frames / seconds:.0f}" for seconds in plain.wall]
        line(name, frames, *rates, f"{threads.ratio:.2f}x, {threads.cpu_ratio:.2f}x")

    head("index a clip, every nth frame", "stored", "decoded beside the network, s", "in turn, s", "ratio, CPU")
    for name, clip in clips.items():
        for every in options.every:
            row = indexing(searcher, clip, every, options.turns, Path(tempfile.mkdtemp(dir=folder)))
            if row.results[0] != row.results[1]:
                raise SystemExit(f"{name}: {row.results[0]} and {row.results[1]} scenes and people were stored")
            seconds = [f"{wall:.2f}" for wall in row.wall]
            line(f"{name}, {every}", row.results[0][0], *seconds, f"{row.ratio:.2f}x, {row.cpu_ratio:.2f}x")

    head("index a clip on a device as fast", "stored", "decoded beside it, s", "in turn, s", "ratio")
    for name, clip in clips.items():
        taken, row = beside_a_device(searcher, clip, options.turns, Path(tempfile.mkdtemp(dir=folder)))
        seconds = [f"{wall:.2f}" for wall in row.wall]
        line(f"{name}, {1000 * taken:.0f} ms a frame", row.results[0][0], *seconds, f"{row.ratio:.2f}x")

    head("index the same clip again", "stored", "its reading is noted, s", "decoded again, s", "ratio, CPU")
    for name, clip in clips.items():
        every = options.every[-1]
        row = indexing_again(searcher, clip, every, options.turns, Path(tempfile.mkdtemp(dir=folder)))
        seconds = [f"{wall:.3f}" for wall in row.wall]
        line(f"{name}, {every}", row.results[0], *seconds, f"{row.ratio:.1f}x, {row.cpu_ratio:.1f}x")

    head("find frames in a long clip", "frames", "sought: s, decoded", "from the start: s, decoded", "ratio, CPU")
    for name, clip in clips.items():
        long = clip if name not in options.sizes else repeated(clip, folder / f"long-{name}.mp4", options.times)
        names = [(milliseconds(frame.seconds), frame.repeat) for frame in Video(long)]
        wanted = {
            "one in the last tenth": [names[-max(len(names) // 20, 1)]],
            "ten anywhere": names[7 :: max(len(names) // 10, 1)][:10],
        }
        for what, keys in wanted.items():
            row = finding(long, keys, options.turns)
            sides = [f"{wall:.3f}, {count}" for wall, count in zip(row.wall, row.results, strict=True)]
            line(f"{name}, {what}", len(names), *sides, f"{row.ratio:.1f}x, {row.cpu_ratio:.1f}x")


def main() -> None:
    """Make the clips, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["1920x1080", "768x432"], help="WIDTHxHEIGHT")
    parser.add_argument("--frames", type=int, default=200, help="of each clip that is made")
    parser.add_argument("--times", type=int, default=20, help="how often a clip is repeated to be long")
    parser.add_argument("--every", type=int, nargs="+", default=[5, 25])
    parser.add_argument("--real", help="a video of yours; left out where there is no such file")
    parser.add_argument("--weights", default="stl-mrfp-small")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="of the network")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cores = len(os.sched_getaffinity(0))
    versions = f"PyAV {av.__version__}, libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))}"
    print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {cores} cores; {versions}; torch {torch.__version__}")
    print(f"network: {options.weights}, {options.threads} thread(s); {options.turns} turns")
    searcher = PersonSearcher.from_pretrained(options.weights, device=options.device)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = {}
        for size in options.sizes:
            width, height = map(int, size.split("x"))
            clips[size] = moving(folder / f"{size}.mp4", width, height, options.frames)
        if options.real and Path(options.real).is_file():
            clips[Path(options.real).name] = Path(options.real)
        elif options.real:
            print(f"{options.real}: no such file; left out")
        report(clips, searcher, options, folder)


if __name__ == "__main__":
    main()
