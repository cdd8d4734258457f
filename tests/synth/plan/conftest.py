"""A plan that is small enough for tests."""

import pytest

from personsearch.synth.plan import Job, plan
from personsearch.synth.recipe import Recipe, load_recipe

SMALL = [
    "train.identities=24",
    "train.scenes=2",
    "train.frames=8",
    "test.identities=12",
    "test.scenes=2",
    "test.frames=8",
]


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return load_recipe("street-small", SMALL)


@pytest.fixture(scope="session")
def jobs(recipe: Recipe) -> tuple[Job, ...]:
    return plan(recipe)
