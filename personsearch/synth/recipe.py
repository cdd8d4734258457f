"""Recipes: TOML files that describe synthetic data sets. The packaged ones are in ``recipes``."""

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
    """Fewest and most people planned for a frame, of whom some will be hidden; or, with more than two numbers, evenly
    spaced quantiles.
    """
    heights: tuple[float, ...] = ()
    """Heights of people's boxes as shares of the picture's height, as evenly spaced quantiles; empty = free."""
    labelled: tuple[int, ...] = ()
    """How many of a frame's people may have a label, given like ``per_frame``; empty = no separate limit."""
    unlabelled: float = Field(0.17, ge=0, le=0.9)
    """Share of a frame's people who have no label; each of them is seen in one passage only. Ignored where
    ``appearances`` are quantiles: people without a label then fill the room that the others leave.
    """
    appearances: tuple[int, ...] = (3, 130)
    """Boxes per identity: the fewest and the most of a log-normal long tail; or, with more than two numbers, evenly
    spaced quantiles, which are used as they are.
    """
    spread: float = Field(0.95, ge=0, le=2)
    """Of the log-normal long tail: standard deviation of the logarithm of the boxes per identity."""
    look_alikes: float = Field(0.25, ge=0, le=1)
    """Share of groups of four identities who wear the same outfit, or one outfit with one thing changed."""
    clothes_change: float = Field(0.0, ge=0, le=1)
    """Share of identities who wear other clothes in the second session."""
    things: float = Field(0.06, ge=0, le=1)
    """Share of passages with an umbrella, a pram, a bicycle or a trolley."""
    standing: float = Field(0.2, ge=0, le=1)
    """Share of passages of people who stand."""
    groups: float = Field(0.3, ge=0, le=1)
    """Share of passages that join somebody else."""
    passage: float = Field(2.0, ge=0)
    """Mean number of frames that a passage lasts beyond two; half of it for people without a label. With frames a
    fraction of a second apart, tens of them make footage in which people can be followed.
    """


class CamerasConfig(StrictModel):
    """The cameras of a scene."""

    per_scene: int = Field(4, ge=1, le=12)
    heights: tuple[float, float] = (2.0, 8.0)
    """Metres above the ground; the lower half of the range is twice as likely."""
    fields_of_view: tuple[float, float] = (30.0, 75.0)
    """Degrees, horizontal."""
    interval: float = Field(1.6, gt=0)
    """Seconds between frames."""
    hand_held: bool = False
    """Every frame is a photograph taken from its own place and counts as its own camera; ``per_scene`` must be 1."""


class SplitConfig(StrictModel):
    """One half of a set, which shares no identity, scene or camera with the other."""

    identities: int = Field(60, ge=1)
    scenes: int = Field(4, ge=1)
    frames: int = Field(20, ge=2)
    """Frames per camera: half of them in each of two sessions with different light."""
    random_backgrounds: float = Field(0.0, ge=0, le=1)
    """Share of frames in which everything but the people is random texture."""


class PlacesConfig(StrictModel):
    """Photographs of empty places that stand behind the people in a share of the frames."""

    photos: str | None = Field(None, min_length=1)
    """Folder of photographs and equirectangular panoramas without people, perhaps with a ``manifest.json``; None =
    every place is drawn.
    """
    share: float = Field(0.5, ge=0, le=1)
    """Share of the scenes that are photographed rather than drawn; 0 without ``photos``."""
    held_out: float = Field(0.2, ge=0, lt=1)
    """Share of the photographs that only the test split uses; 0 = both splits use all of them."""
    empty: float = Field(0.1, ge=0, le=1)
    """Share of the photographed frames that show nobody."""
    plain: float = Field(0.05, ge=0, le=1)
    """Share of the photographed frames whose place is a plain backdrop: black, grey, a gradient, noise."""
    per_frame: tuple[int, ...] = (1, 6)
    """People in a photographed frame, given like ``people.per_frame``."""
    heights: tuple[float, float] = (0.047, 1.2)
    """Least and greatest height of a person as a share of the picture's height; all octaves between are equally
    frequent as far as the place is deep enough.
    """
    occluders: float = Field(0.3, ge=0, le=1)
    """Share of the people in photographed frames in front of whom something stands."""
    things: float = Field(0.45, ge=0, le=1)
    """Share of the photographed frames with something else in them: a pillar, a coat on a hook, a poster, a statue."""
    least_window: float = Field(0.5, ge=0.1, le=1)
    """Least part of a flat photograph that a frame shows, along a side, relative to the largest part of the picture's
    shape; 1 = always the largest.
    """
    mirror: bool = True
    """Whether half of the photographs are mirrored; off for the pictures of one's own camera."""


class RandomiseConfig(StrictModel):
    """Randomisations, each of which can be switched off to measure its effect."""

    patterns: bool = True
    """Patterned cloth and prints."""
    bags: bool = True
    lighting: bool = True
    """Varied light; off = the same neutral daylight everywhere."""
    sensor: bool = True
    """Every camera has its own sensor; off = all cameras are perfect."""
    look_alikes: bool = True
    textures: str | None = Field(None, min_length=1)
    """Folder of photographed materials, which replace some of the procedural ones on floors, walls, facades and cloth
    of drawn worlds; None = all are procedural.
    """


class Recipe(StrictModel):
    """A data set. The same recipe gives the same labels and, on the same renderer, the same pixels."""

    seed: int = Field(1, ge=0)
    width: int = Field(960, ge=160, le=3840)
    height: int = Field(640, ge=160, le=2160)
    kinds: tuple[str, ...] = KINDS
    """Kinds of world, used in turn."""
    people: PeopleConfig = PeopleConfig()
    cameras: CamerasConfig = CamerasConfig()
    train: SplitConfig = SplitConfig(random_backgrounds=0.1)
    test: SplitConfig = SplitConfig(identities=30, scenes=2)
    randomise: RandomiseConfig = RandomiseConfig()
    places: PlacesConfig = PlacesConfig()

    @model_validator(mode="after")
    def _sensible(self) -> Recipe:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            problem = f"has unknown {', '.join(unknown)}" if unknown else "is empty"
            raise ValueError(f"kinds {problem}; choose from {', '.join(KINDS)}")
        for name, (low, high) in (
            ("cameras.heights", self.cameras.heights),
            ("cameras.fields_of_view", self.cameras.fields_of_view),
            ("places.heights", self.places.heights),
        ):
            if not 0 < low <= high:
                raise ValueError(f"{name} must be two numbers above 0, the smaller one first, not {low}, {high}")
        for name, quantiles, min_length in (
            ("people.per_frame", self.people.per_frame, 2),
            ("people.appearances", self.people.appearances, 2),
            ("people.heights", self.people.heights, 0),
            ("people.labelled", self.people.labelled, 0),
            ("places.per_frame", self.places.per_frame, 2),
        ):
            rising = all(a <= b for a, b in pairwise(quantiles))
            if (
                len(quantiles) < min_length
                or len(quantiles) == 1
                or not rising
                or any(value <= 0 for value in quantiles)
            ):
                raise ValueError(
                    f"{name} must be two or more numbers above 0 in ascending order, not {list(quantiles)}"
                )
        heights = self.people.heights
        if len(set(heights)) < len(heights) or any(height > 1 for height in heights):
            raise ValueError("people.heights are shares of the picture's height: each must exceed the last, up to 1")
        if self.cameras.hand_held and self.cameras.per_scene != 1:
            raise ValueError("cameras.per_scene must be 1 where cameras.hand_held is true: a frame is a camera")
        return self

    @property
    def photographed(self) -> float:
        """Share of photographed scenes; 0 without a folder of photographs."""
        return self.places.share if self.places.photos is not None else 0.0

    @property
    def look_alikes(self) -> float:
        """Share of look-alike groups; 0 where they are switched off."""
        return self.people.look_alikes if self.randomise.look_alikes else 0.0


def recipe_names() -> list[str]:
    """Return the names of the packaged recipes."""
    return sorted(path.stem for path in _RECIPES.glob("*.toml"))


def describe_recipes() -> dict[str, str]:
    """Return, by name, the first line of each packaged recipe's comment."""
    texts = {name: (_RECIPES / f"{name}.toml").read_text(encoding="utf-8") for name in recipe_names()}
    return {name: text.splitlines()[0].removeprefix("#").strip() for name, text in texts.items()}


def load_recipe(recipe: str | Path, overrides: list[str] | None = None) -> Recipe:
    """Read a recipe.

    Args:
        recipe: a TOML file, or the name of a packaged recipe.
        overrides: changes such as ``"train.identities=500"``.

    Raises:
        ConfigError: the file cannot be read, or a key or value is wrong; the message says which.
    """
    packaged = isinstance(recipe, str) and recipe in recipe_names()
    path = _RECIPES / f"{recipe}.toml" if packaged else Path(recipe)
    return parse(Recipe, apply_overrides(load_toml(path), overrides or []), str(recipe))
