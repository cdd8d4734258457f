"""Fitted plans meet their targets; sets are measured."""

import json
from pathlib import Path

import numpy as np
import pytest

from personsearch.errors import DatasetError
from personsearch.synth.plan import Job, plan
from personsearch.synth.plan.targets import at
from personsearch.synth.plan.walks import hides
from personsearch.synth.recipe import Recipe, load_recipe
from personsearch.synth.statistics import (
    NUM_QUANTILES,
    Statistics,
    comparison,
    people_lines,
    statistics_of_plan,
    statistics_of_set,
)
from tests.support import SHARED, Run

PRW = ["train.identities=24", "train.frames=48", "test.identities=2", "test.frames=2"]
CUHK = ["train.identities=77", "train.scenes=6", "test.identities=2", "test.scenes=1"]


@pytest.fixture(scope="module")
def prw() -> tuple[Recipe, tuple[Job, ...], Statistics]:
    recipe = load_recipe("prw-like", PRW)
    jobs = plan(recipe)
    return recipe, jobs, statistics_of_plan(recipe, jobs)


@pytest.fixture(scope="module")
def cuhk() -> tuple[Recipe, tuple[Job, ...], Statistics]:
    recipe = load_recipe("cuhk-like", CUHK)
    jobs = plan(recipe)
    return recipe, jobs, statistics_of_plan(recipe, jobs)


def relative(values: np.ndarray, quantiles: tuple, levels: tuple[float, ...] = (0.25, 0.5, 0.75)) -> np.ndarray:
    """Return the quartiles of values relative to those of a target; 1 = met."""
    return np.quantile(values, levels) / at(quantiles, np.array(levels))


def test_a_plan_like_prw_meets_its_targets(prw: tuple[Recipe, tuple[Job, ...], Statistics]) -> None:
    recipe, jobs, statistics = prw
    assert np.median(statistics.heights) * recipe.height == pytest.approx(101, abs=6)
    assert relative(statistics.heights, recipe.people.heights) == pytest.approx(1, abs=0.08)
    # The tallest twentieth: in a set this small they fall short of the target, by 0.01 to 0.11 for seeds 4 to 7.
    assert np.quantile(statistics.heights, 0.95) == pytest.approx(0.529, abs=0.11)
    # Whole numbers: quartiles 2, 3 and 4 of a target are 2, 3 and 4.
    assert np.quantile(statistics.per_frame, (0.25, 0.5, 0.75)) == pytest.approx([2, 3, 4], abs=0.5)
    assert relative(statistics.per_identity, recipe.people.appearances) == pytest.approx(1, abs=0.12)
    assert statistics.per_identity.max() > 4 * np.median(statistics.per_identity)
    assert len(statistics.per_identity) == recipe.train.identities
    assert len({job.camera for job in jobs if job.split == "train"}) == 6


def test_a_plan_like_cuhk_meets_its_targets(cuhk: tuple[Recipe, tuple[Job, ...], Statistics]) -> None:
    recipe, jobs, statistics = cuhk
    assert relative(statistics.heights, recipe.people.heights) == pytest.approx(1, abs=0.06)
    assert np.mean(statistics.per_frame) == pytest.approx(55_272 / 11_206, abs=0.4)
    assert set(statistics.per_identity.tolist()) == {2, 3, 4}
    assert np.mean(statistics.per_identity) == pytest.approx(15_080 / 5_532, abs=0.1)
    assert len(statistics.per_identity) == recipe.train.identities
    frames = [frame for job in jobs for frame in job.frames if job.split == "train"]
    labelled = [sum(one.label >= 0 for one in frame.appearances) for frame in frames]
    assert np.mean([number in (1, 2) for number in labelled]) > 0.9


def test_every_photograph_has_its_own_place_camera_and_seed(cuhk: tuple) -> None:
    recipe, jobs, _ = cuhk
    frames = [frame for job in jobs for frame in job.frames]
    for what in ("name", "seed"):
        assert len({getattr(frame, what) for frame in frames}) == len(frames)
    assert len({frame.camera.name for frame in frames}) == len({frame.camera.eye for frame in frames}) == len(frames)
    low, high = recipe.cameras.heights
    assert all(low <= frame.camera.eye[1] <= high for frame in frames)
    for job in jobs:
        assert len(job.frames) == recipe.train.frames
        assert job.camera not in {frame.camera.name for frame in job.frames}


def test_hardly_anybody_is_planned_to_hide_somebody_else(cuhk: tuple) -> None:
    _, jobs, _ = cuhk
    hidden = total = 0
    for job in jobs:
        for frame in job.frames:
            places = np.array([one.position for one in frame.appearances]).reshape(-1, 2)
            order = [np.roll(places, -k, axis=0) for k in range(len(places))]
            hidden += sum(hides(frame.camera, turned) for turned in order)
            total += len(places)
    # The planner does not check people at the edge of the picture, who have no box.
    assert hidden < 0.05 * total


def test_the_full_recipes_have_the_published_sizes() -> None:
    prw, cuhk = load_recipe("prw-like"), load_recipe("cuhk-like")
    assert (prw.train.identities, prw.train.scenes * prw.cameras.per_scene) == (483, 6)
    assert prw.train.scenes * prw.cameras.per_scene * prw.train.frames == pytest.approx(5704, abs=3)
    assert (cuhk.train.identities, cuhk.train.scenes * cuhk.train.frames) == (5532, 11_206)
    assert at(cuhk.people.appearances, np.linspace(0, 1, 2001)).round().mean() == pytest.approx(2.73, abs=0.05)


def test_the_recipe_has_the_quantiles_of_prw() -> None:
    path = SHARED / "prw-annotations" / "train_pid.json"
    if not path.exists():
        pytest.skip("needs PRW's annotations")
    statistics = statistics_of_set(path, 960, 540)
    people = load_recipe("prw-like").people
    levels = np.linspace(0, 1, NUM_QUANTILES)
    assert np.quantile(statistics.heights.clip(0.07, 1), levels) == pytest.approx(people.heights, abs=1e-3)
    assert np.quantile(statistics.per_frame, levels) == pytest.approx(people.per_frame)
    assert np.quantile(statistics.per_identity, levels) == pytest.approx(people.appearances, abs=1)


def small_set(folder: Path) -> Path:
    """Describe pictures of 200x100: identity 5, 20 and 40 px high; 30 px without a label; one ignored box."""
    rows = [(1, 5, 20, False), (2, 5, 40, False), (2, -1, 30, False), (2, 7, 90, True)]
    table = {
        "images": [{"id": k, "file_name": f"{k}.jpg", "width": 200, "height": 100} for k in (1, 2, 3)],
        "annotations": [
            {"id": k, "image_id": image, "person_id": who, "bbox": [10 * k, 0, 8, tall], "ignore": ignore}
            for k, (image, who, tall, ignore) in enumerate(rows)
        ],
    }
    (folder / "train.json").write_text(json.dumps(table))
    return folder / "train.json"


def test_a_set_is_measured_at_the_size_of_the_recipe(tmp_path: Path) -> None:
    statistics = statistics_of_set(small_set(tmp_path), width=400, height=160)
    assert sorted(statistics.heights.tolist()) == pytest.approx([40 / 160, 60 / 160, 80 / 160])
    assert statistics.per_frame.tolist() == [1, 2, 0]
    assert statistics.per_identity.tolist() == [2]


def test_a_set_without_identities_is_refused(tmp_path: Path) -> None:
    path = small_set(tmp_path)
    path.write_text(path.read_text().replace('"person_id": 5', '"person_id": -1'))
    with pytest.raises(DatasetError, match=r"train.json: has no box with a person_id"):
        statistics_of_set(path, 400, 160)


def test_a_comparison_has_a_row_for_each_level(prw: tuple) -> None:
    recipe, _, statistics = prw
    rows = comparison(recipe, statistics)["boxes per identity"]
    assert [level for level, _, _ in rows] == ["5 %", "25 %", "50 %", "75 %", "95 %"]
    assert rows[2][2] == 23
    open_ended = comparison(load_recipe("street-small"), statistics)
    assert {target for rows in open_ended.values() for _, _, target in rows} == {None}


def test_commands(run: Run, tmp_path: Path) -> None:
    small_set(tmp_path)
    done = run("synth", "target", tmp_path / "train.json", "--width", 400, "--height", 160)
    assert done.code == 0, done.err
    assert done.out.splitlines() == people_lines(statistics_of_set(tmp_path / "train.json", 400, 160))
    assert done.out.splitlines()[3] == f"appearances = {[2] * NUM_QUANTILES}"
    made = run("synth", "fit", tmp_path / "fit", "--recipe", "prw-like", "--set", tmp_path)
    assert made.code == 0, made.err
    assert "boxes per identity" in made.out
    assert (tmp_path / "fit" / "long-tail.png").exists()
    missing = run("synth", "fit", tmp_path / "fit", "--recipe", "prw-like", "--set", tmp_path / "none")
    assert missing.code == 2
    assert "no such file or folder" in missing.err


def test_the_printed_lines_are_a_valid_recipe(tmp_path: Path) -> None:
    lines = people_lines(statistics_of_set(small_set(tmp_path), 400, 160))
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(lines))
    people = load_recipe(path).people
    assert people.heights[0] == pytest.approx(0.25)
    assert people.appearances == (2,) * NUM_QUANTILES
