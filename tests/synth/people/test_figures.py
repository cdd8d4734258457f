"""Human shapes that are not people."""

import numpy as np

from personsearch.synth.people.figures import posed_figure
from personsearch.synth.world.types import Figure


def test_of_a_coat_on_a_hook_only_the_coat_is_there() -> None:
    for seed in range(6):
        figure = Figure(kind="coat", seed=seed, position=(2.0, 0.2, -3.0), heading=0.0, colour=(0, 0, 0))
        posed = posed_figure(figure)
        character = posed.character
        assert {part.material for part in character.slices} == {"cloth"}
        corners = character.triangles.ravel()
        used = np.unique(np.concatenate([corners[part.first : part.first + part.count] for part in character.slices]))
        shown = posed.positions[used]
        low, high = shown.min(0), shown.max(0)
        assert low[0] < 2.0 < high[0]
        assert low[2] < -3.0 < high[2] + 0.05
        assert 1.3 < high[1] < 2.1
        assert high[0] - low[0] > 1.2 * (high[2] - low[2]), "an empty coat is flat"


def test_a_turned_coat_is_the_same_coat() -> None:
    one, turned = (
        posed_figure(Figure(kind="coat", seed=4, position=(0, 0, 0), heading=heading, colour=(0, 0, 0)))
        for heading in (0.0, np.pi / 2)
    )
    x, y, z = one.positions.T
    np.testing.assert_allclose(turned.positions, np.column_stack([z, y, -x]), atol=1e-5)
