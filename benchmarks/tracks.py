"""Tracks: who is followed rightly, what a gallery of tracks holds, and how well it is searched.

    python benchmarks/tracks.py footage/ --split test --video one-by-one.mp4 --segments segments.json
    python benchmarks/tracks.py footage/ --split train --trial

The set is footage: an annotated set whose scenes have cameras and times close together, as the packaged recipe
``footage`` renders it. The network looks at it once, and the cache keeps what it saw. Needs ``pip install trackers``
(Roboflow, for its metrics, which are those of TrackEval, and as the rival). It brings opencv-python, which must not be
installed over opencv-python-headless: use an environment of its own.

A *passage* is the time for which a person is before a camera, absences of up to five seconds included. IDF1 compares
tracks with passages, one to one; a *switch* is a person whose track changes from one frame to the next; a *mixed* track
holds two frames or more of somebody else. Boxes of people without a label count neither for nor against.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch import PersonSearcher
from personsearch.boxes import box_iou, mutual_best
from personsearch.datasets import Dataset, Scene, load_dataset
from personsearch.evaluation.observations import Observations
from personsearch.measure.cache import default_folder
from personsearch.measure.observe import observe
from personsearch.pictures.decode import load_image
from personsearch.pictures.video import Video, frame_id
from personsearch.results import Detections, Floats
from personsearch.tracking import Followed, Follower, Frame, sharpness_of

#: Seconds out of sight after which a person's next frame is another passage.
ABSENCE = 5.0
#: Overlap from which a detection is taken for an annotated person.
SAME = 0.5

#: Says of each detection of a frame which track it belongs to; -1 = none.
Tracker = Callable[[float, Detections], NDArray[np.int64]]


@dataclass(frozen=True)
class Look:
    """One frame of a camera: what was detected, and who was there."""

    scene: Scene
    detections: Detections
    passages: NDArray[np.int64]
    named: NDArray[np.bool_]

    @property
    def seconds(self) -> float:
        """Its time."""
        return float(self.scene.time or 0)

    @property
    def overlap(self) -> NDArray[np.float64]:
        """(P, N): how far labelled people and detections overlap."""
        return box_iou(self.scene.boxes[self.named], self.detections.boxes)

    def people(self) -> NDArray[np.int64]:
        """Return (N,): the identity of each detection; -1 = nobody, or somebody without a label."""
        found = np.full(len(self.detections), -1)
        overlap = self.overlap
        if overlap.size:
            best = overlap.argmax(axis=0)
            sure = overlap.max(axis=0) >= SAME
            found[sure] = self.scene.identities[self.named][best[sure]]
        return found


def cameras_of(dataset: Dataset, observed: Observations, threshold: float) -> dict[str, list[Look]]:
    """Return camera -> its frames in order of time."""
    cameras: dict[str, list[Scene]] = defaultdict(list)
    for scene in dataset.scenes:
        cameras[scene.camera or ""].append(scene)
    found = {}
    for camera, scenes in sorted(cameras.items()):
        last: dict[int, tuple[float, int]] = {}
        looks, begun = [], 0
        for scene in sorted(scenes, key=lambda scene: scene.time or 0):
            named = (scene.identities >= 0) & ~scene.ignore
            passages = []
            for identity in scene.identities[named].tolist():
                before = last.get(identity)
                if before is None or (scene.time or 0) - before[0] > ABSENCE:
                    before, begun = (0.0, begun), begun + 1
                last[identity] = (scene.time or 0, before[1])
                passages.append(before[1])
            detections = observed.detections[scene.image_id].filter(min_score=threshold)
            looks.append(Look(scene, detections, np.array(passages, np.int64), named))
        found[camera] = looks
    return found


@dataclass
class Figures:
    """Counts over cameras."""

    right: int = 0
    wrong: int = 0
    switches: int = 0
    tracks: int = 0
    passages: int = 0
    mixed: int = 0

    @property
    def idf1(self) -> float:
        """Agreement of tracks with passages, 0..1."""
        return 2 * self.right / max(2 * self.right + self.wrong, 1)

    def row(self, name: str) -> str:
        """Return a line of the table."""
        return f"| {name} | {100 * self.idf1:.1f} | {self.switches} | {self.tracks} | {self.passages} | {self.mixed} |"


HEADER = "| | IDF1 | switches | tracks | passages | mixed tracks |\n| --- | --- | --- | --- | --- | --- |"


def judge(looks: Sequence[Look], numbers: Sequence[NDArray[np.int64]], figures: Figures) -> None:
    """Compare the tracks of one camera with the passages."""
    from trackers.eval import compute_clear_metrics, compute_identity_metrics

    truth, given, overlaps = [], [], []
    holds: dict[int, Counter[int]] = defaultdict(Counter)
    for look, tracks in zip(looks, numbers, strict=True):
        overlap = look.overlap
        best = overlap.max(axis=0, initial=0) if len(look.passages) else np.zeros(len(tracks))
        unlabelled = look.scene.boxes[~look.named]
        beside = box_iou(unlabelled, look.detections.boxes).max(axis=0, initial=0) >= SAME
        kept = (tracks >= 0) & ~(beside & (best < SAME))
        truth.append(look.passages)
        given.append(tracks[kept])
        overlaps.append(overlap[:, kept])
        for column, track in enumerate(tracks):
            if kept[column] and best[column] >= SAME:
                holds[int(track)][int(look.passages[overlap[:, column].argmax()])] += 1
    truth, given = _from_zero(truth), _from_zero(given)
    identity = compute_identity_metrics(truth, given, overlaps)
    figures.right += int(identity["IDTP"])
    figures.wrong += int(identity["IDFN"] + identity["IDFP"])
    figures.switches += int(compute_clear_metrics(truth, given, overlaps)["IDSW"])
    figures.tracks += len(set(np.concatenate(given).tolist()))
    figures.passages += len(set(np.concatenate(truth).tolist()))
    figures.mixed += sum(sum(count.values()) - max(count.values()) >= 2 for count in holds.values())


def perfect(cameras: Mapping[str, list[Look]], every: int) -> Figures:
    """Follow the detections by the annotations: what is missing then is the detector's."""
    figures = Figures()
    for looks in cameras.values():
        numbers, false = [], 10**6
        for look in looks[::every]:
            row = np.arange(false, false + len(look.detections))  # everybody else is a track of one frame
            false += len(row)
            person, detection = mutual_best(look.scene.boxes[look.named], look.detections.boxes, SAME)
            row[detection] = look.passages[person]
            numbers.append(row)
        judge(looks[::every], numbers, figures)
    return figures


def _from_zero(rows: Sequence[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    numbers: dict[int, int] = {}
    return [np.array([numbers.setdefault(one, len(numbers)) for one in row.tolist()], np.int64) for row in rows]


def measure(cameras: Mapping[str, list[Look]], make: Callable[[], Tracker], every: int) -> Figures:
    """Follow the people of every camera in one of so many frames."""
    figures = Figures()
    for looks in cameras.values():
        tracker, chosen = make(), looks[::every]
        judge(chosen, [tracker(look.seconds, look.detections) for look in chosen], figures)
    return figures


def ours() -> Tracker:
    """Boxes and embeddings: the follower of this package."""
    follower = Follower()

    def track(seconds: float, detections: Detections) -> NDArray[np.int64]:
        follower.update(Frame(image_id=str(seconds), seconds=seconds, detections=detections))
        return np.array(follower.numbers, np.int64)

    return track


def library(name: str, *, rate: float, buffer: float, **how: Any) -> Tracker:
    """Boxes alone: a tracker of the library, at its settings for people who are all detected surely."""
    import supervision
    import trackers

    tracker = getattr(trackers, name)(
        frame_rate=rate,
        lost_track_buffer=round(30 * buffer),
        minimum_consecutive_frames=1,
        high_conf_det_threshold=0.5,
        **how,
    )

    def track(seconds: float, detections: Detections) -> NDArray[np.int64]:
        numbers = np.full(len(detections), -1)
        boxes = supervision.Detections(
            xyxy=detections.boxes,
            confidence=detections.scores,
            class_id=np.zeros(len(detections), int),
            data={"row": np.arange(len(detections))},
        )
        found = tracker.update(boxes if len(detections) else supervision.Detections.empty(), timestamp=seconds)
        if len(found):
            numbers[found.data["row"]] = found.tracker_id
        return numbers

    return track


def with_embeddings(inner: Tracker, *, cut: float, join: float) -> Tracker:
    """Boxes by a library, then embeddings: a track is cut where it looks unlike itself, and joined to one just lost."""
    totals: dict[int, NDArray[np.float64]] = {}
    lasts: dict[int, float] = {}
    current: dict[int, int] = {}

    def likeness(track: int, row: Floats) -> float:
        return float(totals[track] @ row / np.linalg.norm(totals[track]))

    def track(seconds: float, detections: Detections) -> NDArray[np.int64]:
        for one in [one for one, last in lasts.items() if abs(seconds - last) > ABSENCE]:
            del lasts[one]
        given, numbers = inner(seconds, detections), np.full(len(detections), -1)
        for row, number in enumerate(given.tolist()):
            one = current.get(number, -1) if number >= 0 else -1
            if one in lasts and one not in numbers and likeness(one, detections.embeddings[row]) >= cut:
                numbers[row] = one
        for row in np.flatnonzero(numbers < 0).tolist():
            free = {one: likeness(one, detections.embeddings[row]) for one in lasts if one not in numbers}
            best = max(free, key=free.__getitem__, default=-1)
            numbers[row] = best if best >= 0 and free[best] >= join else len(totals)
            totals.setdefault(int(numbers[row]), np.zeros(detections.embeddings.shape[1]))
            lasts[int(numbers[row])] = seconds
        for row, (number, one) in enumerate(zip(given.tolist(), numbers.tolist(), strict=True)):
            totals[one] = totals[one] + detections.embeddings[row]
            lasts[one] = seconds
            current[number] = one
        return numbers

    return track


#: Name -> what makes a tracker for so many frames a second.
RIVALS: dict[str, Callable[[float], Tracker]] = {
    "ByteTrack": lambda rate: library("ByteTrackTracker", rate=rate, buffer=2, track_activation_threshold=0.5),
    "OC-SORT": lambda rate: library("OCSORTTracker", rate=rate, buffer=2, minimum_iou_threshold=0.1),
    "C-BIoU": lambda rate: library("CBIoUTracker", rate=rate, buffer=2, track_activation_threshold=0.5),
    "BoT-SORT": lambda rate: library(
        "BoTSORTTracker", rate=rate, buffer=2, track_activation_threshold=0.5, enable_cmc=False
    ),
}
CUTS, JOINS = (0.5, 0.6), (0.7, 0.8)


def trial(cameras: Mapping[str, list[Look]], rate: float) -> Iterator[str]:
    """Yield the tables of the side-by-side trial."""
    for every in (1, 2, 4):
        yield f"\n{rate / every:g} frame{'s' * (rate > every)} a second\n\n{HEADER}"
        for name, make in RIVALS.items():
            yield measure(cameras, partial(make, rate / every), every).row(f"{name}, boxes alone")
        for name in ("ByteTrack", "C-BIoU"):
            for cut, join in [(cut, join) for cut in CUTS for join in JOINS]:
                both = partial(_both, name, rate / every, cut, join)
                yield measure(cameras, both, every).row(f"{name}, cut below {cut}, joined from {join}")
        yield measure(cameras, ours, every).row("Follower (boxes and embeddings)")
        yield perfect(cameras, every).row("Perfect following of the detections")


def _both(name: str, rate: float, cut: float, join: float) -> Tracker:
    return with_embeddings(RIVALS[name](rate), cut=cut, join=join)


@dataclass(frozen=True)
class Rows:
    """What a gallery would hold: embeddings, whose they are (-1 = nobody's), and the camera of each."""

    embeddings: Floats
    people: NDArray[np.int64]
    cameras: NDArray[np.str_]


def galleries(cameras: Mapping[str, list[Look]], every: int) -> dict[str, Rows]:
    """Return the rows of galleries that keep every frame, one or three views, or the mean of a whole track."""
    whole: list[tuple[Floats, int, str]] = []
    kept: dict[str, list[tuple[Floats, int, str]]] = defaultdict(list)
    for camera, looks in cameras.items():
        people: dict[tuple[str, int], int] = {}
        for look in looks[::every]:
            for row, person in enumerate(look.people().tolist()):
                people[look.scene.image_id, row] = person
                whole.append((look.detections.embeddings[row], person, camera))
        for views in (1, 3):
            for track in follow(looks[::every], views):
                named = [people[view.image_id, view.row] for view in track.views]
                for view, person in zip(track.views, named, strict=True):
                    kept["3 views, their own embeddings" if views > 1 else "1 view, its own embedding"].append(
                        (view.own_embedding, person, camera)
                    )
                    if views > 1:
                        kept["3 views, means of what they stand for"].append((view.embedding, person, camera))
                if views == 1:
                    kept["mean of the whole track"].append((track.embedding, named[0], camera))
    return {name: _rows(rows) for name, rows in {"every frame": whole, **kept}.items()}


def _rows(rows: Sequence[tuple[Floats, int, str]]) -> Rows:
    embeddings, people, cameras = zip(*rows, strict=True)
    return Rows(np.stack(embeddings), np.array(people), np.array(cameras))


def follow(looks: Sequence[Look], views: int) -> list[Followed]:
    """Follow the people of one camera, with the sharpness of each detection in its picture."""
    follower, tracks = Follower(max_views=views), []
    for look in looks:
        picture = load_image(look.scene.path)
        tracks += follower.update(
            Frame(
                image_id=look.scene.image_id,
                seconds=look.seconds,
                detections=look.detections,
                sharpness=sharpness_of(picture, look.detections.boxes),
            )
        )
    return tracks + follower.finish()


def queries(dataset: Dataset, observed: Observations) -> Rows:
    """Return the largest annotated box of every person before every camera."""
    best: dict[tuple[int, str], tuple[float, Floats]] = {}
    for scene in dataset.scenes:
        embedded = observed.embeddings[scene.image_id]
        for row in np.flatnonzero((scene.identities >= 0) & ~scene.ignore).tolist():
            x1, y1, x2, y2 = scene.boxes[row].tolist()
            key, area = (int(scene.identities[row]), scene.camera or ""), (x2 - x1) * (y2 - y1)
            if key not in best or area > best[key][0]:
                best[key] = area, embedded[row]
    return _rows([(best[key][1], *key) for key in sorted(best)])


def retrieval(asked: Rows, rows: Rows) -> tuple[float, float]:
    """Return mAP and top-1 of finding a person before the other cameras.

    What is ranked is one entry for each person and camera, by its best row: so galleries of many rows and of few are
    compared on equal terms. Rows of nobody are one entry for each camera.
    """
    entries = sorted(set(zip(rows.people.tolist(), rows.cameras.tolist(), strict=True)))
    similarity = asked.embeddings @ rows.embeddings.T
    best = np.stack(
        [similarity[:, (rows.people == person) & (rows.cameras == camera)].max(axis=1) for person, camera in entries],
        axis=1,
    )
    precisions, firsts = [], []
    for number, (person, camera) in enumerate(zip(asked.people.tolist(), asked.cameras.tolist(), strict=True)):
        elsewhere = [place for place, entry in enumerate(entries) if entry[1] != camera]
        ranked = sorted(elsewhere, key=lambda place: -best[number, place])
        right = np.array([entries[place][0] == person for place in ranked])
        if right.any():
            precisions.append(float((np.cumsum(right)[right] / (np.flatnonzero(right) + 1)).mean()))
            firsts.append(bool(right[0]))
    return float(np.mean(precisions)), float(np.mean(firsts))


def real(searcher: PersonSearcher, path: Path, segments: Mapping[str, Sequence[int]], every: int) -> Iterator[str]:
    """Yield lines about a real video in which one person comes after another: the tracks, and whom they show."""
    video = Video(path, every)
    moments: list[tuple[float, int]] = []

    def pictures() -> Iterator[Any]:
        for frame in video:
            moments.append((frame.seconds, frame.repeat))
            yield frame.image()

    follower, tracks, shown = Follower(), list[Followed](), dict[int, list[int]]()
    rows = 0
    for number, people in enumerate(searcher.stream(pictures(), batch_size=4)):
        seconds, repeat = moments[number]
        tracks += follower.update(
            Frame(image_id=frame_id(path.name, seconds, repeat), seconds=seconds, detections=people)
        )
        rows += len(people)
        for one in follower.numbers:
            shown.setdefault(one, []).append(number * every)
    tracks += follower.finish()
    inside = {
        track.number: [
            name for name, (first, last) in segments.items() if any(first <= at <= last for at in shown[track.number])
        ]
        for track in tracks
    }
    mixed = sum(len(names) > 1 for names in inside.values())
    long = [track for track in tracks if track.frames * every >= 30]
    views = sum(len(track.views) for track in tracks)
    yield (
        f"| {every} | {len(tracks)} | {len(long)} | {sorted(name for one in long for name in inside[one.number])} | "
        f"{mixed} | {rows} | {views} | {rows / max(views, 1):.1f} |"
    )


REAL_HEADER = (
    "| every | tracks | of 3 s or more | of whom | tracks of two people | rows before | rows after | times fewer |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    """Print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("footage", type=Path, help="folder of the annotated footage")
    parser.add_argument("--split", default="test")
    parser.add_argument("--trial", action="store_true", help="compare with the library's trackers")
    parser.add_argument("--video", type=Path, help="a real video")
    parser.add_argument("--segments", type=Path, help="json: frames in which each person of it is in full view")
    given = parser.parse_args()
    searcher = PersonSearcher.from_pretrained(device="cpu")
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.platform()}, {searcher.spec.name}\n")
    if given.video is not None:
        people = json.loads(given.segments.read_text())["people"]
        print(f"## {given.video.name}: {len(people)} people\n\n{REAL_HEADER}")
        for every in (1, 5):
            print(*real(searcher, given.video, people, every), sep="\n", flush=True)
    dataset = load_dataset(given.footage, given.split)
    observed = observe(searcher, dataset, cache_dir=default_folder(), progress=False)
    cameras = cameras_of(dataset, observed, searcher.config.detector.score_threshold)
    times = [look.seconds for look in next(iter(cameras.values()))]
    rate = 1 / float(np.median(np.diff(times)))
    print(f"\n## {given.footage.name}, {given.split}: {len(cameras)} cameras, {len(dataset.scenes)} frames")
    if given.trial:
        print(*trial(cameras, rate), sep="\n", flush=True)
        return
    for every in (1, 2, 4):
        print(f"\n{rate / every:g} frame{'s' * (rate > every)} a second\n\n{HEADER}")
        for name, make in RIVALS.items():
            print(measure(cameras, partial(make, rate / every), every).row(f"{name}, boxes alone"), flush=True)
        print(measure(cameras, ours, every).row("Follower (boxes and embeddings)"), flush=True)
        print(perfect(cameras, every).row("Perfect following of the detections"), flush=True)
    asked = queries(dataset, observed)
    for every in (1, 2):
        print(f"\nSearch, {rate / every:g} frames a second, {len(asked.people)} queries\n")
        print("| a gallery of | rows | mAP | top-1 |\n| --- | --- | --- | --- |")
        for name, rows in galleries(cameras, every).items():
            mean, first = retrieval(asked, rows)
            print(f"| {name} | {len(rows.people)} | {100 * mean:.1f} | {100 * first:.1f} |", flush=True)


if __name__ == "__main__":
    main()
