"""A place under construction knows what is free."""

import numpy as np

from personsearch.synth.world.site import Site


def test_free_spots_are_free() -> None:
    site = Site(np.random.default_rng(3))
    site.block(0, 0, 3, 1)
    site.block(4, 4, 5, 6, bottom=3)  # above everyone's head
    site.reserve((-10, 5, 10, 10))
    for _ in range(40):
        spot = site.spot((-10, -10, 10, 10), 1.0)
        assert spot is not None
        assert np.hypot(*spot) >= 4
        assert spot[1] <= 4
    assert site.is_free(4, 3.9, 0.0)
    assert site.spot((-1, -1, 1, 1), 0.5) is None
