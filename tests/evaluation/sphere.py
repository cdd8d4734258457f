"""A set whose similarities between different people are distributed as is known in theory."""

from __future__ import annotations

import numpy as np

from personsearch import Detections
from personsearch.datasets import Dataset
from personsearch.evaluation.observations import Observations
from tests.evaluation import toy


def people_on_a_sphere(
    seed: int, identities: int = 60, scenes_each: int = 6, dim: int = 16
) -> tuple[Dataset, Observations]:
    """Return scenes of one person each; a person's embeddings lie around a centre that is anywhere on the sphere.

    The similarity of two different people is that of two random directions, so its quantiles are known.
    """
    rng = np.random.default_rng(seed)
    scenes, detections, embeddings = [], {}, {}
    for identity in range(identities):
        centre = rng.normal(size=dim)
        centre /= np.linalg.norm(centre)
        for number in range(scenes_each):
            name = f"{identity}/{number}"
            scenes.append(toy.scene(name, [toy.A], [identity]))
            twice = centre + rng.normal(size=(2, dim)) * 0.1
            twice = (twice / np.linalg.norm(twice, axis=1, keepdims=True)).astype(np.float32)
            embeddings[name] = twice[:1]
            detections[name] = Detections(
                boxes=np.array([toy.A], np.float32),
                scores=np.array([0.9], np.float32),
                embeddings=twice[1:],
                image_size=(100, 100),
            )
    data = toy.dataset(scenes)
    boxes = {scene.image_id: scene.boxes for scene in scenes}
    return data, Observations(weights="f" * 64, detections=detections, boxes=boxes, embeddings=embeddings)
