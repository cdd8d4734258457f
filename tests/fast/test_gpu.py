"""Inference on a real GPU gives what the CPU gives, does not wait, and keeps within its memory.

Where there is no GPU, the fake device of ``test_fake_cuda.py`` says what can be said without numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from personsearch import Gallery, Match, PersonSearcher
from personsearch.boxes import box_iou
from personsearch.demo import demo_scenes
from personsearch.fast import FastNetwork
from personsearch.models import build, preset, preset_names
from personsearch.results import Detections
from tests.fast.gpu import WANTED, counted_waits, exact, gpu, memory, without_waiting

#: dtype -> how far boxes (pixels) and scores may be off, and how alike embeddings of the same box must be.
TOLERANCE = {"float32": (0.1, 1e-3, 0.9999), "float16": (2.0, 0.02, 0.999)}
#: The times that one call of the fast network may wait: for who was found, then for their embeddings.
WAITS = 2


@pytest.fixture(scope="module")
def standard() -> PersonSearcher:
    """The reference: the paper's network as it is written, in float32 on the CPU."""
    return PersonSearcher.from_pretrained(device="cpu", dtype="float32", fast=False)


def require_same_people(found: Detections, expected: Detections, dtype: str, lowest: float) -> None:
    """Everybody is found, but for those whose score is as near the threshold as scores may be off."""
    pixels, score, _ = TOLERANCE[dtype]
    for ours, theirs in ((found, expected), (expected, found)):
        certain = np.flatnonzero(ours.scores >= lowest + score)
        nearest = box_iou(ours.boxes[certain], theirs.boxes).argmax(axis=1)
        assert np.abs(ours.boxes[certain] - theirs.boxes[nearest]).max() <= pixels
        assert np.abs(ours.scores[certain] - theirs.scores[nearest]).max() <= score


@pytest.mark.gpu
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "reference"])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_people_and_embeddings_are_those_of_the_cpu(dtype: str, fast: bool, standard: PersonSearcher) -> None:
    searcher = PersonSearcher.from_pretrained(device=gpu(), dtype=dtype if WANTED == "cuda" else "float32", fast=fast)
    scenes = [scene.path for scene in demo_scenes()[0][:2]]
    lowest = standard.config.detector.score_threshold
    with exact():
        for scene, found, expected in zip(scenes, searcher.detect(scenes), standard.detect(scenes), strict=True):
            require_same_people(found, expected, dtype, lowest)
            ours, theirs = (one.embed_boxes(scene, expected.boxes) for one in (searcher, standard))
            assert (ours * theirs).sum(axis=1).min() >= TOLERANCE[dtype][2]


def matches_of(searcher: PersonSearcher, folder: Path, scenes: list[Any], queries: list[Any]) -> list[list[Match]]:
    paths = {scene.image_id: scene.path for scene in scenes}
    with Gallery.open(folder, searcher.spec) as gallery:
        searcher.index(paths, gallery, progress=False)
        return [
            searcher.search(gallery, paths[query.image_id], query.box, k=3, exclude_images=[query.image_id])
            for query in queries
        ]


@pytest.mark.gpu
def test_a_gallery_of_the_gpu_answers_as_one_of_the_cpu(standard: PersonSearcher, tmp_path: Path) -> None:
    scenes, queries = demo_scenes()
    searcher = PersonSearcher.from_pretrained(device=gpu())
    ours = matches_of(searcher, tmp_path / "ours", scenes, queries)
    theirs = matches_of(standard, tmp_path / "theirs", scenes, queries)
    for mine, other in zip(ours, theirs, strict=True):
        assert [match.image_id for match in mine] == [match.image_id for match in other]
        for one, two in zip(mine, other, strict=True):
            assert box_iou(np.array([one.box]), np.array([two.box]))[0, 0] > 0.9
            assert one.similarity == pytest.approx(two.similarity, abs=0.01)


@pytest.mark.gpu
def test_results_do_not_depend_on_the_batch() -> None:
    searcher = PersonSearcher.from_pretrained(device=gpu(), dtype="float32")
    paths = [scene.path for scene in demo_scenes()[0][:5]]
    with exact():
        alone, together = (searcher.detect(paths, batch_size=size) for size in (1, 4))
    for one, other in zip(alone, together, strict=True):
        require_same_people(one, other, "float32", searcher.config.detector.score_threshold)
        nearest = box_iou(one.boxes, other.boxes).argmax(axis=1)
        assert (one.embeddings * other.embeddings[nearest]).sum(axis=1).min() >= TOLERANCE["float32"][2]


def pictures(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (count, 640, 960, 3), dtype=np.uint8)


def settled(stage: Callable[..., Any]) -> Callable[..., Any]:
    """Return a stage that always says of its suppressions that they have settled."""

    def call(*given: Any, **options: Any) -> Any:
        result = stage(*given, **options)
        return result._replace(settled=torch.ones_like(result.settled))

    return call


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("name", preset_names())
def test_no_stage_of_the_fast_network_waits_for_the_gpu(
    name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = gpu()
    dtype = dtype if device.type == "cuda" else torch.float32
    torch.manual_seed(0)
    network = FastNetwork(build(preset(name)).eval()).to(device).set_dtype(dtype)
    images = torch.from_numpy(pictures(2)).permute(0, 3, 1, 2).to(device)

    def stages() -> torch.Tensor:
        low, high = network.features(images)
        regions = network.propose(high)
        boxes, scores = network.score(high, regions)
        chosen = network.select(boxes, scores, regions.real, score_threshold=0.0, max_people=8)
        image_of = torch.arange(2, device=device).repeat_interleave(8, output_size=16)
        return network.identify(low, high, chosen.boxes.view(-1, 4), image_of)

    with torch.inference_mode():
        stages()  # the first call loads libraries and chooses algorithms
        with without_waiting(device):
            embeddings = stages()
        assert embeddings.isfinite().all()
        # Of random weights a suppression may not have settled, and then the host looks on, as it should.
        for stage in ("propose", "select"):
            monkeypatch.setattr(network, stage, settled(getattr(network, stage)))
        with counted_waits(device) as waits:
            network(images)
    assert len(waits) <= WAITS, waits


@pytest.mark.gpu
def test_the_gpus_memory_is_bounded() -> None:
    device = gpu()
    searcher = PersonSearcher.from_pretrained(device=device)
    held = []
    for number in range(24):
        height, width = 480 + 32 * (number % 4), 640 + 32 * (number % 3)
        searcher.detect(list(pictures(number % 5 + 1)[:, :height, :width]), batch_size=4)
        held.append(memory(device))
    assert max(held[12:]) <= max(held[:12])
