"""Recipes: the packaged ones load, and errors say what is wrong."""

import pytest

from personsearch.errors import ConfigError
from personsearch.synth.recipe import describe_recipes, load_recipe, recipe_names


def test_packaged_recipes_load_and_have_a_description() -> None:
    assert (
        set(describe_recipes())
        == set(recipe_names())
        >= {
            "street-small",
            "mixed",
            "tiny",
            "prw-like",
            "cuhk-like",
            "footage",
        }
    )
    for name in recipe_names():
        assert load_recipe(name).width % 32 == 0
        assert len(describe_recipes()[name]) > 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("peple.spread=1", "people"),
        ('kinds=["beach"]', "has unknown beach; choose from street, plaza, park, hall"),
        ("people.per_frame=[9, 3]", r"people.per_frame must be two or more numbers above 0 in ascending order"),
        ("people.heights=[0.2, 0.2, 0.5]", r"people.heights are shares .* each must exceed the last"),
        ("people.heights=[0.2, 1.5]", r"people.heights are shares .* up to 1"),
        ("people.appearances=[5]", r"people.appearances must be two or more numbers"),
        ("people.passage=-1", "people.passage"),
        ("people.labelled=[0, 2]", r"people.labelled must be two or more numbers above 0"),
        ("cameras.hand_held=true", r"cameras.per_scene must be 1 where cameras.hand_held"),
        ("train.frames=1", "train.frames"),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe("tiny", [change])
