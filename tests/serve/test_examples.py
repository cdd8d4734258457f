"""The examples in the docstrings of the service run."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from personsearch import Gallery, PersonSearcher
from personsearch.serve.faults import Refused


@pytest.mark.parametrize("name", ["access", "app", "crops", "embeddings", "faults"])
def test_the_examples_run(name: str, tiny: PersonSearcher, home: Path) -> None:
    module = importlib.import_module(f"personsearch.serve.{name}")
    with Gallery.open(home / "gallery", mode="r") as gallery:
        names = {**vars(module), "np": np, "Image": Image, "searcher": tiny, "gallery": gallery, "Refused": Refused}
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        tests = [test for test in doctest.DocTestFinder().find(module, extraglobs=names) if test.examples]
        assert tests
        for test in tests:
            runner.run(test)
    assert runner.summarize(verbose=False).failed == 0, "see the output above"
