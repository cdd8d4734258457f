"""A calibration whose probabilities can be worked out by hand."""

from __future__ import annotations

from personsearch.calibration import Calibration, Threshold


def calibration(weights: str = "f" * 64) -> Calibration:
    """0.1 at 0.2, 0.5 at 0.4, 0.9 at 0.6; one pair in ten is of one person."""
    return Calibration(
        weights=weights,
        dataset="toys/test",
        digest="d" * 64,
        identities=5,
        same_pairs=100,
        different_pairs=900,
        similarities=(0.2, 0.4, 0.6),
        probabilities=(0.1, 0.5, 0.9),
        thresholds=(
            Threshold(rate=1e-2, similarity=0.4999, low=0.45, high=0.55, true_match_rate=0.8),
            Threshold(rate=1e-3),
        ),
    )
