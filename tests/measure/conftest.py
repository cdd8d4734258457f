"""Fixtures of the tests of measure."""

from __future__ import annotations

import pytest

from personsearch.datasets import Dataset
from tests.measure.toy_evaluation import toy_dataset


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Six toy scenes with two queries; see ``toy_evaluation``."""
    return toy_dataset(tmp_path_factory.mktemp("toy"))
