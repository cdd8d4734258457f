"""Evidence by hand-worked numbers, and pairs."""

import numpy as np

from personsearch.tracking.association import Lasts, evidence, pair


def odds(gap: float, moved: float, similarity: float, taller: float = 1.0) -> float:
    """One track and one detection of a person 100 pixels tall in a picture of 400x250, moved by some heights."""
    box = np.array([[0.0, 0.0, 40.0, 100.0]])
    shifted = np.array([[100 * moved, 50 - 50 * taller, 100 * moved + 40, 50 + 50 * taller]], np.float32)
    last = Lasts(box, np.array([0.0]), np.array([[1.0, 0.0]]))
    embedding = np.array([[similarity, np.sqrt(1 - similarity**2)]], np.float32)
    return float(evidence(last, shifted, embedding, gap, (250, 400))[0, 0])


def test_evidence_by_hand() -> None:
    # The picture is 4 x 2.5 heights = 10 square heights; after 0.38 s a box wanders 0.12 + 0.38 = 0.5 heights.
    place = np.log(10 / (2 * np.pi * 0.25))
    shape = np.log(4)
    assert np.isclose(odds(0.38, 0.0, 0.7), place + shape, atol=1e-5)
    assert np.isclose(odds(0.38, 0.0, 0.9), place + shape + 14 * 0.2, atol=1e-5)
    assert np.isclose(odds(0.38, 1.0, 0.7), place + shape - 1 / (2 * 0.25), atol=1e-5)
    size = 1.1  # square root of 1 x 1.21
    grown = np.log(10 / size**2 / (2 * np.pi * 0.25)) + shape - (np.log(1.21) / 0.25) ** 2 / 2
    assert np.isclose(odds(0.38, 0.0, 0.7, taller=1.21), grown, atol=1e-5)
    assert np.isclose(odds(0.38, 0.0, 0.5), place + shape - 14 * 0.2 / 2, atol=1e-5)  # cut off: the box is in a corner
    assert odds(0.04, 5.0, 1.0) < -20  # nobody is that quick


def test_place_counts_less_and_less() -> None:
    near = [odds(gap, 0.0, 0.7) for gap in (0.1, 1.0, 3.0)]
    assert near == sorted(near, reverse=True)
    far = [odds(gap, 1.5, 0.7) for gap in (0.1, 0.5, 1.0)]
    assert far == sorted(far)


def test_pairs_take_the_surest_first_and_nobody_twice() -> None:
    table = np.array([[3.0, 2.9, -1.0], [2.5, -4.0, -1.0], [-1.0, 0.0, 1.0]])
    before = table.copy()
    assert pair(table) == [(0, 0), (2, 2)]
    assert np.array_equal(table, before)
    assert pair(np.zeros((0, 3))) == []
    assert pair(np.array([[0.0]])) == []  # even odds are no evidence


def test_dissimilarity_counts_less_where_the_edge_cuts_somebody_off_and_only_for_a_second() -> None:
    embedding = np.array([[0.5, np.sqrt(0.75)]], np.float32)

    def odds_at(left: float, gap: float) -> float:
        box = np.array([[left, 30.0, left + 40, 130.0]])
        last = Lasts(box, np.array([0.0]), np.array([[1.0, 0.0]]))
        return float(evidence(last, box.astype(np.float32), embedding, gap, (250, 400))[0, 0])

    assert np.isclose(odds_at(1.9, 0.5) - odds_at(2.1, 0.5), 14 * 0.2 / 2, atol=1e-5)  # 2 % of 100 pixels
    assert np.isclose(odds_at(1.9, 1.1), odds_at(2.1, 1.1), atol=1e-5)
