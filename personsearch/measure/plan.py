"""What an evaluation is to measure, checked before the network runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any

from personsearch.datasets.dataset import Dataset
from personsearch.errors import ConfigError, DatasetError, MissingExtraError
from personsearch.evaluation.gallery_sizes import require_sizes
from personsearch.evaluation.rerank import reranker_of
from personsearch.evaluation.rules import rules_of
from personsearch.measure.countable import require_people, require_searchable
from personsearch.measure.cropped import reid_config
from personsearch.measure.outside import Boxes, Opened, open_boxes, require_overlap, source_name

#: Re-ranking methods that need scipy.
NEED_SCIPY = ("context", "context-mean", "k-reciprocal")
#: Re-ranking methods that need to know every scene's camera.
NEED_CAMERAS = ("camera-mean", "camera-similarity")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure.

    Attributes:
        presets: protocols, at least one.
        rerank: name of a re-ranking method, which gets a row of its own.
        baselines: also rows of re-identifiers that learnt nothing, on the same detections.
        truth: also a row of the annotated boxes as detections: the upper bound of a perfect detector.
        reid: also rank the annotated people as re-identification does, without a detector. A set of crops allows
            nothing else, so that it is always done there.
        coco: also COCO's average precision of the detections.
        gallery_sizes: also search galleries of this many images.
        calibrate: also fit what a similarity means.
        open_set: also search for people who are not in the gallery.
        two_step: also rows of a two-step cascade: the same detections cut out and embedded by the network in this
            weights folder of step 1; implies ``truth``, for both systems.
        boxes: detections that take the place of the weights' own, for every row: a file of them (COCO's list of
            results, or a COCO-style set); image_id -> boxes; or a function of a picture, (H, W, 3) uint8 RGB, that
            returns them in any form of ``personsearch.given.people.Found``.
        boxes_images: of a list of results that gives pictures numbers: the annotation file that they are of, or number
            -> image_id.
    """

    presets: tuple[str, ...] = ("standard",)
    rerank: str | None = None
    baselines: bool = False
    truth: bool = False
    reid: bool = False
    coco: bool = False
    gallery_sizes: tuple[int, ...] = ()
    calibrate: bool = False
    open_set: bool = False
    two_step: str | os.PathLike[str] | None = None
    boxes: Boxes | None = None
    boxes_images: str | os.PathLike[str] | Mapping[Any, str] | None = None

    @cached_property
    def opened_boxes(self) -> Opened:
        """The boxes, read if they are in a file.

        Raises:
            ConfigError: there are none.
            ImageError: the file cannot be used.
        """
        if self.boxes is None:
            raise ConfigError("the plan has no boxes of another detector")
        return open_boxes(self.boxes, self.boxes_images)

    def check(self, dataset: Dataset) -> None:
        """Refuse a plan that a set, or a missing library, would stop after the network has run.

        Raises:
            ConfigError: there is no such preset or re-ranking method, or no preset at all; or the plan needs scenes and
                the set is one of crops.
            DatasetError: the set has nobody or no queries where the plan needs them, every annotated box is left out,
                a preset cannot search for a query, there are too few images for a gallery size, or no box of another
                detector is in a picture of the set.
            ImageError: the file of boxes cannot be used.
            MissingExtraError: a library of the extra ``[evaluate]`` is not installed.
            WeightsNotFoundError: ``two_step`` is not the weights folder of step 1.
            WeightsMismatchError: its configuration is damaged.
        """
        if not self.presets:
            raise ConfigError("presets is empty; give at least one protocol, such as 'standard'")
        for name in self.presets:
            rules_of(name)
        if self.rerank is not None:
            reranker_of(self.rerank)
        for wanted, what, module in (
            (self.coco, "COCO AP", "faster_coco_eval"),
            (self.calibrate, "a calibration", "sklearn"),
            (self.rerank in NEED_SCIPY, f"re-ranking by {self.rerank}", "scipy"),
        ):
            if wanted and find_spec(module) is None:
                raise MissingExtraError(f"{what} needs {module}: pip install 'personsearch[evaluate]'")
        need_people = {
            "re-identification": self.reid or dataset.crops,
            "COCO's AP": self.coco,
            "a calibration": self.calibrate,
        }
        require_people(dataset, next((what for what, wanted in need_people.items() if wanted), ""))
        if dataset.crops:
            self._require_no_scenes(dataset)
            return
        if self.two_step is not None:
            reid_config(self.two_step)
        if self.boxes is not None:
            require_overlap(self.opened_boxes, dataset, source_name(self.boxes))
        elif self.boxes_images is not None:
            raise ConfigError(
                "boxes_images (--boxes-images) says which pictures a file of boxes is of; give boxes (--boxes), too"
            )
        searching = self.baselines or self.gallery_sizes or self.rerank or self.open_set or self.two_step is not None
        if not dataset.queries and searching:
            raise DatasetError(f"{dataset.name}: has no queries, so search cannot be measured; give a list of queries")
        for name in self.presets:
            require_searchable(dataset, rules_of(name))
        unknown = next((scene.image_id for scene in dataset.scenes if scene.camera is None), None)
        if self.rerank in NEED_CAMERAS and unknown is not None:
            raise DatasetError(
                f"{dataset.name}: the camera of {unknown!r} is unknown, and re-ranking by {self.rerank} needs all of "
                "them; annotate cameras"
            )
        require_sizes(dataset, self.gallery_sizes)

    def _require_no_scenes(self, dataset: Dataset) -> None:
        asked = {
            f"preset {', '.join(self.presets)}": self.presets != Plan.presets,
            "re-ranking": self.rerank is not None,
            "baselines": self.baselines,
            "annotated boxes as detections": self.truth,
            "COCO's AP": self.coco,
            "gallery sizes": bool(self.gallery_sizes),
            "a calibration": self.calibrate,
            "an open-set test": self.open_set,
            "a two-step cascade": self.two_step is not None,
            "boxes of a detector": self.boxes is not None,
        }
        if any(asked.values()):
            what = "; ".join(name for name, wanted in asked.items() if wanted)
            raise ConfigError(
                f"{dataset.name} is a set of crops, in which only re-identification can be measured; leave out: {what}"
            )
