"""Which few views are kept of a track, and what they stand for."""

import numpy as np

from personsearch.results import Detections
from personsearch.tracking.views import Group, View, merged, qualities, views_of


def view(name: str, embedding: list[float], quality: float = 1.0, frames: int = 1) -> View:
    row = np.array(embedding, np.float32)
    row /= np.linalg.norm(row)
    return View(
        image_id=name,
        row=0,
        seconds=0.0,
        box=np.zeros(4, np.float32),
        score=0.9,
        image_size=(100, 100),
        embedding=row,
        own_embedding=row,
        frames=frames,
        quality=quality,
    )


def test_alike_frames_form_a_group_whose_best_picture_stands_for_it() -> None:
    front = [view("a", [1, 0.1, 0], 1.0), view("b", [1, 0, 0], 3.0), view("c", [1, 0.2, 0], 2.0)]
    back = [view("d", [0, 0, 1], 5.0), view("e", [0, 0.1, 1], 4.0)]
    first, second = views_of([Group.of(one) for one in front + back], 2)
    assert (first.image_id, first.frames) == ("d", 2)
    assert (second.image_id, second.frames) == ("b", 3)
    mean = sum(one.own_embedding for one in front)
    assert np.allclose(second.embedding, mean / np.linalg.norm(mean), atol=1e-6)
    assert np.allclose(second.own_embedding, [1, 0, 0])


def test_one_odd_frame_takes_no_view_from_groups_of_many() -> None:
    many = [view(f"l{n}", [1, 0.02 * n, 0]) for n in range(20)] + [view(f"r{n}", [0.5, 1, 0.02 * n]) for n in range(20)]
    kept = views_of([Group.of(one) for one in [*many, view("odd", [0.7, 0.5, 0.8], 0.1)]], 2)
    assert sorted(one.frames for one in kept) in ([20, 21], [20, 21])
    assert "odd" not in {one.image_id for one in kept}


def test_of_equally_good_pictures_the_earlier_one_stands() -> None:
    [kept] = views_of([Group.of(view("a", [1, 0], 2.0)), Group.of(view("b", [1, 0], 2.0))], 1)
    assert (kept.image_id, kept.frames) == ("a", 2)
    assert len(merged([Group.of(view("a", [1, 0]))], 3)) == 1


def test_whole_open_large_and_sharp_pictures_are_worth_more() -> None:
    boxes = np.array(
        [
            [100, 50, 140, 150],  # whole and open
            [0, 50, 40, 150],  # cut off by the edge
            [200, 50, 240, 150],  # half covered by the next, who stands nearer
            [220, 60, 260, 160],
            [300, 50, 320, 100],  # half as tall
        ],
        np.float32,
    )
    people = Detections(
        boxes=boxes,
        scores=np.full(5, 0.9, np.float32),
        embeddings=np.eye(5, dtype=np.float32),
        image_size=(480, 640),
    )
    worth = qualities(people, np.zeros(5, np.float32))
    assert np.isclose(worth[0], 0.9 * np.sqrt(100))
    assert np.isclose(worth[1], 0.3 * worth[0])
    covered = (20 * 90) / (40 * 100)
    assert np.isclose(worth[2], worth[0] * (1 - 0.9 * covered))
    assert np.isclose(worth[3], worth[0] * (1 - 0.9 * 0.5 * covered))
    assert np.isclose(worth[4], 0.9 * np.sqrt(50))
    assert (qualities(people, np.full(5, 8, np.float32)) > worth).all()
    assert qualities(people[np.zeros(5, bool)], np.zeros(0, np.float32)).shape == (0,)
