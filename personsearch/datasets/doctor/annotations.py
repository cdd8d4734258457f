"""What is wrong with boxes, identities and queries, judged by the annotations alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from personsearch.boxes import box_iou
from personsearch.datasets.dataset import Dataset, why_empty
from personsearch.datasets.doctor.findings import EXAMPLES, Finding, findings_of
from personsearch.datasets.doctor.statistics import cameras_of_identities, labels_of, people_per_scene
from personsearch.datasets.formats.published import PUBLISHED, differences
from personsearch.datasets.scene import Query, Scene

#: Pixels by which a box may extend beyond the image: the rounding of float32 coordinates.
SLACK = 0.01
#: Width and height in pixels below which clothes cannot be recognised.
SMALL = (8.0, 24.0)
#: Two boxes of a scene that overlap more than this are taken for one person annotated twice.
SAME_BOX_IOU = 0.95
#: A query's box must overlap a box of its person by at least this.
QUERY_IOU = 0.5
#: A scene is crowded beyond the upper quartile plus this many interquartile ranges (Tukey's "far out").
FAR_OUT = 3.0
#: More changes than this share of the boxes are hardly what the annotations mean.
MANY = 0.2
#: Identities that start at 0 or 1 and use at least this share of the numbers up to the highest are class numbers.
DENSE = 0.9


def check_account(dataset: Dataset) -> list[Finding]:
    """Report the rows that the loader skipped, left out or changed, and counts that differ from the published ones."""
    account, part = dataset.accounting, dataset.name
    findings = findings_of("skipped-row", part, [str(problem) for problem in account.skipped])
    trouble = why_empty(len(dataset.scenes), account)
    lost = sum(account.dropped.values()) if dataset.scenes else 1
    kind = "nothing-left" if dataset.scenes else "no-scenes"
    findings += findings_of(kind, part, [trouble], lost) if trouble else []
    findings += findings_of("other-counts", part, _other_counts(dataset))
    changed = dict(account.changed)
    for kind, what in (("many-clipped", "clipped"), ("many-repeated", "identity repeated")):
        count = _changes(dataset, what)
        if count and count >= MANY * account.kept:
            findings += findings_of(kind, part, [f"{count:,} of {account.kept:,} boxes"], count)
            changed = {text: number for text, number in changed.items() if not text.startswith(what)}
    dropped = {} if trouble else account.dropped
    for kind, rows in (("dropped-row", dropped), ("changed-box", changed)):
        findings += findings_of(kind, part, [f"{count:,} {what}" for what, count in rows.items()], sum(rows.values()))
    return findings


def check_boxes(dataset: Dataset) -> list[Finding]:
    """Find boxes that are not finite, have no area, extend beyond their image, are very small or annotated twice."""
    sizes = [np.full(len(scene.boxes), number) for number, scene in enumerate(dataset.scenes)]
    owner = np.concatenate([np.zeros(0, np.int64), *sizes]).astype(np.int64)
    boxes = np.concatenate([np.zeros((0, 4)), *(scene.boxes for scene in dataset.scenes)])
    limits = np.array([[s.width, s.height] for s in dataset.scenes], dtype=np.float64).reshape(-1, 2)[owner]
    ignored = np.concatenate([np.zeros(0, bool), *(scene.ignore for scene in dataset.scenes)])
    finite = np.isfinite(boxes).all(axis=1)
    boxes = np.where(finite[:, None], boxes, 0.0)
    extent = boxes[:, 2:] - boxes[:, :2]
    flat = finite & (extent <= 0).any(axis=1)
    fine = finite & ~flat
    outside = fine & ((boxes < -SLACK).any(axis=1) | (boxes[:, 2:] > limits + SLACK).any(axis=1))
    small = fine & ~ignored & (extent < SMALL).any(axis=1)
    first = np.cumsum([0, *(len(scene.boxes) for scene in dataset.scenes)])
    findings = []
    masks = {"box-not-finite": ~finite, "box-without-area": flat, "box-outside": outside, "small-box": small}
    for kind, mask in masks.items():
        rows = np.flatnonzero(mask).tolist()
        examples = [_box_text(dataset.scenes[owner[row]], row - int(first[owner[row]])) for row in rows]
        findings += findings_of(kind, dataset.name, examples)
    twice = [text for scene in dataset.scenes for text in _same_boxes(scene)]
    return findings + findings_of("repeated-box", dataset.name, twice)


def check_people(dataset: Dataset) -> list[Finding]:
    """Find identities that are of little use, and scenes with nobody or unusually many people in them."""
    part, scenes = dataset.name, dataset.scenes
    if not any(len(scene.boxes) for scene in scenes):
        told = not scenes or why_empty(len(scenes), dataset.accounting)
        return [] if told else findings_of("no-people", part, [str(scene.path) for scene in scenes])
    if all(scene.ignore.all() for scene in scenes):
        ignored = [f"{scene.path}: {len(scene.ignore)} ignored" for scene in scenes if len(scene.ignore)]
        return findings_of("all-ignored", part, ignored, sum(len(scene.ignore) for scene in scenes))
    repeated = []
    where: dict[int, list[Scene]] = defaultdict(list)
    for scene in scenes:
        labels, times = np.unique(scene.identities[_labelled(scene)], return_counts=True)
        repeated += [f"{scene.path}: identity {identity}" for identity in labels[times > 1].tolist()]
        for identity in scene.identities[_labelled(scene)].tolist():
            where[identity].append(scene)
    cameras = cameras_of_identities(scenes)
    one_camera = []
    if len({scene.camera for scene in scenes} - {None}) > 1:
        # A single box is a finding of its own.
        one_camera = [
            f"identity {identity}: {len(where[identity])} boxes, all in camera {next(iter(seen))}, "
            f"the first in {where[identity][0].path}"
            for identity, seen in cameras.items()
            if len(seen) == 1 and len(where[identity]) > 1
        ]
    one_box = [f"identity {i}, in {where[i][0].path}" for i in sorted(where) if len(where[i]) == 1]
    counts = people_per_scene(scenes)
    empty = [str(scene.path) for scene, count in zip(scenes, counts, strict=True) if not count]
    findings: list[Finding] = []
    if not where:
        people = [f"{scene.path}: {len(scene.boxes)} without a label" for scene in scenes if len(scene.boxes)]
        findings = findings_of("no-identity", part, people, sum(len(scene.boxes) for scene in scenes))
    elif len(where) == 1:
        [(identity, own)] = where.items()
        findings = findings_of("one-identity", part, [f"identity {identity}, first in {own[0].path}"], len(own))
    if dataset.crops and 0 in where:
        findings += findings_of("person-zero", part, [str(scene.path) for scene in where[0]])
    findings += findings_of("repeated-identity", part, repeated) + findings_of("one-camera", part, one_camera)
    findings += findings_of("one-box", part, one_box) + findings_of("without-people", part, empty)
    return findings + findings_of("crowded", part, _crowded(scenes, counts))


def check_queries(dataset: Dataset) -> list[Finding]:
    """Find queries that point nowhere, at somebody else, or at a person who is not in the gallery."""
    scenes = {scene.image_id: scene for scene in dataset.scenes}
    where: dict[int, set[str]] = defaultdict(set)
    for scene in dataset.scenes:
        for identity in scene.identities[_labelled(scene)].tolist():
            where[identity].add(scene.image_id)
    nowhere, wrong, alone, own_camera = [], [], [], []
    for number, query in enumerate(dataset.queries):
        text = f"query {number}, identity {query.identity} in {query.image_id}"
        images = [query.image_id, *(() if query.gallery is None else query.gallery.image_ids)]
        nowhere += [f"query {number}: {name}" for name in images if name not in scenes]
        if query.image_id not in scenes:
            continue
        if not _points_at(query, scenes[query.image_id]):
            wrong.append(text)
        matches = _matches(query, where)
        if not matches:
            alone.append(text)
        elif _same_camera_only(query, matches, scenes):
            own_camera.append(text)
    findings = findings_of("query-image", dataset.name, nowhere) + findings_of("query-box", dataset.name, wrong)
    findings += findings_of("query-without-match", dataset.name, alone)
    return findings + findings_of("query-one-camera", dataset.name, own_camera)


def check_splits(first: Dataset, second: Dataset) -> list[Finding]:
    """Find images and identities that two splits share."""
    part = f"{first.name} + {second.name}"
    paths = {scene.path for scene in first.scenes}
    findings = findings_of("shared-image", part, [str(scene.path) for scene in second.scenes if scene.path in paths])
    ids, other = (set(labels_of(dataset.scenes).tolist()) for dataset in (first, second))
    shared = sorted(ids & other)
    if not shared:
        return findings
    cameras = [{scene.camera for scene in dataset.scenes} - {None} for dataset in (first, second)]
    if not cameras[0] & cameras[1] and all(_are_class_numbers(numbers) for numbers in (ids, other)):
        # Classes are usually numbered like this: equal numbers do not mean equal people.
        return findings + findings_of("numbered-apart", part, [f"{shared[0]} to {shared[-1]}"], len(shared))
    searched = {query.identity for dataset in (first, second) for query in dataset.queries}
    queried = [identity for identity in shared if identity in searched]
    others = [identity for identity in shared if identity not in searched]
    findings += findings_of("shared-identity-queried", part, _first_seen(queried, first, second), len(queried))
    return findings + findings_of("shared-identity", part, _first_seen(others, first, second), len(others))


def _other_counts(dataset: Dataset) -> list[str]:
    """Compare the counts with the published ones if the set has an official name.

    The loader has already compared its own counts, and marks the name of a set that differs.
    """
    name, _, marked = dataset.name.partition(" (")
    part = name if name in PUBLISHED else "cuhk-sysu/test" if name.startswith("cuhk-sysu/") else ""
    if not part:
        return []
    account, labels = dataset.accounting, labels_of(dataset.scenes)
    repeated = _changes(dataset, "identity repeated")
    counts = {"images": len(dataset.scenes)}
    if PUBLISHED[part]["boxes"] not in (account.rows, account.kept, account.kept + sum(account.dropped.values())):
        counts["boxes"] = account.kept
    if part.startswith("prw/"):
        counts |= {"labelled boxes": len(labels) + repeated, "identities": len(np.unique(labels))}
    if marked:
        counts["queries"] = len(dataset.queries)
    return differences(part, counts) or ["the loader's counts differ from the published ones"] * bool(marked)


def _changes(dataset: Dataset, what: str) -> int:
    """Count the changes that the loader has made of a kind."""
    return sum(count for text, count in dataset.accounting.changed.items() if text.startswith(what))


def _labelled(scene: Scene) -> NDArray[np.bool_]:
    return np.asarray((scene.identities >= 0) & ~scene.ignore)


def _box_text(scene: Scene, row: int) -> str:
    corners = ", ".join(f"{value:g}" for value in np.round(scene.boxes[row].astype(float), 2).tolist())
    return f"{scene.path}: box {row} [{corners}] in {scene.width}x{scene.height}"


def _same_boxes(scene: Scene) -> list[str]:
    rows = np.flatnonzero(~scene.ignore & np.isfinite(scene.boxes).all(axis=1))
    overlap = np.triu(box_iou(scene.boxes[rows], scene.boxes[rows]), 1) > SAME_BOX_IOU
    return [f"{scene.path}: boxes {rows[a]} and {rows[b]}" for a, b in np.argwhere(overlap).tolist()]


def _crowded(scenes: Sequence[Scene], counts: NDArray[np.int64]) -> list[str]:
    if not len(counts):
        return []
    lower, upper = np.percentile(counts, (25, 75))
    # Where nearly all scenes have the same number, a few people more are not unusual.
    limit = upper + FAR_OUT * max(upper - lower, 1.0 + upper / 4)
    rows = [row for row in np.argsort(-counts, kind="stable").tolist() if counts[row] > limit]
    return [f"{scenes[row].path}: {counts[row]} people" for row in rows]


def _points_at(query: Query, scene: Scene) -> bool:
    mine = scene.boxes[scene.identities == query.identity]
    return bool(len(mine)) and bool((box_iou(query.box[None], mine) >= QUERY_IOU).any())


def _matches(query: Query, where: dict[int, set[str]]) -> set[str]:
    """Return the images of the query's gallery, other than its own, that show the person."""
    if query.gallery is None:
        return where.get(query.identity, set()) - {query.image_id}
    present = np.flatnonzero(np.isfinite(query.gallery.boxes).all(axis=1)).tolist()
    return {query.gallery.image_ids[place] for place in present} - {query.image_id}


def _are_class_numbers(numbers: set[int]) -> bool:
    return min(numbers) <= 1 and len(numbers) >= DENSE * (max(numbers) + 1 - min(numbers))


def _same_camera_only(query: Query, matches: Iterable[str], scenes: dict[str, Scene]) -> bool:
    own = scenes[query.image_id].camera
    return own is not None and all(name in scenes and scenes[name].camera == own for name in matches)


def _first_seen(identities: Sequence[int], first: Dataset, second: Dataset) -> list[str]:
    def path(dataset: Dataset, identity: int) -> object:
        return next(scene.path for scene in dataset.scenes if (scene.identities == identity).any())

    return [f"identity {i}: {path(first, i)} and {path(second, i)}" for i in identities[:EXAMPLES]]
