import copy
import logging
from pathlib import Path

import pytest
import torch

from personsearch import PersonSearcher
from personsearch.errors import ConfigError
from personsearch.fast import FastNetwork, compile_parts, compiling
from personsearch.models import ModelConfig, build


def test_it_is_said_what_is_missing(tiny_config: ModelConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ConfigError, match=r"needs a C\+\+ compiler"):
        PersonSearcher(build(tiny_config), device="cpu", fast=True, compile=True)


def test_only_the_fast_path_is_compiled(tiny_config: ModelConfig) -> None:
    with pytest.raises(ConfigError, match="fast=True"):
        PersonSearcher(build(tiny_config), device="cpu", compile=True)


@pytest.fixture
def shorter(tiny_config: ModelConfig) -> ModelConfig:
    """With a layer behind the neck that makes shorter embeddings."""
    return tiny_config.model_copy(update={"reid": tiny_config.reid.model_copy(update={"embedding": 24})})


def test_the_identification_network_with_an_embedding_layer_can_be_traced_as_one_graph(shorter: ModelConfig) -> None:
    torch.manual_seed(0)
    part, maps = FastNetwork(build(shorter)).parts.identification, torch.rand(3, 32, 128)
    fine = torch.rand(3, 128, 64)
    with torch.inference_mode():
        traced = torch.compile(part, backend="eager", fullgraph=True)(maps, fine)
        assert traced.shape == (3, 24)
        assert torch.allclose(traced, part(maps, fine), atol=1e-5)


@pytest.mark.slow
def test_compiled_parts_compute_the_same_and_never_in_silence(
    shorter: ModelConfig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several canvases, numbers of images and of people; what was compiled is not compiled again."""
    caplog.set_level(logging.WARNING, logger="personsearch")
    torch.manual_seed(0)
    network = build(shorter)
    fast, compiled = FastNetwork(copy.deepcopy(network)), FastNetwork(network)
    compile_parts(compiled.parts)
    monkeypatch.setattr(compiling, "MOST_SHAPES", 3)
    for images, size, people in ((1, 96, 1), (2, 96, 3), (3, 96, 9), (1, 96, 20), (1, 64, 5), (2, 64, 1), (1, 32, 17)):
        pixels = torch.randint(0, 256, (images, 3, size, 128), dtype=torch.uint8)
        corner = 20 * torch.rand(people, 2)
        boxes = [torch.cat([corner, corner + 10 + 30 * torch.rand(people, 2)], dim=1)] * images
        with torch.inference_mode():
            expected, computed = fast.embed(pixels, boxes), compiled.embed(pixels, boxes)
            said = len(caplog.records)
            again = compiled.embed(pixels, boxes)
        assert len(caplog.records) == said
        for one, other, third in zip(expected, computed, again, strict=True):
            assert torch.allclose(one, other, atol=1e-4)
            assert torch.equal(other, third)
    assert "compiling the base network on 128x96 for one image" in caplog.text
    assert "compiled for 3 shapes" in caplog.text
