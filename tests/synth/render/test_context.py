"""Textures of the renderer."""

import numpy as np
import pytest

from personsearch.synth.render.context import noise_pixels


def test_noise_is_tileable_and_its_mean_is_one_half() -> None:
    noise = noise_pixels().astype(float) / 255
    assert noise.mean((0, 1)) == pytest.approx([0.5] * 4, abs=0.02)
    step = np.abs(np.diff(noise[..., 0], axis=1)).mean()
    assert np.abs(noise[:, 0, 0] - noise[:, -1, 0]).mean() < 2 * step
