"""The renderer, where the machine has OpenGL through EGL."""

from collections.abc import Iterator

import pytest

from personsearch.errors import RenderError
from personsearch.synth.frame import Stage
from personsearch.synth.people.identity import sample_identity
from tests.synth.worlds import HEIGHT, WIDTH, bare_world


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    try:
        stage = Stage(bare_world(), WIDTH, HEIGHT, sample_identity)
    except RenderError as error:
        pytest.skip(f"needs OpenGL through EGL: {error}")
    yield stage
    stage.close()
