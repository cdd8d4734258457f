"""The benchmark of grouping counts pairs as one would by hand, and makes appearances of what is annotated."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.people import agreement, counted, crowd_table, detections_of, ideal_tracks, line, merged, tracks_of
from personsearch.evaluation.fit_calibration import fit_calibration
from personsearch.gallery.people.grouping import group
from tests.evaluation.sphere import people_on_a_sphere


def test_agreement_by_hand() -> None:
    """Two people, thrice and twice; three groups.

    In one group: 3 + 1 pairs, of which 1 + 0 are of one person. Of one person: 3 + 1 pairs. B-cubed: the two of A with
    one of B are pure by 2/3, 2/3 and 1/3, the others wholly or by halves: 1/2, 1/2.
    """
    one = agreement(np.array([0, 0, 1, 0, 1, 2]), np.array([5, 5, 5, 9, 9, -1]))
    assert one.precision == 1 / 4
    assert one.recall == 1 / 4
    assert one.f1 == 1 / 4
    pure = (2 / 3 + 2 / 3 + 1 / 3 + 1 / 2 + 1 / 2) / 5
    whole = (2 / 3 + 2 / 3 + 1 / 3 + 1 / 2 + 1 / 2) / 5
    assert one.b_cubed == pytest.approx(2 * pure * whole / (pure + whole))
    assert (one.people, one.found, one.again, one.count_error) == (2, 2, 2, 0)


def test_agreement_at_its_ends() -> None:
    who = np.array([1, 1, 2, 2])
    right, alone, heap = (agreement(np.array(labels), who) for labels in ([7, 7, 3, 3], [0, 1, 2, 3], [0, 0, 0, 0]))
    assert (right.f1, right.b_cubed, right.count_error) == (1, 1, 0)
    assert (alone.precision, alone.recall, alone.f1, alone.found, alone.again) == (1, 0, 0, 4, 0)
    assert (heap.precision, heap.recall, heap.count_error) == (2 / 6, 1, -0.5)


def test_appearances_of_a_set() -> None:
    data, observed = people_on_a_sphere(0, identities=3, scenes_each=4)
    scenes = [
        replace(scene, camera="door", time=float(10 * (number // 4) + number % 4 * (3 if number < 4 else 1)))
        for number, scene in enumerate(data.scenes)
    ]
    scenes[11] = replace(scenes[11], identities=np.array([-1]))  # the last of person 2 has no label
    data = replace(data, scenes=tuple(scenes))
    detections = detections_of(observed, data, 0.5)
    assert detections.identities.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, -1]
    assert len(np.unique(detections.units.scenes)) == 12
    assert len(detections_of(observed, data, 0.95).units) == 0  # their score is 0.9

    tracks = ideal_tracks(detections, gap=1)  # person 0 is seen every three seconds
    assert tracks.identities.tolist() == [0, 0, 0, 0, 1, 2]
    assert tracks.frames.tolist() == [1, 1, 1, 1, 4, 3]
    assert tracks.units.first[4:].tolist() == [10, 20]
    assert tracks.units.last[4:].tolist() == [13, 22]
    assert (tracks.units.scenes == -1).all()
    mean = detections.units.embeddings[4:8].mean(axis=0)
    assert tracks.units.embeddings[4] == pytest.approx(mean / np.linalg.norm(mean))
    assert ideal_tracks(detections, gap=3).frames.tolist() == [4, 4, 3]

    both = merged([detections, tracks])
    assert both.people == 6
    assert (both.identities == -1).sum() == 1
    assert set(both.units.scenes[:12]) == set(range(12))
    assert (both.units.scenes[12:] == -1).all()
    assert set(both.units.views) == {0, 1}


def test_people_are_followed() -> None:
    """Two people stand still before one camera, one frame a second; the second has no label in half of the frames."""
    data, observed = people_on_a_sphere(0, identities=2, scenes_each=8)
    scenes = [
        replace(scene, camera=f"door {number // 8}", time=float(number), identities=np.array([number // 8]))
        for number, scene in enumerate(data.scenes)
    ]
    scenes[8:11] = [replace(scene, identities=np.array([-1])) for scene in scenes[8:11]]
    data = replace(data, scenes=tuple(scenes))
    detections = detections_of(observed, data, 0.5)
    tracks = tracks_of(observed, data, detections, 0.5)
    assert tracks.identities.tolist() == [0, 1]
    assert tracks.frames.tolist() == [8, 8]
    assert tracks.units.views.tolist() == [0, 1]
    assert (tracks.units.first.tolist(), tracks.units.last.tolist()) == ([0, 8], [7, 15])
    assert tracks.units.embeddings[0] @ detections.units.embeddings[:8].mean(axis=0) > 0.9
    assert counted("two", tracks, 0.9).startswith("| two | 2 / 2 | 2 / 2 | 2 / 2 | 2 / 2 | 0 / 0 |")
    assert counted("two", detections, 1.0).startswith("| two | 13 / 2 | 0 / 2 |")  # three have no label


def test_tables_hold_what_was_measured() -> None:
    data, observed = people_on_a_sphere(0, identities=30, scenes_each=4)
    calibration = fit_calibration(observed, data)
    detections = detections_of(observed, data, 0.5)
    row = line("toys", detections, 0.5)
    assert row.startswith("| toys | 120 | 0.50 | ")
    precision = 100 * agreement(group(detections.units, 0.5), detections.identities).precision
    assert f"| {precision:.1f} |" in row
    rows = list(crowd_table(detections, calibration, [5, 50], draws=2))
    assert [one.split(" | ")[0] for one in rows[2:]] == ["| 5", "| 30"]
    assert rows[2].count(" ± ") == 5
    assert rows[3].count(" ± ") == 0  # there is one way to draw everybody
