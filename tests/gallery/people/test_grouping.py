"""Grouping: average linkage as scipy computes it, and what keeps appearances together or apart regardless."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage

from personsearch.errors import ConfigError
from personsearch.gallery.people import grouping
from personsearch.gallery.people.grouping import Units, cannot_be_one, group
from personsearch.people import Gates
from tests.gallery.toy import unit_rows


def units_of(embeddings: object, **columns: object) -> Units:
    """Return units of which nothing is known but what is given."""
    rows = np.asarray(embeddings, np.float32)
    unknown = np.full(len(rows), -1)
    times = columns.pop("first", np.full(len(rows), np.nan))
    given = {name: np.asarray(value, np.int64) for name, value in columns.items() if name != "last"}
    return replace(
        Units(
            embeddings=rows,
            views=unknown,
            scenes=unknown,
            places=unknown,
            first=np.asarray(times, np.float64),
            last=np.asarray(columns.get("last", times), np.float64),
            fixed=unknown,
        ),
        **given,
    )


def plane(*degrees: float) -> np.ndarray:
    """Return directions in the plane (N, 2)."""
    return np.array([[np.cos(np.radians(d)), np.sin(np.radians(d))] for d in degrees], np.float32)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Units, float, Gates]:
    """Draw a few people in a few views, with decisions by hand, times and gates."""
    count = draw(st.integers(1, 24))
    seed = draw(st.integers(0, 2**31))
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 30, count).astype(np.float64)
    last = first + rng.integers(0, 6, count)
    single = rng.random(count) < 0.5
    last[single] = first[single]
    unknown = rng.random(count) < draw(st.sampled_from([0, 0.3, 1]))
    first[unknown] = last[unknown] = np.nan
    views = rng.integers(-1, 3, count)
    fixed = np.where(rng.random(count) < draw(st.sampled_from([0, 0.3, 0.8])), rng.integers(0, 4, count), -1)
    units = Units(
        embeddings=unit_rows(count, 8, seed, spread=draw(st.sampled_from([0.2, 0.6, 2])), centres=5),
        views=views,
        scenes=np.where(single, rng.integers(0, 8, count), -1),
        places=np.where(views < 0, -1, views // 2),
        first=first,
        last=last,
        fixed=fixed,
    )
    gates = Gates(min_travel=draw(st.sampled_from([None, 0, 4])), max_span=draw(st.sampled_from([None, 10])))
    return units, draw(st.sampled_from([-1.0, 0.0, 0.4, 0.7, 0.95])), gates


def by_scipy(units: Units, min_similarity: float, gates: Gates) -> list[frozenset[int]]:
    """Group with scipy: first the tracks that last, then all."""
    fixed = np.where(units.fixed < 0, 100 + np.arange(len(units)), units.fixed)
    lasting = (units.scenes < 0) & ~(units.last - units.first < grouping.BRIEF)
    first = np.flatnonzero(np.isin(fixed, fixed[lasting]))
    together = fixed.copy()
    together[first] = 1000 + linked(units[first], fixed[first], min_similarity, gates)
    return sets_of(linked(units, together, min_similarity, gates))


def linked(units: Units, together: np.ndarray, min_similarity: float, gates: Gates) -> np.ndarray:
    """Return labels: those that are together are nearer than anything, those that cannot be farther than any mean."""
    if len(units) < 2:
        return np.zeros(len(units), np.int64)
    a, b = np.triu_indices(len(units), 1)
    similarity = (units.embeddings.astype(np.float64)[a] * units.embeddings[b]).sum(axis=1)
    distance = np.where(cannot_be_one(units, gates, a, b), 1e6, 2 - similarity)
    distance[together[a] == together[b]] = 0
    return np.asarray(fcluster(linkage(distance, "average"), 2 - min_similarity, "distance"))


def sets_of(labels: np.ndarray) -> list[frozenset[int]]:
    return sorted((frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)), key=min)


@given(worlds())
@settings(max_examples=150, deadline=None)
def test_it_is_average_linkage(world: tuple[Units, float, Gates]) -> None:
    units, _, gates = world
    for min_similarity in (0.1234, 0.4321, 0.7654):  # which no pair of so few has exactly
        assert sets_of(group(units, min_similarity, gates)) == by_scipy(units, min_similarity, gates)


@given(worlds())
@settings(max_examples=150, deadline=None)
def test_what_must_hold_holds(world: tuple[Units, float, Gates]) -> None:
    units, min_similarity, gates = world
    labels = group(units, min_similarity, gates)
    for a, b in combinations(range(len(units)), 2):
        together = labels[a] == labels[b]
        if units.fixed[a] >= 0 and units.fixed[b] >= 0:
            assert together == (units.fixed[a] == units.fixed[b])
        elif together:
            assert not cannot_be_one(units, gates, np.array([a]), np.array([b]))[0]


@given(worlds(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_units_changes_nothing(world: tuple[Units, float, Gates], random: object) -> None:
    units, min_similarity, gates = world
    labels = group(units, min_similarity, gates)
    order = list(range(len(units)))
    random.shuffle(order)
    shuffled = group(units[np.array(order)], min_similarity, gates)
    back = np.empty(len(units), np.int64)
    back[order] = shuffled
    assert sets_of(back) == sets_of(labels)
    assert labels[0] == 0
    assert set(labels) == set(range(labels.max() + 1))
    assert (np.unique(labels, return_index=True)[1] == np.sort(np.unique(labels, return_index=True)[1])).all()


def test_equally_similar_pairs_are_told_apart_by_content() -> None:
    """0 and 40 degrees are both 20 from 20, and never one person: who is joined does not follow the order."""
    units = units_of(plane(0, 20, 40), scenes=[7, -1, 7])
    joined = [units.embeddings[group(units, 0.9) == label] for label in (0, 1)]
    for order in ([1, 0, 2], [2, 1, 0], [2, 0, 1]):
        turned = units[np.array(order)]
        labels = group(turned, 0.9)
        assert {turned.embeddings[labels == label].sum() for label in (0, 1)} == {one.sum() for one in joined}


def test_a_mean_similarity_decides_not_the_best_pair() -> None:
    """0, 10 and 40 degrees: 0 and 10 first; 40 is 0.866 like 10 but (0.766 + 0.866) / 2 = 0.816 like both."""
    units = units_of(plane(0, 10, 40))
    assert group(units, 0.81).tolist() == [0, 0, 0]
    assert group(units, 0.82).tolist() == [0, 0, 1]
    assert group(units, 0.99).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("columns", "apart"),
    [
        ({"scenes": [3, 3]}, True),
        ({"scenes": [3, 4]}, False),
        ({"views": [0, 0], "first": [0, 5], "last": [6, 9]}, True),  # two tracks at once in one view
        ({"views": [0, 1], "first": [0, 5], "last": [6, 9]}, False),  # in two
        ({"views": [-1, -1], "first": [0, 5], "last": [6, 9]}, False),  # in views that nobody knows
        ({"views": [0, 0], "first": [0, 6], "last": [6, 9]}, False),  # one after the other
        ({"views": [0, 0], "first": [0, 5.995], "last": [6, 9]}, False),  # by a hair
        ({"views": [0, 0], "first": [0, np.nan], "last": [6, np.nan]}, False),
        ({"views": [0, 0], "scenes": [-1, 3], "first": [0, 4], "last": [6, 4]}, True),  # a detection during a track
        ({"views": [0, 0], "scenes": [-1, 3], "first": [0, 6], "last": [6, 6]}, False),  # as the track ends
        ({"views": [0, 0], "first": [4, 4], "last": [4, 4]}, True),  # two tracks of the same frame
        ({"views": [0, 0], "scenes": [2, 3], "first": [4, 4], "last": [4, 4]}, False),  # two pictures of one second
    ],
)
def test_what_one_person_cannot_be(columns: dict[str, list[float]], apart: bool) -> None:
    units = units_of(plane(0, 0), **columns)
    assert group(units, 0.5).tolist() == ([0, 1] if apart else [0, 0])


@pytest.mark.parametrize(
    ("gates", "places", "times", "apart"),
    [
        (Gates(min_travel=30), [0, 1], [(0, 10), (39, 50)], True),
        (Gates(min_travel=30), [0, 1], [(0, 10), (40, 50)], False),
        (Gates(min_travel=30), [0, 1], [(60, 70), (0, 40)], True),
        (Gates(min_travel=0), [0, 1], [(0, 10), (5, 50)], True),  # in two places at once
        (Gates(min_travel=0), [0, 1], [(0, 10), (10, 50)], False),
        (Gates(min_travel=30), [0, 0], [(0, 10), (5, 50)], False),  # cameras of one place may see a person at once
        (Gates(min_travel=30), [0, -1], [(0, 10), (5, 50)], False),
        (Gates(min_travel=30), [0, 1], [(0, 10), (np.nan, np.nan)], False),
        (Gates(), [0, 1], [(0, 10), (5, 50)], False),
        (Gates(max_span=50), [0, 0], [(0, 10), (20, 51)], True),
        (Gates(max_span=51), [0, 0], [(0, 10), (20, 51)], False),
        (Gates(max_span=50), [0, 0], [(0, 10), (np.nan, np.nan)], False),
    ],
)
def test_gates(gates: Gates, places: list[int], times: list[tuple[float, float]], apart: bool) -> None:
    first, last = zip(*times, strict=True)
    units = units_of(plane(0, 0), places=places, first=first, last=last)
    assert group(units, 0.5, gates).tolist() == ([0, 1] if apart else [0, 0])


def test_max_span_is_that_of_the_whole_person() -> None:
    """Each next appearance is soon enough after the one before, but the last is too late after the first."""
    units = units_of(plane(0, 1, 2), first=[0, 40, 80], last=[10, 50, 90])
    assert sorted(map(len, sets_of(group(units, 0.5, Gates(max_span=60))))) == [1, 2]


def test_who_cannot_be_one_member_is_no_member() -> None:
    """1 is most like 0; 2 is like both, but of one scene with 0: it stays alone, although it could be with 1."""
    units = units_of(plane(0, 1, 3), scenes=[5, 6, 5])
    assert group(units, 0.5).tolist() == [0, 0, 1]


def test_decisions_by_hand_win() -> None:
    opposite = units_of(plane(0, 180), fixed=[4, 4], scenes=[1, 1], views=[0, 0], first=[0, 0], last=[9, 9])
    assert not cannot_be_one(opposite, Gates(), np.array([0]), np.array([1])).any()
    assert group(opposite, 0.9).tolist() == [0, 0]  # nothing else speaks for it, and two scenes' rules against it
    assert group(units_of(plane(0, 0), fixed=[4, 5]), 0.5).tolist() == [0, 1]
    # Two units of person 4, and one that could be with one of them, but not with the other.
    torn = units_of(plane(0, 0, 0), fixed=[4, 4, -1], scenes=[1, -1, 1])
    assert group(torn, 0.5).tolist() == [0, 0, 1]
    # A free unit joins a person that was fixed, by the mean of its members.
    assert group(units_of(plane(0, 60, 30), fixed=[4, 4, -1]), 0.86).tolist() == [0, 0, 0]
    assert group(units_of(plane(0, 60, 30), fixed=[4, 4, -1]), 0.87).tolist() == [0, 0, 1]


def test_what_is_brief_joins_what_lasts_and_does_not_come_between() -> None:
    """Half a person is most like one track, and at once with the other: it must not keep them apart."""
    first, last = [0, 60, 70], [20, 80, 70.5]
    units = units_of(plane(0, 20, 2), views=[0, 1, 1], first=first, last=last)
    assert group(units, 0.9).tolist() == [0, 0, 1]
    longer = replace(units, last=np.array([20.0, 80, 72]))
    assert group(longer, 0.9).tolist() == [0, 1, 0]  # as long as this, it is believed
    detection = replace(units, scenes=np.array([-1, -1, 5]), last=np.array([20.0, 80, 70]))
    assert group(detection, 0.9).tolist() == [0, 0, 1]
    elsewhere = replace(units, views=np.array([0, 1, 2]))
    assert group(elsewhere, 0.9).tolist() == [0, 0, 0]


def test_many_that_are_all_the_same() -> None:
    units = units_of(np.tile(plane(30), (600, 1)), scenes=np.arange(600) // 2)
    assert sorted(map(len, sets_of(group(units, 0.9)))) == [300, 300]


def test_nobody_and_one() -> None:
    assert group(units_of(np.zeros((0, 8))), 0.5).tolist() == []
    assert group(units_of(plane(0)), 0.5).tolist() == [0]
    assert group(units_of(plane(0, 180)), -1).tolist() == [0, 0]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    units = units_of(unit_rows(300, 16, 0, spread=0.7, centres=30), scenes=np.arange(300) // 3)
    whole = group(units, 0.5)
    assert 30 <= whole.max() < 200
    monkeypatch.setattr(grouping, "CELLS", 500)
    assert (group(units, 0.5) == whole).all()


def test_too_many_pairs_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    units = units_of(np.tile(plane(30), (50, 1)))
    monkeypatch.setattr(grouping, "MOST_PAIRS", 50 * 49 // 2)
    assert group(units, 0.5).tolist() == [0] * 50
    monkeypatch.setattr(grouping, "MOST_PAIRS", 50 * 49 // 2 - 1)
    with pytest.raises(
        ConfigError, match=r"min_similarity 0\.5: more than 1,224 pairs of 50 appearances reach it.*raise it"
    ):
        group(units, 0.5)


@pytest.mark.parametrize("value", [1.01, -1.01, np.nan])
def test_similarities_that_there_are_not(value: float) -> None:
    with pytest.raises(ConfigError, match="min_similarity must be from -1 to 1"):
        group(units_of(plane(0)), value)


@pytest.mark.parametrize("name", ["min_travel", "max_span"])
@pytest.mark.parametrize("value", [-1, np.nan, np.inf])
def test_gates_that_are_no_seconds(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be seconds"):
        group(units_of(plane(0)), 0.5, Gates(**{name: value}))


def test_columns_of_other_lengths_are_refused() -> None:
    units = units_of(plane(0, 1))
    for field in fields(units):
        if field.name != "embeddings":
            with pytest.raises(ValueError, match=f"{field.name} must be \\(2,\\)"):
                replace(units, **{field.name: np.zeros(3)})
    with pytest.raises(ValueError, match=r"embeddings must be \(N, D\)"):
        replace(units, embeddings=np.zeros(2))
