"""What the doctor can find, how bad it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

#: error = figures or training would be wrong; warning = worth a look; note = good to know.
Severity = Literal["error", "warning", "note"]
#: How many examples of a finding are kept.
EXAMPLES = 5


@dataclass(frozen=True)
class Kind:
    """A kind of finding: how bad it is, what is counted, what to do."""

    severity: Severity
    what: str
    advice: str


KINDS: Mapping[str, Kind] = {
    "skipped-row": Kind("error", "rows or files that cannot be used", "correct them; they were skipped"),
    "other-counts": Kind("error", "counts that differ from the published ones", "its figures are not comparable"),
    "no-scenes": Kind("error", "splits without a usable scene", "see what was skipped or left out"),
    "nothing-left": Kind(
        "error", "boxes, and all of them left out", "say which categories are people (--people), or see the rules"
    ),
    "all-ignored": Kind("error", "boxes, and all of them ignored", "look at ignore, iscrowd, or the flags of MOT"),
    "missing-image": Kind(
        "error", "missing images", "say where they are (--images), or remove them from the annotations"
    ),
    "unreadable-image": Kind("error", "unreadable images", "fetch them again, or remove them from the annotations"),
    "image-size": Kind(
        "error", "images whose size differs from the annotated one", "boxes must be in pixels of the upright image"
    ),
    "box-not-finite": Kind("error", "boxes with numbers that are not finite", "correct the annotations"),
    "box-without-area": Kind("error", "boxes without area", "correct the annotations"),
    "box-outside": Kind("error", "boxes that extend beyond the image", "clip them, or look for a wrong image size"),
    "shared-image": Kind("error", "images that are in two splits", "keep each in one split"),
    "copied-image-splits": Kind("error", "files that two splits hold under different names", "keep each in one split"),
    "shared-identity-queried": Kind(
        "error", "identities that are in two splits and queried", "split by person, or remove these queries"
    ),
    "query-image": Kind("error", "queries or gallery entries whose image is not in the set", "correct the query list"),
    "query-box": Kind("warning", "queries whose box is not a box of that person", "correct the query list"),
    "query-without-match": Kind(
        "warning", "queries whose person is nowhere else in the gallery", "they score 0 under every protocol"
    ),
    "no-people": Kind("warning", "scenes, and nobody in any of them", "there is nothing to find"),
    "no-identity": Kind(
        "warning", "boxes, and none with an identity", "detection can be learned and measured, search cannot"
    ),
    "one-identity": Kind("warning", "labelled boxes, all of one identity", "there is nobody to tell the person from"),
    "many-clipped": Kind(
        "warning", "boxes beyond the image, a fifth or more", "bbox must be x, y, width, height, not two corners"
    ),
    "many-repeated": Kind(
        "warning", "labels repeated in their image, a fifth or more", "a default such as 0 may stand for nobody"
    ),
    "person-zero": Kind(
        "warning", "crops of a person 0000", "Market-1501 has 0000 for distractors; here it is a person"
    ),
    "shared-identity": Kind(
        "warning", "identities that are in two splits but not queried", "harmless distractors; never train on both"
    ),
    "repeated-identity": Kind("warning", "identities more than once in an image", "only the first box can be found"),
    "repeated-box": Kind("warning", "boxes annotated twice", "one of them counts as a missed person"),
    "one-camera": Kind("warning", "identities in one camera only", "they teach and test nothing across cameras"),
    "one-box": Kind("warning", "identities with a single box", "there is nothing to match them with"),
    "copied-image": Kind("warning", "copies of files in the same split", "they count twice"),
    "near-duplicate-cameras": Kind(
        "warning", "frames that look like a frame of another camera", "one of the camera names may be wrong"
    ),
    "near-duplicate-splits": Kind(
        "warning", "frames that look like a frame of another split", "keep look-alikes in one split"
    ),
    "query-one-camera": Kind(
        "note", "queries with matches in their own camera only", "cross-camera protocols leave them nothing to find"
    ),
    "still-camera-splits": Kind(
        "note",
        "frames that look like one of the same camera in another split",
        "expected of a fixed camera",
    ),
    "near-duplicate": Kind("note", "frames of no known camera that look like an earlier one", "they add little"),
    "long-run": Kind("note", "long runs of frames that hardly change", "they add little; expected of a fixed camera"),
    "numbered-apart": Kind(
        "note", "identity numbers in two splits that each count from 0", "whether the splits share people is unknown"
    ),
    "small-box": Kind("note", "boxes too small to tell people apart", "consider marking them as ignored"),
    "without-people": Kind("note", "scenes without people", "useful as negatives"),
    "crowded": Kind("note", "scenes with far more people than usual here", "check that they are right"),
    "dropped-row": Kind("note", "rows that the format's rules leave out", "check that the rules fit"),
    "changed-box": Kind("note", "changes made to boxes and labels while reading", "check that they are expected"),
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something found in a set.

    Attributes:
        kind: key of KINDS.
        part: the split, or splits, it was found in.
        count: how many there are.
        examples: the first few, each with its file.
    """

    kind: str
    part: str
    count: int
    examples: tuple[str, ...]

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return KINDS[self.kind].severity


def findings_of(kind: str, part: str, examples: Sequence[str], count: int | None = None) -> list[Finding]:
    """Return one finding, or none if there is nothing to report.

    Args:
        kind: key of KINDS.
        part: the split, or splits.
        examples: all of them, or the first few if ``count`` is given.
        count: how many there are; default: the number of examples.
    """
    count = len(examples) if count is None else count
    if not count:
        return []
    return [Finding(kind=kind, part=part, count=count, examples=tuple(examples[:EXAMPLES]))]
