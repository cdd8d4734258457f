"""The switches by which evaluators of person search differ, as data, and the named sets of switches that are in use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Literal, TypedDict, Unpack, get_args, get_origin, get_type_hints

from personsearch.errors import ConfigError


class Switches(TypedDict, total=False):
    """The keywords of :meth:`Rules.changed`; :class:`Rules` says what they mean."""

    score_threshold: float
    list_score_threshold: float | None
    query_feature: Literal["box", "detection"]
    undetected_query: Literal["zero", "skip"]
    confidence_weighted: bool
    own_image: Literal["exclude", "listed", "keep"]
    repeated_entries: Literal["twice", "count-twice", "once"]
    cameras: Literal["all", "other-frames", "same-frames", "junk"]
    absent_person: Literal["error", "zero", "skip"]
    positives: Literal["first", "every"]
    iou: float
    iou_rule: Literal["relaxed", "fixed"]
    iou_inclusive: bool
    junk_iou: float | None
    repeated_identity: Literal["first", "delete"]
    ties: Literal["stable", "reversed", "last"]
    average_precision: Literal["steps", "trapezoid"]
    detection_score_threshold: float
    empty_scenes: Literal["count", "skip"]
    first_label: int


@dataclass(frozen=True, kw_only=True)
class Rules:
    """One protocol. The defaults are the community definition, preset ``standard``.

    Attributes:
        name: how figures are labelled; not part of the hash.
        score_threshold: detections of lower score are dropped before the search.
        list_score_threshold: the same where queries have gallery lists (CUHK-SYSU); None = ``score_threshold``.
        query_feature: what is searched for: the embedding of the query's ``box``, or that of the ``detection`` nearest
            to it (largest IoU with pixels counted inclusively, whatever its score).
        undetected_query: with ``query_feature="detection"``, a query whose image has no detection scores ``zero``, or
            is skipped (``skip``), which shrinks the denominator.
        confidence_weighted: similarities are multiplied by the detection's score (CWS).
        own_image: the query's own image is never searched (``exclude``), searched only if the query's list names it
            (``listed``), or always searched (``keep``).
        repeated_entries: an image that a list names twice is ranked twice and counts twice (``twice``), is ranked once
            and judged by its first box but counts twice (``count-twice``), or is one image (``once``), in which the
            person should be found at each of the different boxes that the list gives.
        cameras: which frames are searched: ``all``; ``other-frames``, without those of the query's camera;
            ``same-frames``, only those; ``junk`` = all, but the person's boxes in the query's camera count neither way
            while strangers there stay.
        absent_person: a query whose person is nowhere in its gallery is an ``error``, scores ``zero``, or is skipped
            (``skip``).
        positives: in an image that shows the person, only the ``first`` overlapping detection by falling similarity is
            right; or ``every`` detection whose best-overlapping box is the person's.
        iou: overlap that a detection of the person needs.
        iou_rule: ``relaxed`` = small boxes of w x h pixels need only w*h / ((w+10)*(h+10)), if that is less; ``fixed``
            = all boxes need the same.
        iou_inclusive: an overlap of exactly the threshold is enough.
        junk_iou: detections that overlap the person by at least this, but less than the threshold, count neither way;
            None = they are wrong.
        repeated_identity: where an identity is annotated twice in one image, the ``first`` box counts and the others
            are people without a label; or the others are deleted (``delete``), so that detections of them are false
            and the box that stays may be the best for one that lies between.
        ties: equal similarities rank in the order of scenes, then detections (``stable``), in the reverse of the
            gallery list's order (``reversed``), or with the wrong ones first (``last``).
        average_precision: ``steps``, as scikit-learn defines it, equal similarities being one threshold; or
            ``trapezoid``.
        detection_score_threshold: detections of lower score are dropped before detection is measured.
        empty_scenes: people in scenes without a detection ``count`` as missed, or such scenes are skipped (``skip``),
            which inflates recall and AP.
        first_label: recall of labelled people counts identities from this one up; 1 loses identity 0.
    """

    name: str
    score_threshold: float = 0.5
    list_score_threshold: float | None = None
    query_feature: Literal["box", "detection"] = "box"
    undetected_query: Literal["zero", "skip"] = "zero"
    confidence_weighted: bool = False
    own_image: Literal["exclude", "listed", "keep"] = "listed"
    repeated_entries: Literal["twice", "count-twice", "once"] = "twice"
    cameras: Literal["all", "other-frames", "same-frames", "junk"] = "all"
    absent_person: Literal["error", "zero", "skip"] = "error"
    positives: Literal["first", "every"] = "first"
    iou: float = 0.5
    iou_rule: Literal["relaxed", "fixed"] = "relaxed"
    iou_inclusive: bool = True
    junk_iou: float | None = None
    repeated_identity: Literal["first", "delete"] = "first"
    ties: Literal["stable", "reversed", "last"] = "stable"
    average_precision: Literal["steps", "trapezoid"] = "steps"
    detection_score_threshold: float = 0.5
    empty_scenes: Literal["count", "skip"] = "count"
    first_label: int = 0

    def __post_init__(self) -> None:
        for key, hint in get_type_hints(type(self)).items():
            if get_origin(hint) is Literal and getattr(self, key) not in get_args(hint):
                allowed = ", ".join(map(repr, get_args(hint)))
                raise ConfigError(f"rules {self.name!r}: {key} must be one of {allowed}, got {getattr(self, key)!r}")

    @property
    def switches(self) -> dict[str, Any]:
        """All fields except the name."""
        return {key: value for key, value in asdict(self).items() if key != "name"}

    @property
    def hash(self) -> str:
        """12 hex digits of the switches: equal for equal protocols, whatever their names."""
        return hashlib.sha256(json.dumps(self.switches, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def label(self) -> str:
        """The name and the hash, as they stand beside every figure."""
        return f"{self.name} ({self.hash})"

    def search_threshold(self, *, listed: bool) -> float:
        """Return the score that detections need to be searched; ``listed`` = queries have gallery lists."""
        return self.list_score_threshold if listed and self.list_score_threshold is not None else self.score_threshold

    def changed(self, **switches: Unpack[Switches]) -> Rules:
        """Return rules with other switches; their name says the difference, e.g. ``standard, cameras=junk``.

        Raises:
            ConfigError: there is no such switch, or it has no such value.
        """
        known = set(self.switches)
        if unknown := sorted(set(switches) - known):
            raise ConfigError(f"rules have no switch {unknown[0]!r}; switches are: {', '.join(sorted(known))}")
        name = ", ".join([self.name, *(f"{key}={value}" for key, value in switches.items())])
        return replace(self, name=name, **switches)


_STANDARD = Rules(name="standard")
_PRESETS = (
    _STANDARD,
    replace(_STANDARD, name="seqnet", confidence_weighted=True, repeated_entries="count-twice", ties="reversed"),
    replace(
        _STANDARD,
        name="alignps",
        score_threshold=0.15,
        list_score_threshold=0.2,
        query_feature="detection",
        ties="reversed",
    ),
    replace(
        _STANDARD,
        name="stl-author",
        positives="every",
        iou_rule="fixed",
        iou_inclusive=False,
        repeated_identity="delete",
        ties="reversed",
        empty_scenes="skip",
    ),
    replace(_STANDARD, name="strict", own_image="exclude", repeated_entries="once", absent_person="skip", ties="last"),
    replace(_STANDARD, name="cross-camera-frames", cameras="other-frames", absent_person="skip"),
    replace(
        _STANDARD,
        name="cross-camera-junk",
        cameras="junk",
        junk_iou=0.3,
        average_precision="trapezoid",
        absent_person="skip",
    ),
)

#: The named protocols. ``cross-camera-frames`` gives COAT's "multi-view" figure, ``cross-camera-junk`` that of PRW's
#: official MATLAB code; the two are not comparable.
PRESETS: Mapping[str, Rules] = MappingProxyType({rules.name: rules for rules in _PRESETS})


def rules_of(name: str) -> Rules:
    """Return a preset by name.

    Raises:
        ConfigError: there is no such preset; lists those there are.
    """
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}; presets are: {', '.join(PRESETS)}")
    return PRESETS[name]


def presets_table() -> str:
    """Return a Markdown table of presets and switches; cells that equal ``standard`` are empty."""
    lines = [
        "| switch | " + " | ".join(f"`{name}`" for name in PRESETS) + " |",
        "|---" * (len(PRESETS) + 1) + "|",
    ]
    for key in (field.name for field in fields(Rules) if field.name != "name"):
        cells = []
        for name, rules in PRESETS.items():
            value = getattr(rules, key)
            cells.append(f"`{value}`" if name == "standard" or value != getattr(_STANDARD, key) else "")
        lines.append(f"| `{key}` | " + " | ".join(cells) + " |")
    lines.append("| hash | " + " | ".join(f"`{rules.hash}`" for rules in PRESETS.values()) + " |")
    return "\n".join(lines) + "\n"
