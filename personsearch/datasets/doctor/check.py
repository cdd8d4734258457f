"""The doctor: reports what is wrong with a data set, or worth knowing, before hours are spent on it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from personsearch.datasets.dataset import Accounting, Dataset
from personsearch.datasets.doctor.annotations import (
    check_account,
    check_boxes,
    check_people,
    check_queries,
    check_splits,
)
from personsearch.datasets.doctor.duplicates import check_duplicates
from personsearch.datasets.doctor.findings import KINDS, Finding, Severity, findings_of
from personsearch.datasets.doctor.pictures import Look, Picture, look_at
from personsearch.datasets.doctor.statistics import boxes_per_identity, head_share, labels_of
from personsearch.datasets.scene import Scene

_ORDER: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How large a split is.

    Attributes:
        name: of the split.
        scenes: images.
        boxes: people, labelled or not, without ignored boxes.
        labelled: boxes with an identity.
        ignored: boxes that count neither way.
        identities: different people.
        boxes_per_identity: the median; NaN without identities.
        head_share: share (0..1) of the labelled boxes that belong to the most frequent fifth of identities; NaN without
            identities.
        cameras: different known cameras.
        queries: people to search for.
        accounting: what became of every row.
    """

    name: str
    scenes: int
    boxes: int
    labelled: int
    ignored: int
    identities: int
    boxes_per_identity: float
    head_share: float
    cameras: int
    queries: int
    accounting: Accounting


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """What the doctor saw.

    Attributes:
        splits: how large each is.
        look: how closely images were examined: "full", "decode", "headers" or "none".
        findings: errors first, then warnings, then notes.
    """

    splits: tuple[Summary, ...]
    look: Look
    findings: tuple[Finding, ...]

    def count(self, severity: Severity) -> int:
        """Return the number of findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return everything in JSON's types; a figure that counted nothing is None."""
        findings = [
            {
                "severity": finding.severity,
                "kind": finding.kind,
                "what": KINDS[finding.kind].what,
                "advice": KINDS[finding.kind].advice,
                "part": finding.part,
                "count": finding.count,
                "examples": list(finding.examples),
            }
            for finding in self.findings
        ]
        return {
            "splits": [
                {key: None if value != value else value for key, value in asdict(split).items()}
                for split in self.splits
            ],
            "images": self.look,
            **{f"{severity}s": self.count(severity) for severity in _ORDER},
            "findings": findings,
        }


def check_dataset(*datasets: Dataset, look: Look = "decode", progress: bool | None = None) -> CheckReport:
    """Examine splits that belong together.

    Args:
        datasets: as loaded; people and images that they share are findings.
        look: "decode" reads every image and looks for duplicates; "full" decodes them at their full size besides, as
            training does; "headers" reads sizes only; "none" leaves images alone.
        progress: None = a bar on a terminal, silence elsewhere.

    Returns:
        The findings. Neither records nor files are changed.
    """
    findings: list[Finding] = []
    for dataset in datasets:
        for check in (check_account, check_boxes, check_people, check_queries):
            findings += check(dataset)
    for first, second in combinations(datasets, 2):
        findings += check_splits(first, second)
    if look != "none":
        findings += _check_images(datasets, look, progress)
    order = sorted(findings, key=lambda finding: _ORDER.index(finding.severity))
    return CheckReport(splits=tuple(_summary(dataset) for dataset in datasets), look=look, findings=tuple(order))


def _check_images(datasets: Sequence[Dataset], look: Look, progress: bool | None) -> list[Finding]:
    scenes = [scene for dataset in datasets for scene in dataset.scenes]
    split = np.repeat(np.arange(len(datasets)), [len(dataset.scenes) for dataset in datasets])
    pictures = look_at(scenes, look, progress)
    findings: list[Finding] = []
    missing: Counter[str] = Counter()
    missing_paths: list[str] = []
    for number, dataset in enumerate(datasets):
        pairs = [(scene, picture) for scene, picture, of in zip(scenes, pictures, split, strict=True) if of == number]
        paths = [str(scene.path) for scene, picture in pairs if not picture.there]
        missing[dataset.name] += len(paths)
        missing_paths += paths
        broken = [f"{scene.path}: {picture.trouble}" for scene, picture in pairs if picture.there and picture.trouble]
        findings += findings_of("unreadable-image", dataset.name, broken)
        findings += findings_of("image-size", dataset.name, [text for pair in pairs if (text := _other_size(*pair))])
    # One finding for all splits, because images are usually missing for one reason.
    parts = " + ".join(name for name, count in missing.items() if count)
    findings = findings_of("missing-image", parts, missing_paths) + findings
    if look in ("decode", "full"):
        names = [dataset.name for dataset in datasets]
        findings += check_duplicates(names, scenes, split, pictures, alike=not _are_crops(scenes))
    return findings


def _are_crops(scenes: Sequence[Scene]) -> bool:
    """Whether each image is a crop of one person, as in Re-ID sets: crops all look alike."""
    return all(len(s.boxes) == 1 and s.boxes[0].tolist() == [0, 0, s.width, s.height] for s in scenes)


def _other_size(scene: Scene, picture: Picture) -> str:
    if picture.trouble or picture.size == (scene.width, scene.height):
        return ""
    upright = " when turned upright as its EXIF says" if picture.turned else ""
    width, height = picture.size
    return f"{scene.path}: is {width}x{height}{upright}, annotated as {scene.width}x{scene.height}"


def _summary(dataset: Dataset) -> Summary:
    labels = labels_of(dataset.scenes)
    counts = boxes_per_identity(dataset.scenes)
    ignored = sum(int(scene.ignore.sum()) for scene in dataset.scenes)
    return Summary(
        name=dataset.name,
        scenes=len(dataset.scenes),
        boxes=sum(len(scene.boxes) for scene in dataset.scenes) - ignored,
        labelled=len(labels),
        ignored=ignored,
        identities=len(counts),
        boxes_per_identity=float(np.median(counts)) if len(counts) else math.nan,
        head_share=head_share(counts) if len(counts) else math.nan,
        cameras=len({scene.camera for scene in dataset.scenes} - {None}),
        queries=len(dataset.queries),
        accounting=dataset.accounting,
    )
