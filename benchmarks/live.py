"""What watching costs and how well it alerts.

    python benchmarks/live.py day                       # 345,600 frames, four a second for a day: memory
    python benchmarks/live.py alerts FOOTAGE            # made by: personsearch synth make FOOTAGE --recipe footage
    python benchmarks/live.py cameras VIDEO... --fps 4  # how many frames a second of cameras are looked at

``day`` has a stub in place of the network and everything else as it is: following, storing, retention, alerts.
``alerts`` looks for each person of annotated footage, by one picture before one camera, before all other cameras, and
says for each number of frames from which on a track is compared (``personsearch.live.alerts.MIN_FRAMES``) how many
passages were alerted about, how soon, and how many alerts were about somebody else.
``cameras`` plays videos as live cameras that never wait.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch import PersonSearcher
from personsearch.calibration import Calibration
from personsearch.datasets import load_dataset
from personsearch.live import Alert, Feed, watch
from personsearch.live.alerts import Appearances
from personsearch.live.reading import Inbox, Pace, Reader, Shot
from personsearch.live.targets import Target
from personsearch.measure.cache import default_folder
from personsearch.measure.observe import observe
from personsearch.pictures.video import Video
from personsearch.results import Detections, QueryPerson, Spec
from personsearch.tracking import Follower, Frame

DAY = 24 * 3600
DIM = 512


@dataclass
class Stub:
    """Sees a new person every 20 s who crosses the picture in 8 s, every tenth time the one who is looked for."""

    calibration: Calibration | None = None
    spec: Spec = field(default_factory=lambda: Spec(name="stub", fingerprint="0" * 64, embedding_size=DIM))

    def detect(self, images: list[NDArray[np.uint8]], **_: object) -> list[Detections]:
        """Return who is in pictures that carry their number."""
        return [self._seen(int.from_bytes(image[0, :3, 0].tobytes(), "little")) for image in images]

    def _seen(self, number: int) -> Detections:
        visit, frame = divmod(number, 80)
        people = [visit % 10, (visit + 5) % 10] if frame < 32 and visit % 3 == 0 else [visit % 10] if frame < 32 else []
        rng = np.random.default_rng(number)
        rows = np.stack([self.looks(person) + 0.02 * rng.normal(size=DIM) for person in people] or [np.zeros(DIM)])
        boxes = [[60 + 15 * frame + 80 * n, 100, 120 + 15 * frame + 80 * n, 260] for n in range(len(people))]
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        return Detections(
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            scores=np.full(len(people), 0.9, np.float32),
            embeddings=rows[: len(people)].astype(np.float32),
            image_size=(480, 640),
        )

    def looks(self, person: int) -> NDArray[np.float64]:
        """Return the embedding of a person."""
        row = np.random.default_rng(1000 + person).normal(size=DIM)
        return row / np.linalg.norm(row)

    def find_query(self, image: Any) -> QueryPerson:
        """Return person 0."""
        return QueryPerson(box=(0, 0, 1, 1), embedding=self.looks(0).astype(np.float32))


def resident() -> float:
    """Return the memory of this process in MB, as it is now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def day(seconds: int, keep: float) -> Iterator[str]:
    """Watch a generated day, and say every two hours of it how much memory is in use."""
    begin, now, count = 1_700_000_000.0, [1_700_000_000.0], seconds * 4
    memory: list[tuple[float, float]] = []

    def frames() -> Iterator[tuple[float, NDArray[np.uint8]]]:
        for number in range(count):
            if number % (count // 12) == 0:
                memory.append((number / 4 / 3600, resident()))
            picture = np.zeros((480, 640, 3), np.uint8)
            picture[0, :3, 0] = np.frombuffer(number.to_bytes(3, "little"), np.uint8)
            now[0] = begin + number / 4
            yield now[0], picture
        memory.append((seconds / 3600, resident()))

    alerts: list[Alert] = []
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "0.jpg"
        wanted.touch()
        started = time.monotonic()
        report = watch(
            Stub(),
            [Feed(name="door", frames=frames())],
            Path(folder) / "g",
            keep=keep,
            alerts=[wanted],
            min_similarity=0.5,
            pictures=True,
            on_alert=alerts.append,
            clock=lambda: now[0],
        )
        took = time.monotonic() - started
    yield f"{count} frames in {took:.0f} s ({count / took:.0f} a second), scenes kept for {keep / 3600:g} h\n"
    yield f"{report.tracks} tracks, {report.scenes} scenes, {report.erased} erased, {report.alerts} alerts\n"
    yield "| hour | memory, MB |\n| --- | --- |"
    yield from (f"| {hour:.0f} | {size:.0f} |" for hour, size in memory)


def alerts(footage: Path, split: str) -> Iterator[str]:
    """Look for everybody before the other cameras, and count what is alerted about."""
    from benchmarks.tracks import cameras_of, queries

    searcher = PersonSearcher.from_pretrained(device="cpu")
    dataset = load_dataset(footage, split)
    observed = observe(searcher, dataset, cache_dir=default_folder(), progress=False)
    cameras = cameras_of(dataset, observed, searcher.config.detector.score_threshold)
    asked = queries(dataset, observed)
    targets = [
        Target(number=number, label=str(number), embedding=row.astype(np.float32))
        for number, row in enumerate(asked.embeddings)
    ]
    steps = np.concatenate([np.diff([look.seconds for look in looks]) for looks in cameras.values()])
    hours = float(np.median(steps)) * len(dataset.scenes) / 3600
    calibration = searcher.calibration
    if calibration is None:
        raise SystemExit(f"{searcher.spec.name} has no calibration")
    yield f"{len(targets)} pictures of people, {len(cameras)} cameras, {60 * hours:.0f} minutes of frames\n"
    yield "| false-match rate | compared from frame | passages alerted about, % | after, s | of 1,000 others, alerts |"
    yield "| --- | --- | --- | --- | --- |"
    for one in calibration.thresholds:
        rate, threshold = one.rate, one.similarity
        if threshold is None:
            continue
        for least in (1, 2, 4, 8):
            there = hit = wrong = others = 0
            after: list[float] = []
            for camera, looks in cameras.items():
                elsewhere = [one for one, where in zip(targets, asked.cameras, strict=True) if where != camera]
                follower, judge = Follower(), Appearances(threshold=threshold, quiet=30.0, min_frames=least)
                whose: dict[int, Counter[int]] = {}
                begun: dict[tuple[int, int], float] = {}
                found: set[tuple[int, int, int]] = set()
                for look in looks:
                    follower.update(
                        Frame(image_id=look.scene.image_id, seconds=look.seconds, detections=look.detections)
                    )
                    for number, person in zip(follower.numbers, look.people().tolist(), strict=True):
                        whose.setdefault(number, Counter())[person] += 1
                    people = look.scene.identities[look.named].tolist()
                    now = dict(zip(people, look.passages.tolist(), strict=True))
                    for person, passage in now.items():
                        begun.setdefault((person, passage), look.seconds)
                    view = [track for track in follower.open_tracks if track.last == look.seconds]
                    numbers = {track.number for track in follower.open_tracks}
                    for new in judge.judge(look.seconds, view, numbers, elsewhere):
                        wanted = int(asked.people[new.target.number])
                        if whose[new.track.number].most_common(1)[0][0] != wanted:
                            wrong += 1
                        elif wanted in now and (new.target.number, wanted, now[wanted]) not in found:
                            found.add((new.target.number, wanted, now[wanted]))
                            after.append(look.seconds - begun[wanted, now[wanted]])
                wanted_here = Counter(int(asked.people[one.number]) for one in elsewhere)
                there += sum(wanted_here[person] for person, _ in _apart(begun, looks))
                hit += len(found)
                of_whom = [counts.most_common(1)[0][0] for counts in whose.values()]
                others += sum(person != int(asked.people[one.number]) for one in elsewhere for person in of_whom)
            late = np.median(after) if after else float("nan")
            share = 1000 * wrong / others
            yield f"| {rate:g} | {least} | {100 * hit / there:.0f} | {late:.1f} | {share:.1f} |"


def _apart(begun: dict[tuple[int, int], float], looks: Any) -> list[tuple[int, int]]:
    """Return the passages that begin longer than ``--quiet`` after the person was last in view."""
    last: dict[int, float] = {}
    apart = []
    first = {seconds: [key for key, at in begun.items() if at == seconds] for seconds in set(begun.values())}
    for look in looks:
        for person, passage in first.get(look.seconds, []):
            if person not in last or look.seconds - last[person] > 30.0:
                apart.append((person, passage))
        for person in look.scene.identities[look.named].tolist():
            last[person] = look.seconds
    return apart


class Played(Reader):
    """A video as a live camera: its frames come in their own time, again and again."""

    def run(self) -> None:
        """Put down the frames as they come."""
        number = 0
        pictures = [np.asarray(frame.image()) for frame, _ in zip(Video(self.camera.url), range(60), strict=False)]
        while not self._stopped.is_set():
            shot = Shot(image_id=f"{self.camera.name}/{number}", seconds=time.time(), picture=pictures[number % 60])
            self.counts.dropped += self._inbox.put_newest(self._number, shot)
            number += 1
            self._stopped.wait(1 / self._fps)
        self._inbox.end(self._number)


def cameras(videos: list[Path], fps: float, seconds: float) -> Iterator[str]:
    """Play videos as cameras, more and more of them at once, and say how many of their frames are looked at."""
    from personsearch.live import Camera
    from personsearch.live.seeing import seen_in

    searcher = PersonSearcher.from_pretrained()
    yield f"{searcher.device}, {searcher.dtype}; cameras of {fps:g} frames a second\n"
    yield "| cameras | frames a second, all together | of each camera | dropped, % |\n| --- | --- | --- | --- |"
    for count in (1, 2, 4):
        inbox, stop = Inbox(count), threading.Event()
        sources = [Camera.of(str(videos[n % len(videos)]), name=f"c{n}") for n in range(count)]
        readers = [Played(n, one, inbox, Pace(fps=fps, timeout=10), stop) for n, one in enumerate(sources)]
        for reader in readers:
            reader.start()
        for _ in range(3):
            seen_in(searcher, [shot.picture for _, shot in inbox.take(8, 10) or []])
        before = sum(reader.counts.dropped for reader in readers)
        looked, started = 0, time.monotonic()
        followers = [Follower() for _ in range(count)]
        while time.monotonic() - started < seconds:
            batch = inbox.take(8, 10) or []
            for (number, shot), found in zip(
                batch, seen_in(searcher, [shot.picture for _, shot in batch]), strict=True
            ):
                looked += 1
                if found is not None:
                    followers[number].update(Frame(image_id=shot.image_id, seconds=shot.seconds, detections=found))
        took = time.monotonic() - started
        dropped = sum(reader.counts.dropped for reader in readers) - before
        stop.set()
        share = dropped / max(1, looked + dropped)
        yield f"| {count} | {looked / took:.1f} | {looked / took / count:.1f} | {100 * share:.0f} |"


def main() -> None:
    """Print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    of_day = commands.add_parser("day")
    of_day.add_argument("--seconds", type=int, default=DAY)
    of_day.add_argument("--keep", type=float, default=6 * 3600)
    of_alerts = commands.add_parser("alerts")
    of_alerts.add_argument("footage", type=Path)
    of_alerts.add_argument("--split", default="test")
    of_cameras = commands.add_parser("cameras")
    of_cameras.add_argument("videos", type=Path, nargs="+")
    of_cameras.add_argument("--fps", type=float, default=4.0)
    of_cameras.add_argument("--seconds", type=float, default=40.0)
    given = parser.parse_args()
    if given.command == "day":
        lines = day(given.seconds, given.keep)
    elif given.command == "alerts":
        lines = alerts(given.footage, given.split)
    else:
        lines = cameras(given.videos, given.fps, given.seconds)
    for line in lines:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
