"""What a searcher saw of a data set: all that protocols need, so that a second protocol costs no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from personsearch.results import Detections, Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Observations:
    """Detections and embeddings of one data set by one searcher.

    Attributes:
        weights: fingerprint of the weights.
        dataset: ``Dataset.digest``.
        detections: by image_id, every scene of the set and of its queries; as the weights give them, unfiltered.
        queries: (Q, D) float32, unit length: each query's box, pooled from its whole scene.
        people: by image_id (N, D): the annotated boxes of the scene, in their order, embedded likewise.
        seconds: that the network took when it looked, also where the result was kept from an earlier time.
        computed_on: device and dtype, e.g. ``cpu float32``.
    """

    weights: str
    dataset: str
    detections: Mapping[str, Detections]
    queries: Floats
    people: Mapping[str, Floats]
    seconds: float | None = None
    computed_on: str = ""
