"""Fixtures of the tests of measure."""

from __future__ import annotations

from pathlib import Path

import pytest

from personsearch.datasets import Dataset
from personsearch.models import ModelConfig
from tests.measure.cascades import step1
from tests.measure.toy_evaluation import toy_dataset


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Six toy scenes with two queries; see ``toy_evaluation``."""
    return toy_dataset(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def reid(tiny_config: ModelConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights folder of a tiny step 1."""
    return step1(tmp_path_factory.mktemp("step1") / "run" / "weights", tiny_config)


@pytest.fixture(scope="session")
def other_reid(tiny_config: ModelConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of another one, whose backbone is another, too."""
    config = tiny_config.model_copy(update={"name": "other", "backbone": "resnet18"})
    return step1(tmp_path_factory.mktemp("other") / "run" / "weights", config, seed=1)
