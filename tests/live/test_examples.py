"""The examples in the docstrings of the room run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest

import personsearch.live
from personsearch import PersonSearcher

MODULES = sorted(f"personsearch.live.{module.name}" for module in pkgutil.iter_modules(personsearch.live.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(
    name: str, tiny_searcher: PersonSearcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for test in doctest.DocTestFinder().find(module, name):
        test.globs.update(np=np, searcher=tiny_searcher)
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0, "see the output above"
