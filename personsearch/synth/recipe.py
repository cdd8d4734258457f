"""What a synthetic data set is made of. Recipes are TOML files; those of the package are in ``recipes``."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from pydantic import Field, model_validator

from personsearch.config import StrictModel, apply_overrides, load_toml, parse
from personsearch.synth.world.types import KINDS

_RECIPES = Path(__file__).parent / "recipes"


class PeopleConfig(StrictModel):
    """Who walks through the scenes."""

    per_frame: tuple[int, ...] = (6, 13)
    """Fewest and most people that are planned for a frame; some will be hidden. More numbers are evenly spaced
    quantiles.
    """
    heights: tuple[float, ...] = ()
    """Heights of people's boxes as shares of the picture's height, as evenly spaced quantiles; empty = as it comes."""
    labelled: tuple[int, ...] = ()
    """Like ``per_frame``, how many of a frame's people may have a label; empty = no limit of its own."""
    unlabelled: float = Field(0.17, ge=0, le=0.9)
    """Share of people without a label; each is seen in one passage only. Where appearances are given as quantiles it
    follows from them: people without a label take the room that the others leave.
    """
    appearances: tuple[int, ...] = (3, 130)
    """Boxes of an identity: the fewest and the most of a log-normal long tail; more numbers are evenly spaced quantiles
    that are kept as they are.
    """
    spread: float = Field(0.95, ge=0, le=2)
    """Log-normal long tail: standard deviation of the logarithm of the number of boxes per identity."""
    look_alikes: float = Field(0.25, ge=0, le=1)
    """Share of the groups of four identities that wear the same outfit, or one with one thing changed."""
    clothes_change: float = Field(0.0, ge=0, le=1)
    """Share of identities in other clothes in the second session."""
    things: float = Field(0.06, ge=0, le=1)
    """Share of passages with an umbrella, a pram, a bicycle or a trolley."""
    standing: float = Field(0.2, ge=0, le=1)
    """Share of passages of people who stand."""
    groups: float = Field(0.3, ge=0, le=1)
    """Share of passages that join somebody else's."""


class CamerasConfig(StrictModel):
    """The cameras of a scene."""

    per_scene: int = Field(4, ge=1, le=12)
    heights: tuple[float, float] = (2.0, 8.0)
    """Metres above the ground; the lower half is drawn twice as often."""
    fields_of_view: tuple[float, float] = (30.0, 75.0)
    """Degrees, horizontal."""
    interval: float = Field(1.6, gt=0)
    """Seconds between frames."""
    hand_held: bool = False
    """Every frame is a photograph from a place of its own, and counts as a camera of its own; ``per_scene`` is 1."""


class SplitConfig(StrictModel):
    """One half of a set; identities, scenes and cameras are its own."""

    identities: int = Field(60, ge=1)
    scenes: int = Field(4, ge=1)
    frames: int = Field(20, ge=2)
    """Frames of each camera, half of them in each of two sessions with another light."""
    random_backgrounds: float = Field(0.0, ge=0, le=1)
    """Share of frames in which everything but the people is random texture."""


class RandomiseConfig(StrictModel):
    """Each randomisation can be switched off, to measure what it is worth."""

    patterns: bool = True
    """Patterned cloth and prints."""
    bags: bool = True
    lighting: bool = True
    """Many lights; off = the same neutral daylight everywhere."""
    sensor: bool = True
    """Every camera has its own sensor; off = perfect cameras."""
    look_alikes: bool = True


class Recipe(StrictModel):
    """A data set. The same recipe gives the same labels, and on one renderer the same pixels."""

    seed: int = Field(1, ge=0)
    width: int = Field(960, ge=160, le=3840)
    height: int = Field(640, ge=160, le=2160)
    kinds: tuple[str, ...] = KINDS
    """Kinds of world, in turn."""
    people: PeopleConfig = PeopleConfig()
    cameras: CamerasConfig = CamerasConfig()
    train: SplitConfig = SplitConfig(random_backgrounds=0.1)
    test: SplitConfig = SplitConfig(identities=30, scenes=2)
    randomise: RandomiseConfig = RandomiseConfig()

    @model_validator(mode="after")
    def _sensible(self) -> Recipe:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            raise ValueError(f"kinds has {unknown or 'nothing'}; there are {', '.join(KINDS)}")
        for name, (low, high) in (
            ("cameras.heights", self.cameras.heights),
            ("cameras.fields_of_view", self.cameras.fields_of_view),
        ):
            if not 0 < low <= high:
                raise ValueError(f"{name} must be two numbers above 0, the lower one first, not {low}, {high}")
        for name, quantiles, least in (
            ("people.per_frame", self.people.per_frame, 2),
            ("people.appearances", self.people.appearances, 2),
            ("people.heights", self.people.heights, 0),
            ("people.labelled", self.people.labelled, 0),
        ):
            rising = all(a <= b for a, b in pairwise(quantiles))
            if len(quantiles) < least or len(quantiles) == 1 or not rising or any(value <= 0 for value in quantiles):
                raise ValueError(f"{name} must be two or more numbers above 0 that never fall, not {list(quantiles)}")
        heights = self.people.heights
        if len(set(heights)) < len(heights) or any(height > 1 for height in heights):
            raise ValueError("people.heights are shares of the picture's height: they must rise, and none is above 1")
        if self.cameras.hand_held and self.cameras.per_scene != 1:
            raise ValueError("cameras.per_scene must be 1 where cameras.hand_held is true: each frame has its own")
        return self

    @property
    def look_alikes(self) -> float:
        """Share of look-alike groups, 0 where they are switched off."""
        return self.people.look_alikes if self.randomise.look_alikes else 0.0


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in _RECIPES.glob("*.toml"))


def describe_recipes() -> dict[str, str]:
    """Return, by name, the first line of the comment of each recipe of the package."""
    texts = {name: (_RECIPES / f"{name}.toml").read_text(encoding="utf-8") for name in recipe_names()}
    return {name: text.splitlines()[0].removeprefix("#").strip() for name, text in texts.items()}


def load_recipe(recipe: str | Path, overrides: list[str] | None = None) -> Recipe:
    """Read a recipe.

    Args:
        recipe: a TOML file, or the name of a recipe of the package.
        overrides: ``"train.identities=500"`` and the like.

    Raises:
        ConfigError: names the file, the key and what is wrong.
    """
    packaged = isinstance(recipe, str) and recipe in recipe_names()
    path = _RECIPES / f"{recipe}.toml" if packaged else Path(recipe)
    return parse(Recipe, apply_overrides(load_toml(path), overrides or []), str(recipe))
