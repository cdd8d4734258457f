"""Images that are in a set more than once: equal files, and frames that look alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.doctor.findings import EXAMPLES, Finding, findings_of
from personsearch.datasets.doctor.pictures import Picture
from personsearch.datasets.scene import Scene

Bits = NDArray[np.bool_]

#: Frames look alike if their 64-bit hashes differ in at most this many bits; compressing or scaling changes fewer.
NEAR_BITS = 4
#: This many frames in a row, each of which looks like the one before, are a long run.
LONG_RUN = 10
#: Rows of the distance table that are held in memory at a time.
BLOCK = 512


def check_duplicates(
    parts: Sequence[str],
    scenes: Sequence[Scene],
    split: NDArray[np.int64],
    pictures: Sequence[Picture],
    *,
    alike: bool = True,
) -> list[Finding]:
    """Find equal files and frames that look alike.

    Args:
        parts: names of the splits.
        scenes: of all splits, one split after another.
        split: (S,) the split that each belongs to.
        pictures: one for each scene, decoded.
        alike: whether to search for frames that look alike, besides equal files.
    """
    paths: set[Path] = set()
    originals: dict[bytes, int] = {}
    first: list[int] = []
    copies: dict[str, list[str]] = {"copied-image": [], "copied-image-splits": []}
    for number, (scene, picture) in enumerate(zip(scenes, pictures, strict=True)):
        # A path that two splits share is reported elsewhere.
        if not len(picture.look) or scene.path in paths:
            continue
        paths.add(scene.path)
        original = originals.setdefault(picture.content, number)
        if original == number:
            first.append(number)
            continue
        kind = "copied-image" if split[original] == split[number] else "copied-image-splits"
        copies[kind].append(f"{scene.path} = {scenes[original].path}")
    everywhere = " + ".join(parts)
    findings = [one for kind, examples in copies.items() for one in findings_of(kind, everywhere, examples)]
    if not first or not alike:
        return findings
    kept = np.array(first)
    looks = np.stack([pictures[number].look for number in first])
    chosen = [scenes[number] for number in first]
    runs, long_runs = _runs(chosen, split[kept], looks)
    findings += _look_alikes(everywhere, chosen, split[kept], looks, runs)
    return findings + findings_of("long-run", everywhere, long_runs)


def near_pairs(looks: Bits, most_bits: int = NEAR_BITS, block: int = BLOCK) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield, block by block, which frames look alike.

    Args:
        looks: (N, 64) difference hashes.
        most_bits: how many bits may differ.
        block: rows of the table held at a time.

    Yields:
        The number of the block's first row, and (rows, N) bool: whether the row's frame looks like the column's, for
        columns before it.
    """
    # Hamming distance as a matrix product: with bits as -1 and 1, (64 + dot product) / 2 of them agree.
    signs = np.where(looks, np.float32(1), np.float32(-1))
    enough = looks.shape[1] - 2 * most_bits
    columns = np.arange(len(looks))
    for start in range(0, len(looks), block):
        rows = columns[start : start + block]
        yield start, (signs[rows] @ signs.T >= enough - 0.5) & (columns < rows[:, None])


def _look_alikes(
    part: str, scenes: Sequence[Scene], split: NDArray[np.int64], looks: Bits, runs: NDArray[np.int64]
) -> list[Finding]:
    names = sorted({scene.camera for scene in scenes if scene.camera is not None})
    numbers = {name: number for number, name in enumerate(names)}
    camera = np.array([-1 if scene.camera is None else numbers[scene.camera] for scene in scenes])
    counts: dict[str, int] = {}
    examples: dict[str, list[str]] = {}
    for start, near in near_pairs(looks):
        rows = slice(start, start + len(near))
        known = (camera[rows, None] >= 0) & (camera >= 0)
        same_camera = known & (camera[rows, None] == camera)
        same_split = split[rows, None] == split
        together = runs[rows, None] == runs
        masks = {
            "near-duplicate-cameras": known & ~same_camera,
            "near-duplicate-splits": ~known & ~same_split,
            "still-camera-splits": same_camera & ~same_split,
            "near-duplicate": ~known & same_split & ~together,
        }
        for kind, mask in masks.items():
            hits = near & mask
            at = np.flatnonzero(hits.any(axis=1))
            counts[kind] = counts.get(kind, 0) + len(at)
            shown = examples.setdefault(kind, [])
            for row in at[: EXAMPLES - len(shown)].tolist():
                other = int(hits[row].argmax())
                shown.append(f"{scenes[start + row].path} ~ {scenes[other].path}")
    return [one for kind, shown in examples.items() for one in findings_of(kind, part, shown, counts[kind])]


def _runs(scenes: Sequence[Scene], split: NDArray[np.int64], looks: Bits) -> tuple[NDArray[np.int64], list[str]]:
    """Number the runs of frames that look like the one before, camera by camera.

    Returns:
        (S,) the run that each frame is in, and a text for each long run.
    """
    cameras: dict[tuple[int, str | None], list[int]] = {}
    for number, scene in enumerate(scenes):
        cameras.setdefault((int(split[number]), scene.camera), []).append(number)
    runs = np.zeros(len(scenes), dtype=np.int64)
    long_runs, run = [], 0
    for (_, name), members in cameras.items():
        times = [scenes[number].time for number in members]
        if None not in times:
            members = [members[k] for k in np.argsort(np.array(times, dtype=float), kind="stable").tolist()]
        steps = (looks[members[1:]] != looks[members[:-1]]).sum(axis=1)
        for stretch in np.split(np.array(members), np.flatnonzero(steps > NEAR_BITS) + 1):
            runs[stretch] = run
            run += 1
            if len(stretch) >= LONG_RUN:
                camera = "" if name is None else f", camera {name}"
                first, last = scenes[stretch[0]].path, scenes[stretch[-1]].path
                long_runs.append(f"{first} to {last}: {len(stretch):,} frames{camera}")
    return runs, long_runs
