"""Passages through a scene, and who hides whom."""

from collections import defaultdict

import numpy as np
import pytest

from personsearch.synth.cameras import Camera
from personsearch.synth.plan import plan
from personsearch.synth.plan.walks import Passage, hides
from personsearch.synth.recipe import load_recipe


def test_a_walk_by_hand() -> None:
    walk = Passage(
        seed=1, label=1, outfit=0, start=(1.0, 2.0), velocity=(0.0, 1.45), heading=0.0, since=10.0, act=0, thing=""
    )
    assert walk.at(np.array([10.0, 12.0])) == pytest.approx(np.array([[1, 2], [1, 4.9]]))
    # 1.45 metres per second is one cycle of two steps per second.
    assert walk.appearance(10.25).phase == pytest.approx(0.25)
    assert walk.appearance(12.0).phase == pytest.approx(0.0, abs=1e-9)


def test_nobody_opens_an_umbrella_indoors() -> None:
    carried = defaultdict(set)
    for job in plan(load_recipe("tiny", ["people.things=1.0"])):
        carried[job.kind] |= {one.companion_thing for frame in job.frames for one in frame.appearances}
    assert "umbrella" in carried["plaza"]
    assert "umbrella" not in carried["hall"]


def test_who_hides_whom_by_hand() -> None:
    view = Camera(name="c", eye=(0, 1.6, 0), target=(0, 1.6, 9), field_of_view=60, width=900, height=600, aspect=1.5)
    far, near, aside, behind_camera = (0.0, 8.0), (0.1, 4.0), (1.5, 4.0), (0.0, -4.0)
    assert hides(view, np.array([far, near]))
    assert hides(view, np.array([near, far]))
    assert not hides(view, np.array([far, aside]))
    assert not hides(view, np.array([far, behind_camera]))
    assert not hides(view, np.array([far]))
