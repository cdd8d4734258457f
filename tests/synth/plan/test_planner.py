"""The plan of a set: who is where, in how many boxes, and what the splits share."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from personsearch.synth.people.identity import GROUP
from personsearch.synth.plan import Job, plan
from personsearch.synth.plan.planner import _long_tail
from personsearch.synth.plan.viewpoints import in_obstacle
from personsearch.synth.plan.walks import seen
from personsearch.synth.recipe import Recipe, load_recipe
from personsearch.synth.world import build_world


def test_the_same_recipe_gives_the_same_plan(recipe: Recipe, jobs: tuple[Job, ...]) -> None:
    assert plan(recipe) == jobs
    assert plan(recipe.model_copy(update={"seed": 9})) != jobs


def test_splits_share_no_people_places_or_cameras(jobs: tuple[Job, ...]) -> None:
    for what in ("scene", "camera", "world_seed", "sensor_seed"):
        train, test = ({getattr(job, what) for job in jobs if job.split == split} for split in ("train", "test"))
        assert train.isdisjoint(test)
    groups = defaultdict(set)
    for job in jobs:
        for frame in job.frames:
            groups[job.split] |= {one.seed // GROUP for one in frame.appearances}
    assert groups["train"].isdisjoint(groups["test"])


def test_names_are_unique_and_times_rise(jobs: tuple[Job, ...]) -> None:
    names = Counter(frame.name for job in jobs for frame in job.frames)
    assert max(names.values()) == 1
    for job in jobs:
        assert (np.diff([frame.time for frame in job.frames]) > 0).all()
        assert [frame.light for frame in job.frames] == [0] * 4 + [1] * 4
        assert job.frames[4].time - job.frames[3].time > 3600


def test_all_cameras_of_a_scene_see_the_same_person_at_the_same_place(jobs: tuple[Job, ...]) -> None:
    places: dict[tuple, set] = defaultdict(set)
    for job in jobs:
        for frame in job.frames:
            for one in frame.appearances:
                places[job.scene, frame.time, one.seed].add((one.position, one.heading, one.phase, one.outfit))
    assert all(len(place) == 1 for place in places.values())
    seen_by_several = Counter(
        (job.scene, frame.time, one.seed) for job in jobs for frame in job.frames for one in frame.appearances
    )
    assert max(seen_by_several.values()) > 1


def test_nobody_stands_inside_an_obstacle_or_another_person(jobs: tuple[Job, ...]) -> None:
    for job in jobs:
        world = build_world(job.kind, job.world_seed)
        for frame in job.frames:
            places = np.array([one.position for one in frame.appearances]).reshape(-1, 2)
            assert not in_obstacle(world, places, 0.24).any()
            apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1)) + 9 * np.eye(len(places))
            assert apart.min(initial=9) > 0.5
            assert len({one.seed for one in frame.appearances}) == len(places)


def test_frames_are_as_full_as_the_recipe_says(recipe: Recipe, jobs: tuple[Job, ...]) -> None:
    counts = []
    for job in jobs:
        for frame in job.frames:
            places = np.array([one.position for one in frame.appearances]).reshape(-1, 2)
            counts.append(int(seen(frame.camera, places).sum()) if len(places) else 0)
    low, high = recipe.people.per_frame
    assert low <= np.median(counts) <= high
    assert np.mean(np.array(counts) <= high + 3) > 0.9


def test_most_identities_are_seen_by_several_cameras(recipe: Recipe, jobs: tuple[Job, ...]) -> None:
    for split, wanted in (("train", recipe.train.identities), ("test", recipe.test.identities)):
        cameras: dict[int, set] = defaultdict(set)
        unlabelled: Counter = Counter()
        for job in jobs:
            for frame in job.frames if job.split == split else ():
                for one in frame.appearances:
                    if one.label >= 0:
                        cameras[one.label].add(job.camera)
                    else:
                        unlabelled[one.seed] += 1
        assert len(cameras) >= 0.9 * wanted
        assert np.mean([len(several) > 1 for several in cameras.values()]) > 0.8
        assert unlabelled


def test_the_long_tail_has_its_total_and_stays_within_bounds() -> None:
    recipe = load_recipe("mixed")
    counts = _long_tail(recipe, recipe.train, 600 * 30, np.random.default_rng(0))
    assert counts.sum() == pytest.approx(600 * 30, rel=0.03)
    low, high = recipe.people.appearances
    assert low <= counts.min()
    assert counts.max() <= high
    assert np.percentile(counts, 95) > 4 * np.median(counts) / 2  # a tail, not a bell


def test_people_change_clothes_between_the_sessions_if_the_recipe_says_so() -> None:
    jobs = plan(load_recipe("tiny", ["people.clothes_change=1.0"]))
    outfits = defaultdict(set)
    for job in jobs:
        for frame in job.frames:
            for one in frame.appearances:
                if one.label >= 0:
                    outfits[frame.light].add(one.outfit)
    assert outfits == {0: {0}, 1: {1}}


#: The packaged footage in small.
FOOTAGE = [
    "train.identities=5",
    "train.scenes=1",
    "train.frames=60",
    "test.identities=5",
    "test.scenes=1",
    "test.frames=60",
    "people.appearances=[40, 60]",
]


def mean_passage(changes: list[str]) -> float:
    """Return through how many frames in a row a camera sees a person of footage, in the mean."""
    frames = begun = 0
    for job in plan(load_recipe("footage", [*FOOTAGE, *changes])):
        before: set[int] = set()
        for frame in job.frames:
            now = {one.label for one in frame.appearances}
            frames, begun = frames + len(now), begun + len(now - before)
            before = now
    return frames / begun


def test_in_footage_nobody_is_without_a_label_and_frames_are_a_quarter_of_a_second_apart() -> None:
    jobs = plan(load_recipe("footage", FOOTAGE))
    assert {one.label >= 0 for job in jobs for frame in job.frames for one in frame.appearances} == {True}
    times = sorted({frame.time for job in jobs for frame in job.frames})
    assert min(np.diff(times)) == pytest.approx(0.25)


def test_longer_passages_show_a_person_in_more_frames_of_one_camera() -> None:
    assert mean_passage([]) > 2 * mean_passage(["people.passage=2"])
