"""Cameras stand where their view is free."""

from dataclasses import replace

import numpy as np

from personsearch.synth.cameras import Camera
from personsearch.synth.plan import Job
from personsearch.synth.plan.viewpoints import FREE, blocked, free_share
from personsearch.synth.world import build_world
from tests.synth.worlds import bare_world


def test_obstacles_block_the_view_only_where_they_lie_between() -> None:
    world = bare_world()
    obstacles = np.array([[0, 5, 0.5, 0, 2], [3, 5, 0.5, 3, 6]], np.float32)
    world = replace(world, obstacles=obstacles)
    eye = np.array([0.0, 1.5, 10.0])
    points = np.array([[0, 1.2, 0], [0, 1.2, 6.5], [2, 1.2, 0], [3, 1.2, 3]])
    assert blocked(world, eye, points).tolist() == [True, False, False, False]
    above = np.array([0.0, 9.0, 10.0])
    assert not blocked(world, above, np.array([[0, 1.2, 0]]))[0]  # over the top of the obstacle
    assert blocked(world, np.array([3.0, 4.0, 10]), np.array([[3, 4.0, 0]]))[0]  # through a crown
    camera = Camera(name="c", eye=(0, 1.5, 6.5), target=(0, 1.2, 0), field_of_view=60, width=96, height=64, aspect=1.5)
    assert free_share(world, camera) == 0.0  # the obstacle is right in front of the lens


def test_cameras_look_where_people_walk(jobs: tuple[Job, ...]) -> None:
    shares = [free_share(build_world(job.kind, job.world_seed), job.frames[0].camera) for job in jobs]
    assert min(shares) >= 0.5
    assert np.mean(np.array(shares) >= FREE) > 0.9
    heights = [job.frames[0].camera.eye[1] for job in jobs]
    assert min(heights) >= 2.0
    assert max(heights) <= 8.0
