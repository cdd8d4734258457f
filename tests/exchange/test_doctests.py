"""The examples in the docstrings of the room run."""

import doctest
from pathlib import Path
from types import FunctionType

import pytest

from personsearch import Gallery, PersonSearcher
from personsearch.demo import demo_folder
from personsearch.exchange import everybody, export, names, split

FUNCTIONS = [everybody.with_everybody, export.export_gallery, names.picture_stem, split.split_people]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_example_runs(
    function: FunctionType, searcher: PersonSearcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    query = demo_folder() / "s23c4_0005.jpg"
    with Gallery.open(tmp_path / "gallery", searcher.spec) as gallery:
        extra = {"path": str(query)}
        gallery.add(query.name, searcher.detect(query), camera="door", time=5.0, extra=extra)
        [test] = doctest.DocTestFinder(recurse=False).find(function, "example")
        test.globs.update(function.__globals__, gallery=gallery)
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
        runner.run(test)
    assert test.examples
    assert runner.summarize(verbose=False).failed == 0, "see the output above"
