import copy
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from personsearch import Gallery, PersonSearcher
from personsearch.canvas import to_canvas
from personsearch.demo import demo_scenes
from personsearch.fast import FastNetwork, suppression, use_winograd
from personsearch.fast import network as fast_network
from personsearch.models import ModelConfig, People, PersonSearchNetwork, build, preset
from personsearch.pictures.decode import load_image
from personsearch.weights.registry import DEFAULT, load_weights


@pytest.fixture(scope="module")
def reference() -> PersonSearchNetwork:
    """The network of the packaged weights."""
    return load_weights(DEFAULT).network


@pytest.fixture(scope="module")
def fast(reference: PersonSearchNetwork) -> FastNetwork:
    network = FastNetwork(copy.deepcopy(reference))
    use_winograd(network.parts.proposal_head)
    return network


def assert_same(expected: list[People], computed: list[People]) -> None:
    assert len(expected) == len(computed)
    for one, other in zip(expected, computed, strict=True):
        assert len(one.boxes) == len(other.boxes)
        if len(one.boxes):
            assert (one.boxes - other.boxes).abs().max() <= 0.1
            assert (one.scores - other.scores).abs().max() <= 1e-3
            assert (one.embeddings * other.embeddings).sum(dim=1).min() >= 0.9999


def canvas_of(pixels: np.ndarray, reference: PersonSearchNetwork) -> Tensor:
    size = reference.config.input
    return to_canvas(pixels, size.min_size, size.max_size).pixels[None]


def test_the_bundled_scenes_show_the_same_people(reference: PersonSearchNetwork, fast: FastNetwork) -> None:
    found = 0
    for scene in demo_scenes()[0]:
        pixels = canvas_of(load_image(scene.path), reference)
        with torch.inference_mode():
            given_boxes = [torch.from_numpy(scene.boxes)]
            expected, embedded = reference.observe(pixels.float() / 255, given_boxes)
            computed, embedded_fast = fast.observe(pixels, given_boxes)
        assert_same(expected, computed)
        assert (embedded[0] * embedded_fast[0]).sum(dim=1).min() >= 0.9999
        found += len(computed[0].boxes)
    assert found > 20


@given(seed=st.integers(0, 100_000), height=st.sampled_from([96, 160]), width=st.sampled_from([128, 224]))
@settings(max_examples=15, deadline=None)
def test_random_scenes_show_the_same_people(
    reference: PersonSearchNetwork, fast: FastNetwork, seed: int, height: int, width: int
) -> None:
    """Pieces of bundled scenes at random, mirrored, darkened and noisy; all that scores at all is compared."""
    rng = np.random.default_rng(seed)
    scenes = demo_scenes()[0]
    pictures = []
    for _ in range(2):
        pixels = load_image(scenes[rng.integers(len(scenes))].path)
        y, x = rng.integers(pixels.shape[0] - height), rng.integers(pixels.shape[1] - width)
        piece = pixels[y : y + height, x : x + width, :][:, :: rng.choice([-1, 1])]
        noisy = piece * rng.uniform(0.2, 1.2) + rng.normal(0, rng.uniform(0, 20), piece.shape)
        pictures.append(torch.from_numpy(noisy.clip(0, 255).astype(np.uint8)).permute(2, 0, 1))
    images = torch.stack(pictures)
    with torch.inference_mode():
        assert_same(reference(images.float() / 255, score_threshold=0.3), fast(images, score_threshold=0.3))


def untrained(name: str, **reid: object) -> PersonSearchNetwork:
    """Return a preset's network with random weights and statistics."""
    torch.manual_seed(0)
    data = preset(name).model_dump()
    data["reid"] |= reid
    network = build(ModelConfig.model_validate(data)).eval()
    for norm in network.modules():
        if isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.uniform_(norm.running_mean, -0.1, 0.1)
            nn.init.uniform_(norm.running_var, 0.5, 1.5)
    return network


@pytest.mark.parametrize(
    ("name", "pooling", "embedding"),
    [
        ("stl-mrfp-r50", "mrfp", None),
        ("stl-mrfp-r50", "roialign", 256),
        ("stl-mrfp-small", "mrfp", 256),
        ("stl-mrfp-small", "roialign", None),
    ],
)
def test_given_boxes_are_embedded_the_same_by_both_presets(name: str, pooling: str, embedding: int | None) -> None:
    reference = untrained(name, pooling=pooling, embedding=embedding)
    images = torch.randint(0, 256, (2, 3, 96, 128), dtype=torch.uint8)
    boxes = [torch.tensor([[10.0, 5, 50, 90], [60, 20, 90, 80]]), torch.zeros(0, 4)]
    with torch.inference_mode():
        expected = reference.embed(images.float() / 255, boxes)
        computed = FastNetwork(reference).embed(images, boxes)
    assert [len(rows) for rows in computed] == [2, 0]
    assert (expected[0] * computed[0]).sum(dim=1).min() >= 0.9999


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_an_embedding_layer_stays_in_float32_and_both_networks_agree(dtype: torch.dtype) -> None:
    reference = untrained("stl-mrfp-small", embedding=64)
    images = torch.randint(0, 256, (1, 3, 96, 128), dtype=torch.uint8)
    boxes = [torch.tensor([[10.0, 5, 50, 90], [60, 20, 90, 80]])]
    with torch.inference_mode():
        exact = reference.embed(images.float() / 255, boxes)[0]
        fast = FastNetwork(copy.deepcopy(reference)).set_dtype(dtype)
        rounded = [fast.embed(images, boxes)[0], reference.set_dtype(dtype).embed(images.to(dtype) / 255, boxes)[0]]
    layer = fast.parts.identification.identification.embedding
    assert layer is not None
    assert {one.dtype for one in layer.parameters()} == {torch.float32}
    for one in rounded:
        assert one.dtype == torch.float32
        assert (exact * one).sum(dim=1).min() >= 0.999
    assert (rounded[0] * rounded[1]).sum(dim=1).min() >= 0.999


def test_float_images_are_taken_too_and_people_and_given_boxes_come_together(fast: FastNetwork) -> None:
    scene = demo_scenes()[0][0]
    pixels = to_canvas(load_image(scene.path), 448, 672).pixels[None]
    boxes = [torch.from_numpy(scene.boxes)]
    with torch.inference_mode():
        people, embedded = fast.observe(pixels.float() / 255, boxes)
        assert_same(people, fast(pixels))
        assert torch.allclose(embedded[0], fast.embed(pixels, boxes)[0], atol=1e-5)


def test_one_model_is_in_memory(tiny_config: ModelConfig) -> None:
    network = build(tiny_config)
    before = sum(tensor.nbytes for tensor in network.state_dict().values())
    first, largest = network.base.conv1.weight, network.identification.layer4[1].conv2.weight
    fast = FastNetwork(network)
    assert fast.parts.base.conv1.weight is first
    assert fast.parts.identification.identification.layer4[1].conv2.weight is largest
    assert sum(tensor.nbytes for tensor in [*fast.parameters(), *fast.buffers()]) < before


def test_a_crowd_is_embedded_in_parts(fast: FastNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = torch.randint(0, 256, (2, 3, 96, 128), dtype=torch.uint8)
    boxes = [torch.tensor([[10.0 * i, 5, 10 * i + 30, 80] for i in range(5)]), torch.tensor([[0.0, 0, 50, 96]])]
    sizes: list[int] = []
    identify = fast.identify

    def counted(low: Tensor, high: Tensor, part: Tensor, image_of: Tensor) -> Tensor:
        sizes.append(len(part))
        return identify(low, high, part, image_of)

    with torch.inference_mode():
        expected = fast.embed(pixels, boxes)
        monkeypatch.setattr(fast_network, "PEOPLE_AT_ONCE", 4)
        monkeypatch.setattr(fast, "identify", counted)
        computed = fast.embed(pixels, boxes)
    assert sizes == [4, 2]
    for one, other in zip(expected, computed, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(("people", "sizes"), [(1, [16]), (16, [16]), (17, [32]), (130, [128, 16])])
def test_a_gpu_meets_few_numbers_of_people(
    people: int, sizes: list[int], fast: FastNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What CUDA does, on the CPU: the last ones stand in for nobody, and nobody is told of them."""
    pixels = torch.randint(0, 256, (2, 3, 96, 128), dtype=torch.uint8)
    others = torch.arange(people - 1)[:, None] * 0.5 + torch.tensor([0.0, 5, 30, 80])
    boxes = [torch.tensor([[0.0, 0, 50, 96]]), others]
    met: list[int] = []

    def counted(low: Tensor, high: Tensor, part: Tensor, image_of: Tensor) -> Tensor:
        met.append(len(part))
        return torch.cat([part, image_of[:, None].float()], dim=1)  # instead of embeddings: whose they are

    monkeypatch.setattr(fast, "identify", counted)
    monkeypatch.setattr(fast_network, "_waits", lambda _: False)
    with torch.inference_mode():
        embedded = fast.embed(pixels, boxes)
    assert met == sizes
    for image, (own, rows) in enumerate(zip(boxes, embedded, strict=True)):
        assert torch.equal(rows, torch.cat([own, torch.full((len(own), 1), float(image))], dim=1))


def test_without_the_host_the_same_people_are_found(
    fast: FastNetwork, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What CUDA does, on the CPU; also where the first attempt is not settled."""
    scenes = [load_image(scene.path) for scene in demo_scenes()[0][:2]]
    pixels = torch.cat([to_canvas(scene, 448, 672).pixels[None] for scene in scenes])
    caplog.set_level(logging.DEBUG, logger="personsearch")
    with torch.inference_mode():
        expected = fast(pixels)
        monkeypatch.setattr(fast_network, "_waits", lambda _: False)
        assert_same(expected, fast(pixels))
        assert "had not settled" not in caplog.text
        monkeypatch.setattr(suppression, "LARGEST", 20)
        assert_same(expected, fast(pixels))
    assert "had not settled" in caplog.text


def test_a_diverged_network_finds_nobody_and_says_so_once(
    tiny_config: ModelConfig, caplog: pytest.LogCaptureFixture
) -> None:
    network = build(tiny_config)
    with torch.no_grad():
        network.detector.rpn.head.bbox_pred.weight.fill_(torch.nan)
    fast = FastNetwork(network)
    with torch.inference_mode():
        for _ in range(2):
            [people] = fast(torch.zeros(1, 3, 64, 96, dtype=torch.uint8))
    assert len(people.boxes) == 0
    assert people.embeddings.shape == (0, tiny_config.embedding_size)
    assert caplog.text.count("diverged") == 1


def test_the_order_of_the_bundled_queries_results_is_unchanged(searcher: PersonSearcher, tmp_path: Path) -> None:
    reference = PersonSearcher.from_pretrained(device="cpu", fast=False)
    assert isinstance(reference.network, PersonSearchNetwork)
    assert isinstance(searcher.network, FastNetwork)
    assert reference.spec == searcher.spec
    scenes, queries = demo_scenes()
    ranked = []
    for one in (reference, searcher):
        with Gallery.open(tmp_path / type(one.network).__name__, one.spec) as gallery:
            one.index({scene.image_id: scene.path for scene in scenes}, gallery, progress=False)
            paths = {scene.image_id: scene.path for scene in scenes}
            ranked.append(
                [
                    [
                        (match.image_id, tuple(np.round(match.box)))
                        for match in one.search(gallery, paths[query.image_id], query.box.tolist(), k=20)
                    ]
                    for query in queries
                ]
            )
    assert ranked[0] == ranked[1]
    assert all(len(matches) == 20 for matches in ranked[0])
