"""The examples in the docstrings of public classes and functions run, and every public method has one."""

import doctest
import inspect
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import personsearch
from personsearch import Detections, Gallery, PersonSearcher
from personsearch.demo import demo_folder
from tests.support import toy_scene

#: Records and errors: what they hold is described, and there is nothing to call.
WITHOUT_METHODS = {"IndexReport", "Match", "ModelConfig", "PersonSearchError", "QueryPerson", "Spec"}
#: The first reaches the network, the others are for those who store a calibration.
WITHOUT_EXAMPLE = {"PersonSearcher.push_to_hub", "Calibration.to_json", "Calibration.save"}


def examples_of(thing: object, name: str) -> list[doctest.DocTest]:
    return [test for test in doctest.DocTestFinder(recurse=False).find(thing, name) if test.examples]


def methods_of(public: type) -> Iterator[tuple[str, object]]:
    for name, member in vars(public).items():
        function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        if not name.startswith("_") and inspect.isfunction(function):
            yield name, function


def collected() -> tuple[dict[str, list[doctest.DocTest]], list[str]]:
    """Return the examples of the public names, and the public methods and functions that no example calls."""
    found: dict[str, list[doctest.DocTest]] = {}
    missing = []
    for name in personsearch.__all__:
        thing = getattr(personsearch, name)
        found[name] = examples_of(thing, name)
        if not inspect.isclass(thing) and not found[name]:
            missing.append(name)
        if not inspect.isclass(thing) or name in WITHOUT_METHODS:
            continue
        whole = "".join(example.source for test in found[name] for example in test.examples)
        for method, function in methods_of(thing):
            found[f"{name}.{method}"] = examples_of(function, f"{name}.{method}")
            if not found[f"{name}.{method}"] and f".{method}(" not in whole:
                missing.append(f"{name}.{method}")
    return {name: tests for name, tests in found.items() if tests}, missing


EXAMPLES, MISSING = collected()


def test_every_public_function_and_method_is_in_an_example() -> None:
    assert {"PersonSearcher.detect", "PersonSearcher.from_pretrained", "Gallery", "draw"} <= EXAMPLES.keys()
    assert set(MISSING) == WITHOUT_EXAMPLE


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs(name: str, searcher: PersonSearcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number in range(2):
        toy_scene([(0, 10, 10), (1, 60, 20)], seed=number).save(tmp_path / "photos" / f"{number}.jpg")
    query = demo_folder() / "s23c4_0005.jpg"
    detections = searcher.detect(query)
    with Gallery.open(tmp_path / "gallery", searcher.spec, calibration=searcher.calibration) as gallery:
        gallery.add("s23c4_0005.jpg", detections, camera="door", time=5.0, extra={"path": str(query)})
        names = {
            "np": np,
            "personsearch": personsearch,
            "PersonSearcher": PersonSearcher,
            "Gallery": Gallery,
            "Detections": Detections,
            "searcher": searcher,
            "gallery": gallery,
            "detections": detections,
            "scenes": demo_folder(),
            "query": query,
            "box": (389, 303, 459, 595),
        }
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        for test in EXAMPLES[name]:
            test.globs.update(names)
            runner.run(test)
    assert runner.summarize(verbose=False).failed == 0, "see the output above"
