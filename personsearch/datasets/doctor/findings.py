"""What the doctor can find, how bad it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

#: error = figures or training would be wrong; warning = worth a look; note = a property to know of.
Severity = Literal["error", "warning", "note"]
#: So many examples of a finding are kept.
EXAMPLES = 5


@dataclass(frozen=True)
class Kind:
    """A kind of finding: how bad it is, what there is so many of, what to do."""

    severity: Severity
    what: str
    advice: str


KINDS: Mapping[str, Kind] = {
    "skipped-row": Kind("error", "rows or files that cannot be used", "correct them; they were passed over"),
    "other-counts": Kind("error", "counts that are not the published ones", "figures of it are not comparable"),
    "no-scenes": Kind("error", "splits without a usable scene", "see what was passed over"),
    "missing-image": Kind(
        "error", "missing images", "say where they are (--images), or drop them from the annotations"
    ),
    "unreadable-image": Kind("error", "unreadable images", "fetch them again, or drop them from the annotations"),
    "image-size": Kind("error", "images of another size than annotated", "boxes are in pixels of the upright image"),
    "box-not-finite": Kind("error", "boxes with numbers that are not finite", "correct the annotations"),
    "box-without-area": Kind("error", "boxes without area", "correct the annotations"),
    "box-outside": Kind("error", "boxes that reach outside the image", "clip them, or look for a wrong image size"),
    "shared-image": Kind("error", "images that are in two splits", "keep them in one"),
    "copied-image-splits": Kind("error", "files of one split that are in another under another name", "keep one"),
    "shared-identity-queried": Kind(
        "error", "identities that queries ask for and another split shows", "split by person, or drop these queries"
    ),
    "query-image": Kind("error", "queries or gallery entries whose image is not in the set", "correct the query list"),
    "query-box": Kind("warning", "queries whose box is no box of that person", "correct the query list"),
    "query-without-match": Kind(
        "warning", "queries whose person is nowhere else in the gallery", "they score 0 under every protocol"
    ),
    "shared-identity": Kind(
        "warning", "identities that two splits show, no query asks for", "harmless as distractors; never train on both"
    ),
    "repeated-identity": Kind("warning", "identities more than once in an image", "only the first box can be found"),
    "repeated-box": Kind("warning", "boxes annotated twice", "one of them counts as a person who is missed"),
    "one-camera": Kind("warning", "identities in one camera only", "they teach and test nothing across cameras"),
    "one-box": Kind("warning", "identities with a single box", "there is nothing to match them with"),
    "copied-image": Kind("warning", "copies of files in the same split", "they count twice"),
    "near-duplicate-cameras": Kind(
        "warning", "frames that look like a frame of another camera", "one of the camera names may be wrong"
    ),
    "near-duplicate-splits": Kind("warning", "frames that look like a frame of another split", "keep them in one"),
    "query-one-camera": Kind(
        "note", "queries with matches in their own camera only", "cross-camera protocols leave them nothing to find"
    ),
    "still-camera-splits": Kind(
        "note",
        "frames that look like one of the same camera in another split",
        "expected of a camera that stands still",
    ),
    "near-duplicate": Kind("note", "frames of no known camera that look like an earlier one", "they add little"),
    "long-run": Kind("note", "long runs of frames that hardly change", "they add little; expected of a still camera"),
    "numbered-apart": Kind(
        "note", "identity numbers in two splits that each count from 0", "whether people are shared cannot be seen"
    ),
    "small-box": Kind("note", "boxes too small to tell people apart", "consider ignore for them"),
    "without-people": Kind("note", "scenes without people", "fine as negatives"),
    "crowded": Kind("note", "scenes with far more people than is usual here", "look whether they are right"),
    "dropped-row": Kind("note", "rows that the format's rules leave out", "look whether the rules fit"),
    "changed-box": Kind("note", "changes made to boxes while reading", "look whether they are expected"),
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something found in a set.

    Attributes:
        kind: key of KINDS.
        part: in which split, or splits.
        count: how many of them.
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


def found(kind: str, part: str, examples: Sequence[str], count: int | None = None) -> list[Finding]:
    """Return a finding, or none where there is nothing.

    Args:
        kind: key of KINDS.
        part: in which split, or splits.
        examples: all of them, or the first few where ``count`` is given.
        count: how many there are; default: as many as examples.
    """
    count = len(examples) if count is None else count
    if not count:
        return []
    return [Finding(kind=kind, part=part, count=count, examples=tuple(examples[:EXAMPLES]))]
