"""``personsearch synth``: what it prints and how it exits. Making a set is tested in test_making.py."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest

from personsearch.cli.common import out
from personsearch.cli.synth import Layout
from personsearch.datasets import load_dataset
from personsearch.synth import making
from personsearch.synth.layouts import LAYOUTS
from personsearch.synth.recipe import Recipe, describe_recipes
from tests.support import Run
from tests.synth.pictures import open_and_die, open_blocks, small_plan


@pytest.fixture
def run(run: Run) -> Run:
    return partial(run, "synth")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """Let ``make`` draw the small plan without OpenGL; return a list of the recipes it is called with."""
    return without_graphics(monkeypatch, open_blocks)


def without_graphics(monkeypatch: pytest.MonkeyPatch, painter: Callable[..., Any]) -> list[Recipe]:
    recipes: list[Recipe] = []
    real = making.make

    def small(recipe: Recipe, folder: Path, **changes: Any) -> Path:
        recipes.append(recipe)
        return real(recipe, folder, _open_painter=painter, progress=False, **changes)

    monkeypatch.setattr(making, "make", small)
    monkeypatch.setattr(making, "plan", lambda recipe: small_plan())
    return recipes


def test_make(run: Run, made: list[Recipe], tmp_path: Path) -> None:
    done = run("make", tmp_path / "set", "--recipe", "street-small", "--workers", 2, "seed=5", "--masks")
    assert done.code == 0, done.err
    assert f"set in {tmp_path / 'set'}" in done.out
    assert [recipe.seed for recipe in made] == [5]
    assert len(load_dataset(tmp_path / "set").scenes) == 15
    assert len(list((tmp_path / "set" / "masks" / "test").glob("*.png"))) == 15


@pytest.mark.usefixtures("made")
def test_mistakes_end_with_a_message(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = run("make", tmp_path, "--recipe", "street-small")
    assert done.code == 2
    assert "holds other files (mine.txt" in done.err
    unknown = run("make", tmp_path / "set", "--recipe", "street-small", "sead=5")
    assert unknown.code == 2
    assert "did you mean 'seed'?" in unknown.err
    assert run("make", tmp_path / "set", "--recipe", "no-such").code == 2
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("make", "set", "--recipe", "tiny", "--layout", "voc"), "'coco', 'prw'"),
        (("make", "set", "--recipe", "tiny", "--workers", 0), "Invalid value for '--workers'"),
        (("fit", "figures", "--recipe", "tiny", "--split", "val"), "'train', 'test'"),
    ],
)
def test_wrong_values_of_options_are_refused_before_any_work(
    run: Run, made: list[Recipe], arguments: tuple[object, ...], message: str
) -> None:
    done = run(*arguments)
    assert (done.code, made) == (2, [])
    assert message in done.err


def test_the_layouts_on_offer_are_those_that_can_be_written() -> None:
    assert get_args(Layout) == LAYOUTS


@pytest.mark.usefixtures("made")
def test_long_names_are_printed_whole(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "_width", 80)
    folder = tmp_path / ("a-folder-with-a-long-name-" * 5)
    assert f"set in {folder}\n" in run("make", folder, "--recipe", "tiny", "--workers", 1).out


def test_killed_worker(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_graphics(monkeypatch, open_and_die)
    done = run("make", tmp_path / "set", "--recipe", "street-small")
    assert done.code == 2
    assert "killed by SIGKILL while drawing test-s2-s2c1" in done.err


def test_recipes(run: Run) -> None:
    done = run("recipes")
    assert done.code == 0
    descriptions = describe_recipes()
    assert "street-small" in descriptions
    beginnings = [line.split()[:3] for line in done.out.splitlines()]
    assert all([name, *text.split()[:2]] in beginnings for name, text in descriptions.items())


def test_identity(run: Run) -> None:
    first, again, other = (run("identity", seed) for seed in (7, 7, 8))
    assert json.loads(first.out)["seed"] == 7
    assert first.out == again.out != other.out
    assert run("identity", -1).code == 2
