"""Both networks on a device that computes nothing: every operand is there, and the fast path never waits for it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from personsearch.fast import FastNetwork
from personsearch.models import build, preset, preset_names
from tests.fast.fake_cuda import Device, fake_cuda

PEOPLE = 12
DTYPES = [torch.float32, torch.float16]


def scenes(name: str, dtype: torch.dtype) -> Tensor:
    rule = preset(name).input
    images = torch.zeros(2, 3, rule.min_size, rule.max_size, dtype=torch.uint8, device="cuda")
    return images if dtype == torch.uint8 else images.to(dtype) / 255


def given_boxes(device: str) -> list[Tensor]:
    """Three boxes of the first image and none of the second."""
    return [torch.rand(3, 4, device=device), torch.rand(0, 4, device=device)]


@pytest.mark.parametrize("name", preset_names())
def test_the_reference_network_keeps_everything_on_its_device(name: str) -> None:
    with fake_cuda(), torch.inference_mode():
        network = build(preset(name)).eval().to("cuda")
        people = network(scenes(name, torch.float32), max_people=PEOPLE)
        assert {part.device.type for one in people for part in one} == {"cuda"}
        assert [tuple(one.embeddings.shape) for one in people] == [(PEOPLE, network.config.embedding_size)] * 2
        embedded = network.set_dtype(torch.float16).embed(scenes(name, torch.float16), given_boxes("cuda"))
        assert [(len(one), one.device.type, one.dtype) for one in embedded] == [
            (3, "cuda", torch.float32),
            (0, "cuda", torch.float32),
        ]


@pytest.mark.parametrize("name", preset_names())
def test_no_stage_of_the_fast_network_waits_for_the_device(name: str) -> None:
    with fake_cuda() as device, torch.inference_mode():
        network = FastNetwork(build(preset(name))).to("cuda")
        images = scenes(name, torch.uint8)
        image_of = torch.arange(2, device="cuda").repeat_interleave(PEOPLE, output_size=2 * PEOPLE)
        for dtype in DTYPES:
            network.set_dtype(dtype)
            with device.without_waiting("the way from the pixels to who is a person"):
                low, high = network.features(images)
                regions = network.propose(high)
                boxes, scores = network.score(high, regions)
                chosen = network.select(boxes, scores, regions.real, score_threshold=0.5, max_people=PEOPLE)
            with device.without_waiting("identification"):
                embeddings = network.identify(low, high, chosen.boxes.view(-1, 4), image_of)
            assert high.dtype == dtype
            assert embeddings.device.type == "cuda"
            assert embeddings.dtype == torch.float32
            assert tuple(embeddings.shape) == (2 * PEOPLE, network.config.embedding_size)


def waits_of_calls(device: Device, network: FastNetwork, images: Tensor) -> dict[str, int]:
    counts = {}
    for call in ("forward", "embed", "observe"):
        before = len(device.waits)
        if call == "forward":
            found = network(images, max_people=PEOPLE)
            assert {part.device.type for one in found for part in one} == {"cpu"}
        elif call == "embed":
            assert {part.device.type for part in network.embed(images, given_boxes("cpu"))} == {"cpu"}
        else:
            network.observe(images, given_boxes("cpu"), max_people=PEOPLE)
        counts[call] = len(device.waits) - before
    return counts


def test_a_whole_call_of_the_fast_network_waits_twice_whatever_the_batch() -> None:
    """Who was found comes to the host; then their embeddings do."""
    name = "stl-mrfp-small"
    with fake_cuda() as device, torch.inference_mode():
        network = FastNetwork(build(preset(name))).to("cuda")
        assert waits_of_calls(device, network, scenes(name, torch.uint8)) == {"forward": 2, "embed": 1, "observe": 2}


def test_a_network_can_be_made_fast_where_it_is() -> None:
    name = "stl-mrfp-small"
    with fake_cuda() as device, torch.inference_mode():
        network = FastNetwork(build(preset(name)).to("cuda"))
        images = scenes(name, torch.uint8)
        with device.without_waiting("the base network"):
            assert network.features(images)[1].device.type == "cuda"
