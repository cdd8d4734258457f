import numpy as np

from personsearch.train.clutter import add_clutter, empty_place, texture


def test_no_patch_touches_a_person() -> None:
    image = np.full((96, 160, 3), 77, np.uint8)
    boxes = np.array([[20, 10, 50, 90], [100, 30, 120, 80]], np.float32)
    changed = 0
    for seed in range(30):
        got = add_clutter(image, boxes, np.random.default_rng(seed))
        for x1, y1, x2, y2 in boxes.astype(int):
            assert (got[y1:y2, x1:x2] == 77).all()
        changed += bool((got != 77).any())
    assert changed > 20
    assert (image == 77).all()


def test_crowded_scenes_stay_as_they_are() -> None:
    image = np.full((96, 160, 3), 77, np.uint8)
    everywhere = np.array([[0, 0, 160, 96]], np.float32)
    assert (add_clutter(image, everywhere, np.random.default_rng(0)) == 77).all()


def test_textures_and_places_follow_from_the_generator() -> None:
    for seed in range(12):
        one = texture(9, 31, np.random.default_rng(seed))
        assert one.shape == (9, 31, 3)
        assert one.dtype == np.uint8
        assert np.array_equal(one, texture(9, 31, np.random.default_rng(seed)))
    place = empty_place(96, 160, np.random.default_rng(0))
    assert place.shape == (96, 160, 3)
    assert place.std() > 1
