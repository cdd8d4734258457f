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

#: Records and errors: what they hold is said, and there is nothing to call.
WITHOUT_METHODS = {"IndexReport", "Match", "ModelConfig", "PersonSearchError", "QueryPerson", "Spec"}
#: The first reaches the network, the others are for rooms that store a calibration.
WITHOUT_EXAMPLE = {"PersonSearcher.push_to_hub", "Calibration.to_json", "Calibration.save"}

FINDER = doctest.DocTestFinder(recurse=False)


def documented() -> Iterator[tuple[str, object]]:
    """Yield every public function, and every public method of a public class."""
    for name in personsearch.__all__:
        thing = getattr(personsearch, name)
        if inspect.isclass(thing):
            members = vars(thing).items() if name not in WITHOUT_METHODS else ()
            for method, member in members:
                function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
                if not method.startswith("_") and inspect.isfunction(function):
                    yield f"{name}.{method}", function
        else:
            yield name, thing


DOCUMENTED = dict(documented())


def test_the_public_methods_are_found() -> None:
    assert {"PersonSearcher.detect", "PersonSearcher.from_pretrained", "Gallery.search", "draw"} <= DOCUMENTED.keys()


@pytest.mark.parametrize("name", [name for name in DOCUMENTED if name not in WITHOUT_EXAMPLE])
def test_the_example_runs(name: str, searcher: PersonSearcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tests = [test for test in FINDER.find(DOCUMENTED[name], name) if test.examples]
    assert tests, f"{name} has no example in its docstring"
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
        for test in tests:
            test.globs.update(names)
            runner.run(test)
    assert runner.summarize(verbose=False).failed == 0, "see the output above"
